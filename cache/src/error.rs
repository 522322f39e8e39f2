//! Everything that can go wrong here, as sentences a person can act on.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the cache. Damaged records are not among the errors of [`crate::Store::get`]: they count as
/// misses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused an operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb ("create", "read", "rename").
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused an operation for a reason other than damaged files, such as a full disk.
    #[error("cannot {action} the cache database in {}: {message}; check free space and permissions of the folder", path.display())]
    Database {
        /// What was tried, as a verb ("open", "read", "write").
        action: &'static str,
        /// The database's folder.
        path: PathBuf,
        /// What the database said.
        message: String,
    },
    /// The folder, or its database, is of a form that this program does not know.
    #[error(
        "the cache in {} was written by a later version of this program ({what}); update this program, or choose \
         another folder. Nothing in it was changed", path.display()
    )]
    NewerFolder {
        /// The folder.
        path: PathBuf,
        /// What is not known, and what it needs where that was said.
        what: String,
    },
    /// Only the process that writes the database can do this, and that is not this one.
    #[error(
        "this needs the cache in {} open for writing, and another process has it so, or it may only be read; try again \
         when no run is at work", .0.display()
    )]
    NotWriter(PathBuf),
    /// A field's name was given twice to one [`crate::Fields`].
    #[error("field `{0}` is given twice in one key; give every field once")]
    DuplicateField(String),
    /// A floating-point field is not a number, so it could never equal itself in a later look-up.
    #[error("field `{0}` is not a number (NaN); a key needs a value that equals itself")]
    NotANumber(String),
    /// A list field is nested deeper than [`crate::FieldValue::MAX_DEPTH`].
    #[error("field `{0}` nests lists deeper than {max} levels; flatten it", max = crate::FieldValue::MAX_DEPTH)]
    TooDeep(String),
    /// The bytes of a record fail their check.
    #[error("the bytes are no intact record: {0}")]
    Damaged(&'static str),
    /// The bytes are intact, but were written by a later version of this program.
    #[error(
        "the record was written by a later version of this program ({0}); update this program to read it"
    )]
    Newer(String),
    /// Text that should be a digest is not one.
    #[error("`{0}` is no digest; a digest is 64 hexadecimal digits")]
    BadDigest(String),
    /// Text that should be a producer's public key is not one.
    #[error("`{0}` is no public key; one is 64 hexadecimal digits, as `pipeline cache keygen` prints them")]
    BadPublicKey(String),
    /// A file that should hold a producer's key does not.
    #[error("{} holds no key; move it away, and `pipeline cache keygen` makes a new one", .0.display())]
    BadIdentity(PathBuf),
    /// A line of the list of producers says nothing.
    #[error(
        "{}, line {line}: is neither `trust KEY NAME` nor `revoke KEY NAME`; nothing is believed until it is mended",
        path.display()
    )]
    BadTrust {
        /// The list.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Text that should name a kind of record does not.
    #[error("`{0}` is no kind of record; the kinds are {names}", names = crate::Kind::names())]
    BadKind(String),
    /// A payload does not decode as the type asked for, or a value cannot be encoded.
    #[error("cannot {action} a payload of codec `{codec}`: {message}")]
    Codec {
        /// "encode" or "decode".
        action: &'static str,
        /// The codec's name.
        codec: &'static str,
        /// What the codec said.
        message: String,
    },
}

impl Error {
    /// Shorthand for `map_err` on file system calls.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
