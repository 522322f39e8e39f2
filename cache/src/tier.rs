//! Tiers: places that a team shares, which hold plain objects under names.
//!
//! An object never changes: it is written once under a name that nobody has, and everyone reads it from then on. What
//! lies in a tier may be of anyone's making, so that whoever reads it checks it ([`crate::object`]); a tier itself only
//! makes sure that names stay within it, and that nothing it reads is without end.

pub(crate) mod bucket;
pub(crate) mod bundle;
pub(crate) mod folder;
pub(crate) mod patient;

use std::fmt;
use std::time::Duration;

use crate::{Digest, Kind};

/// The bytes of weights, at most: those of a supernet are the largest.
pub(crate) const OBJECT_BYTES_MAX: u64 = 1 << 30;
/// The bytes of a record's object, at most: a training takes some hundred, a search's output some million.
pub(crate) const RECORD_BYTES_MAX: u64 = 64 << 20;
/// How long an answer may take, beside the time for the bytes of an object.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long so many bytes may take, on a connection that is worth sharing by: a megabyte a second.
pub(crate) fn patience_for(bytes: u64) -> Duration {
    PATIENCE + Duration::from_millis(bytes / 1_000)
}

/// How long reading an object of at most so many bytes may take, whose size is not known.
pub(crate) fn patience_for_at_most(bytes_max: u64) -> Duration {
    patience_for(bytes_max / 16)
}

/// An answer takes longer than it may.
pub(crate) fn late(patience: Duration) -> Failure {
    Failure::Late(format!("it takes longer than {} s", patience.as_secs()))
}

/// Names that a listing takes in, at most.
pub(crate) const LISTED_MAX: usize = 2_000_000;

/// The name of an object in a tier: folders and a name, separated by `/`, made of digests and fixed words alone, so that
/// none climbs out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectName(String);

impl ObjectName {
    /// That of a record. Where an object is no good, another has the next version.
    pub(crate) fn of_record(kind: Kind, digest: &Digest, version: u32) -> Self {
        let digest = digest.to_string();
        let name = format!("{kind}/{}/{digest}", &digest[..2]);
        Self(if version == 0 { name } else { format!("{name}.{version}") })
    }

    /// That of weights.
    pub(crate) fn of_weights(digest: &Digest) -> Self {
        let digest = digest.to_string();
        Self(format!("{}/{}/{digest}", crate::weights::FOLDER, &digest[..2]))
    }

    /// That of a lease on a record, of which the highest generation counts.
    pub(crate) fn of_lease(record: &str, generation: u64) -> Self {
        Self(format!("{LEASES}/{record}.{generation}"))
    }

    /// That of the life sign of a process that holds leases. A token is read from a tier: one that is none names nothing.
    pub(crate) fn of_owner(token: &str) -> Self {
        let token: String = token.chars().filter(char::is_ascii_hexdigit).take(64).collect();
        Self(format!("owners/{token}"))
    }

    /// That of the stamp, which says in which format a tier is.
    pub(crate) fn stamp() -> Self {
        Self("format".to_owned())
    }

    /// Its parts: folders, then the name itself.
    pub(crate) fn parts(&self) -> (Vec<&str>, &str) {
        let mut folders: Vec<&str> = self.0.split('/').collect();
        let name = folders.pop().unwrap_or_default();
        (folders, name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The folder of leases.
pub(crate) const LEASES: &str = "leases";

/// Why a tier did not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// What is under the name is no object: a link, a folder, something without end, or not to be read.
    NoObject(String),
    /// It cannot be reached, read or written now.
    Unreachable(String),
    /// It did not answer in time. Where weights were to be moved, it may be quick enough for what is small.
    Late(String),
    /// It can be read, and has no room.
    Full(String),
    /// It can be read, and not be written to, or not where this would go.
    ReadOnly(String),
}

/// What became of an object that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Stored,
    /// There is something under that name already, which stays.
    AlreadyThere,
}

/// The names that a listing found.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) names: Vec<String>,
    /// Whether these are all.
    pub(crate) is_complete: bool,
}

/// A place that a team shares. All methods may be called from many threads.
pub(crate) trait Tier: Send + Sync + fmt::Debug {
    /// The bytes of an object, at most so many; none where there is none.
    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure>;

    /// Puts an object where nothing has its name. Readers see all of it or nothing; it is durable when this returns.
    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<Put, Failure>;

    /// Puts something in the place of what has its name, if anything has. For life signs, which alone change.
    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Failure>;

    /// Removes what has this name; that it is missing is fine.
    fn remove(&self, name: &ObjectName) -> Result<(), Failure>;

    /// The names of all objects in a folder, those in folders below it included, without their folders; in any order.
    fn list(&self, folder: &str) -> Result<Listed, Failure>;

    /// Whether something else may be in its place without anybody's doing: an empty folder where a drive is not mounted.
    fn may_be_unmounted(&self) -> bool {
        false
    }

    /// Whether it holds nothing at all.
    fn is_empty(&self) -> Result<bool, Failure>;

    /// Whether anything can be put into it at all, as far as that can be told without.
    fn can_write(&self) -> Result<bool, Failure> {
        Ok(true)
    }
}

impl<T: Tier + ?Sized> Tier for std::sync::Arc<T> {
    fn get(&self, name: &ObjectName, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        (**self).get(name, bytes_max)
    }

    fn put_if_absent(&self, name: &ObjectName, bytes: &[u8]) -> Result<Put, Failure> {
        (**self).put_if_absent(name, bytes)
    }

    fn replace(&self, name: &ObjectName, bytes: &[u8]) -> Result<(), Failure> {
        (**self).replace(name, bytes)
    }

    fn remove(&self, name: &ObjectName) -> Result<(), Failure> {
        (**self).remove(name)
    }

    fn list(&self, folder: &str) -> Result<Listed, Failure> {
        (**self).list(folder)
    }

    fn is_empty(&self) -> Result<bool, Failure> {
        (**self).is_empty()
    }

    fn can_write(&self) -> Result<bool, Failure> {
        (**self).can_write()
    }

    fn may_be_unmounted(&self) -> bool {
        (**self).may_be_unmounted()
    }
}
