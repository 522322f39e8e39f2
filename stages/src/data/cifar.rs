//! The official binary version of CIFAR-10: records of one label byte and 3 × 32 × 32 pixels.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Images, Raw};
use crate::Error;

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const SHAPE: [usize; 3] = [3, 32, 32];
const IMAGE_BYTES: usize = 3 * 32 * 32;
const RECORD_BYTES: usize = 1 + IMAGE_BYTES;
const RECORDS: usize = 10_000;
/// Mean and standard deviation of the official training images, as DARTS and the published trials used them.
#[allow(clippy::excessive_precision)]
const NORMALISATION: ([f32; 3], [f32; 3]) =
    ([0.491_399_68, 0.482_158_27, 0.446_531_24], [0.247_032_33, 0.243_485_05, 0.261_587_68]);

/// The folder that holds the batch files: `folder` itself or the one inside that the official archive unpacks to.
fn batches(folder: &Path) -> PathBuf {
    let inner = folder.join("cifar-10-batches-bin");
    if inner.is_dir() { inner } else { folder.to_path_buf() }
}

/// Whether `folder` looks like this layout.
pub(super) fn is_here(folder: &Path) -> bool {
    batches(folder).join("data_batch_1.bin").is_file()
}

/// Reads the five training batches and the test batch.
pub(super) fn read(folder: &Path) -> Result<Raw, Error> {
    let folder = batches(folder);
    let train: Vec<PathBuf> = (1..=5).map(|batch| folder.join(format!("data_batch_{batch}.bin"))).collect();
    Ok(Raw {
        name: "cifar10".into(),
        shape: SHAPE,
        classes: CLASSES.map(str::to_owned).to_vec(),
        normalisation: Some(NORMALISATION),
        train: images(&train)?,
        test: images(&[folder.join("test_batch.bin")])?,
    })
}

fn images(files: &[PathBuf]) -> Result<Images, Error> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for file in files {
        let error = |problem: String| Error::Data {
            path: file.clone(),
            problem,
            remedy: "unpack the official CIFAR-10 binary version again (cifar-10-binary.tar.gz)".into(),
        };
        let bytes = fs::read(file).map_err(|source| error(format!("cannot read the file ({source})")))?;
        if bytes.len() != RECORDS * RECORD_BYTES {
            let expected = RECORDS * RECORD_BYTES;
            return Err(error(format!("{} bytes, expected {expected} (10,000 records)", bytes.len())));
        }
        for (number, record) in bytes.chunks_exact(RECORD_BYTES).enumerate() {
            if usize::from(record[0]) >= CLASSES.len() {
                return Err(error(format!("record {number} has the label {}, expected 0 to 9", record[0])));
            }
            labels.push(record[0]);
            pixels.extend_from_slice(&record[1..]);
        }
    }
    Ok(Images::new(pixels, labels))
}
