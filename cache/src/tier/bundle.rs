//! A bundle as a tier: a tar file with the objects of a share, for people without a drive in common. Unpacked into an empty
//! folder, it is a share.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use super::{Failure, LISTED_MAX, Listed, ObjectName, Put, Tier};
use crate::mutex::lock;
use crate::{Error, Result, folder};

/// A bundle that is read.
#[derive(Debug)]
pub(crate) struct Bundle {
    file: File,
    /// Where each object lies: its first byte and its length.
    objects: HashMap<String, (u64, u64)>,
}

impl Bundle {
    /// Reads the names in a bundle, and nothing else of it.
    ///
    /// # Errors
    /// When the file cannot be read or is no tar file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let read = || -> io::Result<Self> {
            let file = File::open(path)?;
            let mut objects = HashMap::new();
            let mut archive = tar::Archive::new(&file);
            for entry in archive.entries_with_seek()? {
                let entry = entry?;
                // Links, folders and names that are no text are nothing of ours.
                let name = entry.path()?.to_str().map(str::to_owned);
                if let Some(name) = name.filter(|_| entry.header().entry_type().is_file()) {
                    objects.insert(name, (entry.raw_file_position(), entry.size()));
                }
                if objects.len() > LISTED_MAX {
                    return Err(io::Error::other(format!("it holds more than {LISTED_MAX} objects")));
                }
            }
            Ok(Self { file, objects })
        };
        read().map_err(Error::io("read the bundle", path))
    }
}

impl Tier for Bundle {
    fn get(&self, name: &ObjectName, bytes_max: u64) -> std::result::Result<Option<Vec<u8>>, Failure> {
        let Some(&(first, length)) = self.objects.get(&name.to_string()) else { return Ok(None) };
        if length > bytes_max {
            return Err(Failure::NoObject(format!("it is larger than {bytes_max} bytes")));
        }
        // A length is what the file says: of one that is cut short no more is taken than is there.
        let there = self.file.metadata().map_or(0, |data| data.len()).saturating_sub(first);
        if length > there {
            return Err(Failure::NoObject("the bundle ends in the middle of it".to_owned()));
        }
        let mut bytes = vec![0; length as usize];
        match self.file.read_exact_at(&mut bytes, first) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) => Err(Failure::Unreachable(error.to_string())),
        }
    }

    fn put_if_absent(&self, _: &ObjectName, _: &[u8]) -> std::result::Result<Put, Failure> {
        Err(only_read())
    }

    fn replace(&self, _: &ObjectName, _: &[u8]) -> std::result::Result<(), Failure> {
        Err(only_read())
    }

    fn remove(&self, _: &ObjectName) -> std::result::Result<(), Failure> {
        Err(only_read())
    }

    fn list(&self, folder: &str) -> std::result::Result<Listed, Failure> {
        let within = |name: &String| {
            let rest = name.strip_prefix(folder)?.strip_prefix('/')?;
            Some(rest.rsplit('/').next().unwrap_or(rest).to_owned())
        };
        Ok(Listed { names: self.objects.keys().filter_map(within).collect(), is_complete: true })
    }

    fn is_empty(&self) -> std::result::Result<bool, Failure> {
        Ok(self.objects.is_empty())
    }

    fn can_write(&self) -> std::result::Result<bool, Failure> {
        Ok(false)
    }
}

fn only_read() -> Failure {
    Failure::ReadOnly("a bundle is read as it is".to_owned())
}

/// A bundle that is written. It is there when it is whole.
#[derive(Debug)]
pub(crate) struct NewBundle {
    path: PathBuf,
    state: Mutex<Written>,
}

struct Written {
    tar: tar::Builder<BufWriter<NamedTempFile>>,
    names: HashSet<String>,
    /// What a share is known by, which alone is read again.
    stamp: Option<Vec<u8>>,
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Written").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl NewBundle {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let file = folder::unfinished(parent.unwrap_or(Path::new("."))).map_err(Error::io("write", path))?;
        let tar = tar::Builder::new(BufWriter::new(file));
        let state = Mutex::new(Written { tar, names: HashSet::new(), stamp: None });
        Ok(Self { path: path.to_path_buf(), state })
    }

    /// Gives the bundle its name, in the place of an earlier one.
    pub(crate) fn finish(self) -> Result<()> {
        let written = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let finish = || -> io::Result<()> {
            let mut buffer = written.tar.into_inner()?;
            buffer.flush()?;
            let file = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        finish().map_err(Error::io("write", &self.path))
    }
}

impl Tier for NewBundle {
    fn get(&self, name: &ObjectName, _: u64) -> std::result::Result<Option<Vec<u8>>, Failure> {
        Ok(lock(&self.state).stamp.clone().filter(|_| *name == ObjectName::stamp()))
    }

    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> std::result::Result<Put, Failure> {
        let mut written = lock(&self.state);
        if *name == ObjectName::stamp() {
            written.stamp.get_or_insert_with(|| bytes.to_vec());
        }
        let name = name.to_string();
        if !written.names.insert(name.clone()) {
            return Ok(Put::AlreadyThere);
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        match written.tar.append_data(&mut header, name, bytes) {
            Ok(()) => Ok(Put::Stored),
            Err(error) => Err(Failure::Unreachable(error.to_string())),
        }
    }

    fn replace(&self, _: &ObjectName, _: &[u8]) -> std::result::Result<(), Failure> {
        Err(Failure::ReadOnly("nothing in a bundle is replaced".to_owned()))
    }

    fn remove(&self, _: &ObjectName) -> std::result::Result<(), Failure> {
        Err(Failure::ReadOnly("nothing in a bundle is removed".to_owned()))
    }

    fn list(&self, _: &str) -> std::result::Result<Listed, Failure> {
        Ok(Listed { names: Vec::new(), is_complete: true })
    }

    fn is_empty(&self) -> std::result::Result<bool, Failure> {
        Ok(lock(&self.state).names.is_empty())
    }
}
