//! Files that are written whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Writes a file. The bytes go to a new file in the same folder, are synced, and the new file takes the old one's name:
/// a full disk, a crash or a kill leaves the old one as it was. What a crash or a kill leaves of the new one is called
/// `.unfinished-…` and means nothing.
///
/// # Errors
/// Those of the file system.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Destination::File(path) = Destination::of(path)? else { return fs::write(path, bytes) };
    let mut unfinished = create_beside(&path)?;
    unfinished.write_all(bytes)?;
    if let Ok(old) = fs::metadata(&path) {
        // Who may read the file stays as it was, where the file system knows of that.
        let _ = unfinished.as_file().set_permissions(old.permissions());
    }
    unfinished.as_file().sync_all()?;
    unfinished.persist(&path)?;
    // So that the new name survives a crash. Not every file system can do that to a folder.
    let _ = File::open(folder(&path)).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Finds out whether [`write()`] could write such a file, and leaves everything as it is.
///
/// # Errors
/// Those of the file system.
pub fn check(path: &Path) -> io::Result<()> {
    let Destination::File(path) = Destination::of(path)? else { return Ok(()) };
    create_beside(&path)?.close()
}

/// What a path leads to.
enum Destination {
    /// A file, or nothing yet; what a link leads to, so that the link stays one.
    File(PathBuf),
    /// A device or a pipe, which no other file can take the place of.
    Other,
}

impl Destination {
    fn of(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_file() => {
                // A file that may not be written is not replaced either, though its folder would allow it.
                OpenOptions::new().write(true).open(path)?;
                fs::canonicalize(path).map(Self::File)
            }
            Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
            Ok(_) => Ok(Self::Other),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::File(path.to_path_buf())),
            Err(error) => Err(error),
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file in the same folder, under a random name; it is removed if it does not get another.
fn create_beside(path: &Path) -> io::Result<NamedTempFile> {
    let permissions = Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".unfinished-").permissions(permissions).tempfile_in(folder(path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_made_and_replaced_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for bytes in [&b"first"[..], b"", b"third"] {
            check(&path).unwrap();
            write(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(names(dir.path()), ["a"]);
        assert_eq!(write(dir.path(), b"").unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(write(&dir.path().join("no/a"), b"").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn links_devices_and_permissions_stay_what_they_are() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        write(Path::new("/dev/null"), b"gone").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        if Path::new("/dev/full").exists() {
            assert_eq!(write(Path::new("/dev/full"), b"x").unwrap_err().kind(), ErrorKind::StorageFull);
        }
        assert_eq!(names(dir.path()), ["file", "link"]);
    }
}
