//! The outbox: what waits to be put into a share.
//!
//! A file for each share and record, with the record's envelope, or an empty one for weights, which lie in the cache folder
//! as they are. It is there before the record is stored and goes when the share has it, so that neither a kill nor a share
//! that is away loses anything.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::folder;
use crate::spool::{Spool, Spooled};
use crate::{Digest, Error, Kind, Result};

/// Where it lies in a cache folder.
const FOLDER: &str = "outbox";
const SUFFIX: &str = "outgoing";
const WEIGHTS: &str = "weights";
/// The file that names the share.
const PLACE: &str = "place";

/// What waits for one share.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    path: PathBuf,
    /// The share that it is for; none where an earlier version has not written that down.
    place: Option<String>,
    weights: PathBuf,
}

/// What a file of an outbox holds.
pub(crate) enum Outgoing {
    Record(Kind, Digest, Vec<u8>),
    Weights(Digest, Vec<u8>),
    /// Nothing that could be shared.
    Unusable,
    /// It is gone: another process was quicker.
    Gone,
}

impl Outbox {
    /// That for the share at `place`, written in one way.
    pub(crate) fn of(cache: &Path, place: &str) -> Self {
        let name = Digest::of("nas-pipeline outbox v1", place.as_bytes()).to_string();
        let (path, place) = (cache.join(FOLDER).join(&name[..16]), Some(place.to_owned()));
        Self { path, place, weights: cache.join(crate::weights::FOLDER) }
    }

    /// Adds a record's envelope; durable when this returns.
    pub(crate) fn add(&self, kind: Kind, digest: &Digest, envelope: &[u8]) -> Result<PathBuf> {
        self.write(&format!("{kind}-{digest}"), envelope)
    }

    /// Adds weights that the cache folder keeps.
    pub(crate) fn add_weights(&self, digest: &Digest) -> Result<PathBuf> {
        self.write(&format!("{WEIGHTS}-{digest}"), &[])
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.file(name);
        let write = || {
            std::fs::create_dir_all(&self.path)?;
            self.write_place();
            let mut file = folder::unfinished(&self.path)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            folder::try_sync_folder(&self.path)
        };
        write().map_err(Error::io("write", &path))?;
        Ok(path)
    }

    /// What people are told of which share it is for.
    fn known_as(&self) -> String {
        let name =
            || self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        self.place.clone().unwrap_or_else(name)
    }

    /// Writes down which share it is for, so that people can be told.
    fn write_place(&self) {
        let path = self.path.join(PLACE);
        if let Some(place) = self.place.as_ref().filter(|_| !path.exists()) {
            // It is waited for all the same.
            let _ = folder::replace_file(&path, &[place.as_bytes()]);
        }
    }

    /// The file that remembers the share's own name.
    pub(crate) fn memory(&self) -> PathBuf {
        self.path.join("share")
    }

    /// Whether a record, named by its kind and digest, waits in it.
    pub(crate) fn holds(&self, record: &str) -> bool {
        self.file(record).exists()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{SUFFIX}"))
    }

    /// The files in it: weights first, which records name, or last, where they may find no room.
    pub(crate) fn files(&self, weights_first: bool) -> Vec<PathBuf> {
        let mut files = folder::files(&self.path).unwrap_or_default();
        files.retain(|file| file.extension().is_some_and(|suffix| suffix == SUFFIX));
        files.sort_by_key(|file| is_weights(file) != weights_first);
        files
    }

    /// What a file of it holds.
    pub(crate) fn read(&self, file: &Path) -> Outgoing {
        let name = file.file_stem().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('-'));
        let Some((kind, Ok(digest))) = name.map(|(kind, digest)| (kind, digest.parse::<Digest>())) else {
            return Outgoing::Unusable;
        };
        let path = if kind == WEIGHTS { self.weights.join(digest.to_string()) } else { file.to_path_buf() };
        let bytes = match Spool::read(&path) {
            Spooled::Bytes(bytes) => bytes,
            Spooled::Missing if file.exists() => return Outgoing::Unusable,
            Spooled::Missing => return Outgoing::Gone,
            Spooled::Unreadable(_) => return Outgoing::Unusable,
        };
        match (kind, kind.parse::<Kind>()) {
            (WEIGHTS, _) if crate::weights::digest_of(&bytes) == digest => Outgoing::Weights(digest, bytes),
            (_, Ok(kind)) => Outgoing::Record(kind, digest, bytes),
            _ => Outgoing::Unusable,
        }
    }

    /// Removes what killed processes left half written.
    pub(crate) fn clean(&self) {
        folder::remove_unfinished(&self.path);
    }

    /// Takes a file out of it. What cannot be removed is offered again, to a share that has it.
    pub(crate) fn remove(file: &Path) {
        let _ = folder::remove_file(file);
    }
}

/// Whether a file of an outbox stands for weights.
pub(crate) fn is_weights(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(WEIGHTS))
}

/// The outboxes of a cache folder, those for shares that are not in use included.
fn all(cache: &Path) -> impl Iterator<Item = Outbox> {
    let weights = cache.join(crate::weights::FOLDER);
    let paths = folder::entries(&cache.join(FOLDER)).unwrap_or_default();
    paths.into_iter().map(move |path| {
        let place = std::fs::read_to_string(path.join(PLACE)).ok();
        Outbox { path, place, weights: weights.clone() }
    })
}

/// Takes a record out of all outboxes of a cache folder.
pub(crate) fn forget(cache: &Path, kind: Kind, digest: &Digest) -> Result<()> {
    all(cache).try_for_each(|outbox| folder::remove_file(&outbox.file(&format!("{kind}-{digest}"))))
}

/// How many files wait in the outboxes of a cache folder, by the place of their shares.
pub(crate) fn waiting(cache: &Path) -> BTreeMap<String, u64> {
    let mut waiting = BTreeMap::new();
    for outbox in all(cache) {
        let files = outbox.files(true).len() as u64;
        if files > 0 {
            *waiting.entry(outbox.known_as()).or_default() += files;
        }
    }
    waiting
}

/// Deletes the outbox for the share that is known as `place`, and says how many files waited in it; none where there is no
/// such outbox.
pub(crate) fn delete(cache: &Path, place: &str) -> Result<Option<u64>> {
    let Some(outbox) = all(cache).find(|outbox| outbox.known_as() == place) else { return Ok(None) };
    let waiting = outbox.files(true).len() as u64;
    folder::remove_folder(&outbox.path)?;
    Ok(Some(waiting))
}

/// The digests of what waits in all outboxes of a cache folder.
pub(crate) fn digests(cache: &Path) -> Vec<Digest> {
    let digest = |file: PathBuf| file.file_stem()?.to_str()?.rsplit_once('-')?.1.parse().ok();
    all(cache).flat_map(|outbox| outbox.files(true)).filter_map(digest).collect()
}
