//! Where images come from: the embedded set, or a folder in a known layout.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Dataset, Limits, cifar, embedded, idx};
use crate::{Error, suggest};

/// A place to read a data set from. Texts: `embedded`, `cifar10:FOLDER`, `idx:FOLDER`, or a folder whose files tell its
/// layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The images inside the program: a class-balanced subset of Fashion-MNIST.
    Embedded,
    /// A folder with the official binary version of CIFAR-10, or its parent folder.
    Cifar10(PathBuf),
    /// A folder with the four IDX files of MNIST, Fashion-MNIST or a set laid out like them, plain or gzip.
    Idx(PathBuf),
}

impl Source {
    /// The source that a configuration names: `set` is `embedded`, `cifar10` or `idx`.
    ///
    /// # Errors
    /// The problem as text: an unknown set, or a folder that is missing or not needed.
    pub(crate) fn from_parts(set: &str, path: &str) -> Result<Self, String> {
        let with_folder = |make: fn(PathBuf) -> Self| {
            if path.is_empty() {
                return Err(format!("the set {set} needs data.path, the folder of its files"));
            }
            Ok(make(path.into()))
        };
        match set {
            "embedded" if path.is_empty() => Ok(Self::Embedded),
            "embedded" => {
                Err("the set embedded is inside the program; remove data.path or choose another set".into())
            }
            "cifar10" => with_folder(Self::Cifar10),
            "idx" => with_folder(Self::Idx),
            _ => Err(format!("unknown set `{set}`; {}", suggest::hint(set, ["embedded", "cifar10", "idx"]))),
        }
    }

    /// Reads, checks and describes the images.
    ///
    /// # Errors
    /// [`Error::Data`] for files that are missing, short, long or malformed, and for labels out of range.
    pub fn load(&self, limits: Limits) -> Result<Dataset, Error> {
        let raw = match self {
            Self::Embedded => embedded::read()?,
            Self::Cifar10(folder) => cifar::read(folder)?,
            Self::Idx(folder) => idx::read(folder)?,
        };
        Ok(Dataset::new(raw, limits))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Cifar10(folder) => write!(f, "cifar10:{}", folder.display()),
            Self::Idx(folder) => write!(f, "idx:{}", folder.display()),
        }
    }
}

impl FromStr for Source {
    type Err = Error;

    /// # Errors
    /// [`Error::Data`] when the text names neither a known source nor a folder in a known layout.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "embedded" || text == embedded::NAME {
            return Ok(Self::Embedded);
        }
        if let Some((set @ ("cifar10" | "idx"), folder)) = text.split_once(':') {
            return Ok(if set == "idx" { Self::Idx(folder.into()) } else { Self::Cifar10(folder.into()) });
        }
        let folder = Path::new(text);
        if cifar::is_here(folder) {
            Ok(Self::Cifar10(folder.into()))
        } else if idx::is_here(folder) {
            Ok(Self::Idx(folder.into()))
        } else {
            Err(Error::Data {
                path: folder.into(),
                problem: if folder.is_dir() {
                    "no known data files in this folder"
                } else {
                    "no such folder"
                }
                .into(),
                remedy:
                    "give `embedded`, `cifar10:FOLDER`, `idx:FOLDER`, or a folder with data_batch_1.bin or \
                         train-images-idx3-ubyte"
                        .into(),
            })
        }
    }
}
