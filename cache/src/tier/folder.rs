//! A folder as a tier: on a disk, or on a drive that several machines mount.
//!
//! Every name is opened folder by folder from the root on, and no link is followed. An object is written under a name of
//! its own, synced, and then linked to its name, which fails where the name is taken. File systems without links rename
//! without replacing, and those without that create the name itself: there a kill can leave half an object, which is as
//! good as none, since objects are checked.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Failure, LISTED_MAX, Listed, ObjectName, PATIENCE, Put, Tier, late, patience_for_at_most};
use crate::claim::random_token;
use crate::folder::UNFINISHED_SUFFIX;

/// The folder at a path.
#[derive(Debug)]
pub(crate) struct FolderTier(PathBuf);

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// What is read between two looks at the clock.
const READ_BYTES: usize = 1 << 20;
/// How deep folders lie in each other; nobody of us makes more.
const DEPTH_MAX: usize = 2;

/// Who of the team may read and write what is made: those who may in the root, whatever the maker's `umask`.
#[derive(Clone, Copy)]
struct Permissions(u32);

impl Permissions {
    fn folder(self) -> Mode {
        Mode::from_raw_mode(self.0 & 0o7777)
    }

    fn file(self) -> Mode {
        Mode::from_raw_mode(self.0 & 0o666)
    }
}

impl FolderTier {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// Opened anew each time: a drive that was mounted again is another one.
    fn root(&self) -> Result<OwnedFd, Failure> {
        fs::openat(CWD, &self.0, FOLDER, Mode::empty()).map_err(|errno| Failure::Unreachable(said(errno)))
    }

    /// A folder in it; none where it is missing.
    fn open(&self, folders: &[&str]) -> Result<Option<OwnedFd>, Failure> {
        let mut folder = self.root()?;
        for name in folders {
            folder = match fs::openat(&folder, *name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(not_read(errno)),
            };
        }
        Ok(Some(folder))
    }

    /// A folder in it, made where it is missing, and who may do what there.
    fn make(&self, folders: &[&str]) -> Result<(OwnedFd, Permissions), Failure> {
        let mut folder = self.root()?;
        let permissions = Permissions(fs::fstat(&folder).map_err(not_read)?.st_mode);
        for name in folders {
            let open = || fs::openat(&folder, *name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
            let next = match open() {
                Err(Errno::NOENT) => {
                    let is_new = match fs::mkdirat(&folder, *name, permissions.folder()) {
                        Ok(()) => true,
                        Err(Errno::EXIST) => false,
                        Err(errno) => return Err(not_written(errno)),
                    };
                    let opened = open();
                    if let (true, Ok(made)) = (is_new, &opened) {
                        // Where there are no permissions, nobody lacks any.
                        let _ = fs::fchmod(made, permissions.folder());
                    }
                    opened
                }
                opened => opened,
            };
            folder = next.map_err(not_read)?;
        }
        Ok((folder, permissions))
    }

    /// Writes bytes under a name that nobody else has, and then gives them theirs.
    fn write(
        (folder, permissions): (&OwnedFd, Permissions),
        bytes: &[u8],
        name_it: impl FnOnce(&str) -> Result<Put, Errno>,
    ) -> Result<Put, Failure> {
        let unfinished = format!(".{}.{UNFINISHED_SUFFIX}", random_token());
        let written = write_new(folder, permissions, &unfinished, bytes).map(|()| name_it(&unfinished));
        // Gone already where it was renamed.
        let _ = fs::unlinkat(folder, &unfinished, AtFlags::empty());
        let put = written?.map_err(not_written)?;
        // Some drives cannot sync a folder; what is lost is shared again.
        let _ = fs::fsync(folder);
        Ok(put)
    }

    fn list_into(folder: &OwnedFd, depth: usize, begun: Instant, listed: &mut Listed) -> Result<(), Failure> {
        let dir = Dir::read_from(folder).map_err(not_read)?;
        for entry in dir {
            if listed.names.len() >= LISTED_MAX || begun.elapsed() > PATIENCE {
                listed.is_complete = false;
                return Ok(());
            }
            let entry = entry.map_err(not_read)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') {
                continue;
            }
            // Some file systems do not say what an entry is.
            let kind = match entry.file_type() {
                FileType::Unknown => fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                kind => kind,
            };
            match kind {
                FileType::RegularFile => listed.names.push(name.to_owned()),
                FileType::Directory if depth < DEPTH_MAX => {
                    let below = fs::openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
                    // One that went meanwhile, or may not be read, holds nothing for us.
                    if let Ok(below) = below {
                        Self::list_into(&below, depth + 1, begun, listed)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl FolderTier {
    fn read(&self, name: &ObjectName, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let (begun, patience) = (Instant::now(), patience_for_at_most(bytes_max));
        let (folders, name) = name.parts();
        let Some(folder) = self.open(&folders)? else { return Ok(None) };
        // A pipe in the place of a file would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(not_read(errno)),
        };
        let unreachable = |error: std::io::Error| match Errno::from_io_error(&error) {
            Some(errno) => not_read(errno),
            None => Failure::Unreachable(error.to_string()),
        };
        let data = file.metadata().map_err(unreachable)?;
        if !data.is_file() {
            return Err(Failure::NoObject("it is no file".to_owned()));
        }
        let too_large = || Failure::NoObject(format!("it is larger than {bytes_max} bytes"));
        if data.len() > bytes_max {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(data.len() as usize);
        loop {
            let read = Read::by_ref(&mut file)
                .take(READ_BYTES as u64)
                .read_to_end(&mut bytes)
                .map_err(unreachable)?;
            if read == 0 {
                return Ok(Some(bytes));
            }
            // It may grow while it is read.
            if bytes.len() as u64 > bytes_max {
                return Err(too_large());
            }
            if begun.elapsed() > patience {
                return Err(late(patience));
            }
        }
    }
}

impl Tier for FolderTier {
    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        match self.read(name, bytes_max) {
            // On a network drive a file may be replaced by another while it is read.
            Err(Failure::Unreachable(message)) if message == said(Errno::STALE) => self.read(name, bytes_max),
            read => read,
        }
    }

    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<Put, Failure> {
        let (folders, name) = name.parts();
        let (folder, permissions) = self.make(&folders)?;
        // Before all of it is written.
        if fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(Put::AlreadyThere);
        }
        Self::write((&folder, permissions), bytes, |unfinished| {
            match fs::linkat(&folder, unfinished, &folder, name, AtFlags::empty()) {
                Ok(()) => Ok(Put::Stored),
                Err(Errno::EXIST) => Ok(Put::AlreadyThere),
                Err(_) => rename_to_free_name(&folder, permissions, unfinished, name, bytes),
            }
        })
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Failure> {
        let (folders, name) = name.parts();
        let (folder, permissions) = self.make(&folders)?;
        let rename =
            |unfinished: &str| fs::renameat(&folder, unfinished, &folder, name).map(|()| Put::Stored);
        Self::write((&folder, permissions), bytes, rename).map(|_| ())
    }

    fn remove(&self, name: &ObjectName) -> Result<(), Failure> {
        let (folders, name) = name.parts();
        let Some(folder) = self.open(&folders)? else { return Ok(()) };
        match fs::unlinkat(&folder, name, AtFlags::empty()) {
            // In some folders only its maker may remove a file; then it stays.
            Ok(()) | Err(Errno::NOENT | Errno::PERM | Errno::ACCESS) => Ok(()),
            Err(errno) => Err(not_written(errno)),
        }
    }

    fn list(&self, folder: &str) -> Result<Listed, Failure> {
        let mut listed = Listed { names: Vec::new(), is_complete: true };
        if let Some(folder) = self.open(&[folder])? {
            Self::list_into(&folder, 1, Instant::now(), &mut listed)?;
        }
        Ok(listed)
    }

    fn may_be_unmounted(&self) -> bool {
        true
    }

    fn can_write(&self) -> Result<bool, Failure> {
        let access = fs::Access::READ_OK | fs::Access::WRITE_OK | fs::Access::EXEC_OK;
        match fs::accessat(self.root()?, ".", access, AtFlags::EACCESS) {
            Ok(()) => Ok(true),
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(false),
            Err(errno) => Err(not_read(errno)),
        }
    }

    fn is_empty(&self) -> Result<bool, Failure> {
        let dir = Dir::read_from(self.root()?).map_err(not_read)?;
        for entry in dir {
            if !entry.map_err(not_read)?.file_name().to_bytes().starts_with(b".") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn write_new(folder: &OwnedFd, permissions: Permissions, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    try_write_new(folder, permissions, name, bytes).map_err(not_written)
}

fn try_write_new(folder: &OwnedFd, permissions: Permissions, name: &str, bytes: &[u8]) -> Result<(), Errno> {
    let file = fs::openat(folder, name, NEW_FILE, permissions.file())?;
    let _ = fs::fchmod(&file, permissions.file());
    let mut file = File::from(file);
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Where there are no links.
fn rename_to_free_name(
    folder: &OwnedFd,
    permissions: Permissions,
    unfinished: &str,
    name: &str,
    bytes: &[u8],
) -> Result<Put, Errno> {
    #[cfg(target_os = "linux")]
    match fs::renameat_with(folder, unfinished, folder, name, fs::RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(Put::Stored),
        Err(Errno::EXIST) => return Ok(Put::AlreadyThere),
        Err(_) => {}
    }
    match try_write_new(folder, permissions, name, bytes) {
        Ok(()) => Ok(Put::Stored),
        Err(Errno::EXIST) => Ok(Put::AlreadyThere),
        Err(errno) => Err(errno),
    }
}

fn not_read(errno: Errno) -> Failure {
    match errno {
        Errno::LOOP | Errno::MLINK => Failure::NoObject("it is a link".to_owned()),
        Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => Failure::NoObject("it is no file".to_owned()),
        Errno::ACCESS | Errno::PERM => Failure::NoObject("it may not be read".to_owned()),
        errno => Failure::Unreachable(said(errno)),
    }
}

fn not_written(errno: Errno) -> Failure {
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Failure::ReadOnly(said(errno)),
        Errno::NOSPC | Errno::DQUOT => Failure::Full(said(errno)),
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR => {
            Failure::NoObject("something else is in its place".to_owned())
        }
        errno => Failure::Unreachable(said(errno)),
    }
}

fn said(errno: Errno) -> String {
    std::io::Error::from(errno).to_string()
}
