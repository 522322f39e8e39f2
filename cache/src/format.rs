//! The stamp of a cache folder: in which format it is, so that a later program can say that this one must not touch it.
//!
//! One line of text and its digest. A folder without a stamp, or with a damaged one, is of the first format.

use std::fs;
use std::io::Write;

use crate::folder::{self, Folder};
use crate::{Digest, Error, Result};

/// The format that this program writes and reads. A later one is refused, whatever is in it.
const FORMAT: u64 = 1;
/// What a program must be to use a folder of this format.
const NEEDS: &str = "version 0.1.0 of this program or a later one";
const HEADING: &str = "nas-pipeline cache format ";
const DOMAIN: &str = "nas-pipeline cache format stamp v1";
/// Longer than any stamp: another file of this name is not read to its end.
const BYTES_MAX: u64 = 4096;

/// Refuses a folder that a later version of this program has stamped.
///
/// # Errors
/// [`Error::NewerFolder`]; nothing was changed then.
pub(crate) fn check(folder: &Folder) -> Result<()> {
    let Some(line) = read(folder) else { return Ok(()) };
    let (number, needs) = line.split_once(", ").unwrap_or((&line, "a later version of this program"));
    match number.parse::<u64>() {
        Ok(format) if format > FORMAT => Err(Error::NewerFolder {
            path: folder.path().to_path_buf(),
            what: format!("format {format}, and this program knows {FORMAT}; it needs {needs}"),
        }),
        _ => Ok(()),
    }
}

/// Stamps a folder that this program writes. A folder that cannot take a stamp stays of the first format.
pub(crate) fn stamp(folder: &Folder) {
    if read(folder).is_some() {
        return;
    }
    let line = format!("{FORMAT}, {NEEDS}");
    let text = format!("{HEADING}{line}\n{}\n", Digest::of(DOMAIN, line.as_bytes()));
    if let Ok(mut file) = folder::unfinished(folder.path())
        && file.write_all(text.as_bytes()).is_ok()
    {
        let _ = file.persist(folder.format());
    }
}

/// What an intact stamp says behind its heading.
fn read(folder: &Folder) -> Option<String> {
    let path = folder.format();
    let data = fs::metadata(&path).ok().filter(|data| data.is_file() && data.len() <= BYTES_MAX);
    let text = data.and_then(|_| fs::read_to_string(&path).ok())?;
    let mut lines = text.lines();
    let line = lines.next()?.strip_prefix(HEADING)?;
    (lines.next()? == Digest::of(DOMAIN, line.as_bytes()).to_string()).then(|| line.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Store;

    fn write(dir: &std::path::Path, line: &str) {
        let text = format!("{HEADING}{line}\n{}\n", Digest::of(DOMAIN, line.as_bytes()));
        fs::write(dir.join("format"), text).unwrap();
    }

    #[test]
    fn a_later_format_is_refused_and_says_what_it_needs_and_a_damaged_stamp_is_no_reason() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path()).unwrap());
        let stamped = fs::read(dir.path().join("format")).unwrap();

        write(dir.path(), "2, nas-pipeline 0.9 or later");
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::NewerFolder { .. }), "{error}");
        assert!(error.to_string().contains("nas-pipeline 0.9 or later"), "{error}");

        for index in 0..stamped.len() {
            let mut bytes = stamped.clone();
            bytes[index] ^= 1;
            fs::write(dir.path().join("format"), bytes).unwrap();
            Store::open(dir.path()).unwrap();
            assert_eq!(fs::read(dir.path().join("format")).unwrap(), stamped, "byte {index}");
        }
    }
}
