//! Where images come from: the embedded set, or a folder in a known layout.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::places::{self, Layouts};
use super::progress::Unobserved;
use super::{Dataset, Limits, Reading, ReadingObserver, cifar, embedded, folder, idx};
use crate::echo::shown;
use crate::path::user_path;
use crate::{Error, suggest};

/// A place to read a data set from. Texts: `embedded`, `cifar10:FOLDER`, `cifar100:FOLDER`, `idx:FOLDER`,
/// `folder:FOLDER`, `stream:FOLDER`, or a folder whose files tell its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The images inside the program: a class-balanced subset of Fashion-MNIST.
    Embedded,
    /// A folder with the official binary version of CIFAR-10, or one above it.
    Cifar10(PathBuf),
    /// A folder with the official binary version of CIFAR-100, or one above it. Labels are the fine ones.
    Cifar100(PathBuf),
    /// A folder with the four IDX files of MNIST, Fashion-MNIST or a set laid out like them, plain or gzip, or one above
    /// it; where it holds several sets, the folder and what the names of a set's files begin with, like a file in it.
    Idx(PathBuf),
    /// A folder of pictures, in `train/CLASS` and `val/CLASS` or listed in `train.csv` and `val.csv`, or one above it. They
    /// are decoded into memory, all of one size.
    Folder(PathBuf),
    /// The same, whose pictures stay in their files.
    Stream(PathBuf),
}

/// What a configuration calls the sources.
const SETS: [&str; 6] = ["embedded", "cifar10", "cifar100", "idx", "folder", "stream"];

impl Source {
    /// The source that a configuration names: `set` is one of [`SETS`].
    ///
    /// # Errors
    /// The problem as text: an unknown set, or a folder that is missing or not needed.
    pub(crate) fn from_parts(set: &str, path: &str) -> Result<Self, String> {
        let with_folder = |make: fn(PathBuf) -> Self| {
            if path.is_empty() {
                return Err(format!("the set {set} needs data.path, the folder of its files"));
            }
            user_path(path).map(make)
        };
        match set {
            "embedded" if path.is_empty() => Ok(Self::Embedded),
            "embedded" => {
                Err("the set embedded is inside the program; remove data.path or choose another set".into())
            }
            "cifar10" => with_folder(Self::Cifar10),
            "cifar100" => with_folder(Self::Cifar100),
            "idx" => with_folder(Self::Idx),
            "folder" => with_folder(Self::Folder),
            "stream" => with_folder(Self::Stream),
            _ => Err(format!("unknown set `{}`; {}", shown(set), suggest::hint(set, SETS))),
        }
    }

    /// The same source with the place where its files lie, which may be deeper than the folder that was given.
    ///
    /// # Errors
    /// [`Error::Data`] when there is no such set there, or several.
    pub fn found(&self) -> Result<Self, Error> {
        match self {
            Self::Embedded => Ok(Self::Embedded),
            Self::Cifar10(folder) => places::find(folder, Layouts::Cifar10),
            Self::Cifar100(folder) => places::find(folder, Layouts::Cifar100),
            Self::Idx(folder) => places::find(folder, Layouts::Idx),
            Self::Folder(folder) => places::find(folder, Layouts::Folder),
            Self::Stream(folder) => match places::find(folder, Layouts::Folder)? {
                Self::Folder(folder) => Ok(Self::Stream(folder)),
                other => Ok(other),
            },
        }
    }

    /// Reads, checks and describes the images; [`Source::load_as`] with nothing else said.
    ///
    /// # Errors
    /// As there.
    pub fn load(&self, limits: Limits) -> Result<Dataset, Error> {
        self.load_as(&Reading { limits, ..Reading::default() })
    }

    /// Reads, checks and describes the images; [`Source::load_observed`] with nobody who hears of it.
    ///
    /// # Errors
    /// As there.
    pub fn load_as(&self, reading: &Reading) -> Result<Dataset, Error> {
        self.load_observed(reading, &Unobserved)
    }

    /// Reads, checks and describes the images. The observer hears of pictures; other sets are read in a moment.
    ///
    /// # Errors
    /// [`Error::Data`] for files that are missing, short, long or malformed, and for labels out of range.
    pub fn load_observed(&self, reading: &Reading, observer: &dyn ReadingObserver) -> Result<Dataset, Error> {
        let raw = match self.found()? {
            Self::Embedded => embedded::read()?,
            Self::Cifar10(folder) => cifar::read10(&folder)?,
            Self::Cifar100(folder) => cifar::read100(&folder)?,
            Self::Idx(path) => idx::read(&places::idx_set(&path)?)?,
            Self::Folder(folder) => return folder::read(&folder, reading, observer),
            Self::Stream(folder) => return folder::stream(&folder, reading, observer),
        };
        Ok(Dataset::new(raw, reading.limits))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Cifar10(folder) => write!(f, "cifar10:{}", folder.display()),
            Self::Cifar100(folder) => write!(f, "cifar100:{}", folder.display()),
            Self::Idx(folder) => write!(f, "idx:{}", folder.display()),
            Self::Folder(folder) => write!(f, "folder:{}", folder.display()),
            Self::Stream(folder) => write!(f, "stream:{}", folder.display()),
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
        let folder = |text: &str| {
            user_path(text).map_err(|problem| Error::Data {
                path: text.into(),
                problem,
                remedy: "or give `embedded`".into(),
            })
        };
        match text.split_once(':') {
            Some(("cifar10", path)) => Ok(Self::Cifar10(folder(path)?)),
            Some(("cifar100", path)) => Ok(Self::Cifar100(folder(path)?)),
            Some(("idx", path)) => Ok(Self::Idx(folder(path)?)),
            Some(("folder", path)) => Ok(Self::Folder(folder(path)?)),
            Some(("stream", path)) => Ok(Self::Stream(folder(path)?)),
            _ => places::find(&folder(text)?, Layouts::Any),
        }
    }
}
