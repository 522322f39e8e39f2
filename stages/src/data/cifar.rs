//! The official binary version of CIFAR-10: records of one label byte and 3 × 32 × 32 pixels.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Images, Raw};
use crate::Error;

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const SHAPE: [usize; 3] = [3, 32, 32];
const IMAGE_BYTES: usize = 3 * 32 * 32;
const RECORD_BYTES: usize = 1 + IMAGE_BYTES;
const RECORDS: usize = 10_000;
/// Records that are read together; a file is a multiple of them.
const RECORDS_AT_ONCE: usize = 100;
/// Mean and standard deviation of the official training images, as DARTS and the published trials used them.
#[allow(clippy::excessive_precision)]
pub(super) const NORMALISATION: ([f32; 3], [f32; 3]) =
    ([0.491_399_68, 0.482_158_27, 0.446_531_24], [0.247_032_33, 0.243_485_05, 0.261_587_68]);

/// Whether the batch files lie in `folder`.
pub(super) fn is_here(folder: &Path) -> bool {
    folder.join("data_batch_1.bin").is_file()
}

/// Reads the five training batches and the test batch.
pub(super) fn read(folder: &Path) -> Result<Raw, Error> {
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

/// Reads the records of several files. Pixels are read right to where they stay: every copy of such a set would take
/// longer than all else of a run that finds everything in the cache.
fn images(files: &[PathBuf]) -> Result<Images, Error> {
    let count = files.len() * RECORDS;
    let mut pixels: Arc<[u8]> = std::iter::repeat_n(0, count * IMAGE_BYTES).collect();
    let mut labels = Vec::with_capacity(count);
    let mut records = vec![0; RECORDS_AT_ONCE * RECORD_BYTES];
    for (path, to) in files.iter().zip(Arc::make_mut(&mut pixels).chunks_exact_mut(RECORDS * IMAGE_BYTES)) {
        let error = |problem: String| Error::Data {
            path: path.clone(),
            problem,
            remedy: "unpack the official CIFAR-10 binary version again (cifar-10-binary.tar.gz)".into(),
        };
        let unreadable = |source: io::Error| error(format!("cannot read the file ({source})"));
        let mut file = File::open(path).map_err(unreadable)?;
        let (bytes, expected) = (file.metadata().map_err(unreadable)?.len(), RECORDS * RECORD_BYTES);
        if bytes != expected as u64 {
            return Err(error(format!("{bytes} bytes, expected {expected} (10,000 records)")));
        }
        for to in to.chunks_exact_mut(RECORDS_AT_ONCE * IMAGE_BYTES) {
            file.read_exact(&mut records).map_err(unreadable)?;
            for (record, to) in records.chunks_exact(RECORD_BYTES).zip(to.chunks_exact_mut(IMAGE_BYTES)) {
                if usize::from(record[0]) >= CLASSES.len() {
                    let (number, label) = (labels.len() % RECORDS, record[0]);
                    return Err(error(format!("record {number} has the label {label}, expected 0 to 9")));
                }
                labels.push(u16::from(record[0]));
                to.copy_from_slice(&record[1..]);
            }
        }
    }
    Ok(Images { pixels, labels: labels.into(), count })
}
