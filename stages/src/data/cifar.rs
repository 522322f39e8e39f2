//! The official binary versions of CIFAR-10 and CIFAR-100: records of one label byte, or a coarse and a fine one, and
//! 3 × 32 × 32 pixels.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Images, Raw};
use crate::Error;

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const SHAPE: [usize; 3] = [3, 32, 32];
const IMAGE_BYTES: usize = 3 * 32 * 32;
/// Records that are read together; a file is a multiple of them.
const RECORDS_AT_ONCE: usize = 100;
/// Mean and standard deviation of CIFAR-10's training images, as DARTS and the published trials used them.
#[allow(clippy::excessive_precision)]
pub(super) const NORMALISATION: ([f32; 3], [f32; 3]) =
    ([0.491_399_68, 0.482_158_27, 0.446_531_24], [0.247_032_33, 0.243_485_05, 0.261_587_68]);
/// Those of CIFAR-100's, as P-DARTS has them.
const NORMALISATION_100: ([f32; 3], [f32; 3]) = ([0.5071, 0.4867, 0.4408], [0.2675, 0.2565, 0.2761]);
/// Names of the fine classes, a line each.
const NAMES_100: &str = "fine_label_names.txt";

/// How the files of one of the two sets are written.
struct Layout {
    /// Bytes of a record before its pixels; the last of them is the label.
    label_bytes: usize,
    classes: usize,
    /// Records of a file.
    records: usize,
    remedy: &'static str,
}

const CIFAR10: Layout = Layout {
    label_bytes: 1,
    classes: CLASSES.len(),
    records: 10_000,
    remedy: "unpack the official CIFAR-10 binary version again (cifar-10-binary.tar.gz)",
};
/// Its training images; the test images are as many as CIFAR-10's.
const CIFAR100: Layout = Layout {
    label_bytes: 2,
    classes: 100,
    records: 50_000,
    remedy: "unpack the official CIFAR-100 binary version again (cifar-100-binary.tar.gz)",
};

/// Whether the batch files of CIFAR-10 lie in `folder`.
pub(super) fn is_cifar10(folder: &Path) -> bool {
    folder.join("data_batch_1.bin").is_file()
}

/// Whether the files of CIFAR-100 lie in `folder`.
pub(super) fn is_cifar100(folder: &Path) -> bool {
    folder.join("train.bin").is_file() && folder.join(NAMES_100).is_file()
}

/// Reads the five training batches and the test batch of CIFAR-10.
pub(super) fn read10(folder: &Path) -> Result<Raw, Error> {
    let train: Vec<PathBuf> = (1..=5).map(|batch| folder.join(format!("data_batch_{batch}.bin"))).collect();
    Ok(Raw {
        name: "cifar10".into(),
        shape: SHAPE,
        classes: CLASSES.map(str::to_owned).to_vec(),
        normalisation: Some(NORMALISATION),
        train: CIFAR10.images(&train)?,
        test: CIFAR10.images(&[folder.join("test_batch.bin")])?,
    })
}

/// Reads the training and the test file of CIFAR-100, with its fine labels and their names.
pub(super) fn read100(folder: &Path) -> Result<Raw, Error> {
    let names = folder.join(NAMES_100);
    let text = fs::read_to_string(&names).map_err(|source| CIFAR100.unreadable(&names, &source))?;
    let classes: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if classes.len() != CIFAR100.classes {
        return Err(CIFAR100.error(&names, format!("{} names of classes, expected 100", classes.len())));
    }
    let test = Layout { records: 10_000, ..CIFAR100 };
    Ok(Raw {
        name: "cifar100".into(),
        shape: SHAPE,
        classes,
        normalisation: Some(NORMALISATION_100),
        train: CIFAR100.images(&[folder.join("train.bin")])?,
        test: test.images(&[folder.join("test.bin")])?,
    })
}

impl Layout {
    fn error(&self, path: &Path, problem: String) -> Error {
        Error::Data { path: path.into(), problem, remedy: self.remedy.into() }
    }

    fn unreadable(&self, path: &Path, source: &io::Error) -> Error {
        self.error(path, format!("cannot read the file ({source})"))
    }

    /// Reads the records of several files. Pixels are read right to where they stay: every copy of such a set would take
    /// longer than all else of a run that finds everything in the cache.
    fn images(&self, files: &[PathBuf]) -> Result<Images, Error> {
        let Self { label_bytes, classes, records: in_file, .. } = *self;
        let record_bytes = label_bytes + IMAGE_BYTES;
        let count = files.len() * in_file;
        let mut pixels: Arc<[u8]> = std::iter::repeat_n(0, count * IMAGE_BYTES).collect();
        let mut labels = Vec::with_capacity(count);
        let mut records = vec![0; RECORDS_AT_ONCE * record_bytes];
        for (path, to) in files.iter().zip(Arc::make_mut(&mut pixels).chunks_exact_mut(in_file * IMAGE_BYTES))
        {
            let unreadable = |source: io::Error| self.unreadable(path, &source);
            let mut file = File::open(path).map_err(unreadable)?;
            let (bytes, expected) = (file.metadata().map_err(unreadable)?.len(), in_file * record_bytes);
            if bytes != expected as u64 {
                let problem = format!("{bytes} bytes, expected {expected} ({},000 records)", in_file / 1000);
                return Err(self.error(path, problem));
            }
            for to in to.chunks_exact_mut(RECORDS_AT_ONCE * IMAGE_BYTES) {
                file.read_exact(&mut records).map_err(unreadable)?;
                for (record, to) in records.chunks_exact(record_bytes).zip(to.chunks_exact_mut(IMAGE_BYTES)) {
                    let label = record[label_bytes - 1];
                    if usize::from(label) >= classes {
                        let number = labels.len() % in_file;
                        let largest = classes - 1;
                        let problem =
                            format!("record {number} has the label {label}, expected 0 to {largest}");
                        return Err(self.error(path, problem));
                    }
                    labels.push(u16::from(label));
                    to.copy_from_slice(&record[label_bytes..]);
                }
            }
        }
        Ok(Images { pixels, labels: labels.into(), count })
    }
}
