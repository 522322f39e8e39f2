//! Checkpoints: how far a long computation has come whose result is not stored yet.
//!
//! A checkpoint is a file under the name of the result's key, written whole or not at all. The newest two are kept:
//! where the newest is damaged, or was not finished, the one before is there. Both are removed when the result is
//! stored. A hash stands before their bytes: what was damaged is as good as not there. A checkpoint saves work and
//! proves nothing: where it cannot be written or read, the computation begins anew. Of a computation that ended badly
//! the last one can be kept for people to look at, under a name that nothing here removes or goes on from: whoever is
//! given its bytes reads them with [`whole_checkpoint`].

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::{Digest, Error, Key, Kind, Result, Store, folder};

/// Where the files lie in a cache folder.
const FOLDER: &str = "checkpoints";

/// What the name of the newest but one ends with.
const BEFORE: &str = "before";

/// What the name of one ends with that stays when its computation is done.
const KEPT: &str = "kept";

/// Bytes of a hash.
const HASH: usize = 32;

impl Store {
    /// Keeps a checkpoint of the computation of a key's result, and of those before it the newest.
    ///
    /// # Errors
    /// When the file cannot be written; the one before is then still there.
    pub fn keep_checkpoint(&self, key: &Key, bytes: &[u8]) -> Result<()> {
        let path = self.checkpoint_path(key);
        // A damaged one takes nothing's place.
        if read(key, &path).is_some() {
            let before = path.with_extension(BEFORE);
            fs::rename(&path, before).map_err(Error::io("rename", &path))?;
        }
        folder::replace_file(&path, &[&hash(key.digest(), bytes).0, bytes])
    }

    /// The newest checkpoint of the computation of a key's result that is whole.
    pub fn checkpoint(&self, key: &Key) -> Option<Vec<u8>> {
        let path = self.checkpoint_path(key);
        read(key, &path).or_else(|| read(key, &path.with_extension(BEFORE)))
    }

    /// Gives the newest whole checkpoint of the computation of a key's result a name under which it stays when that is
    /// done, beside the one that it has: its file, or none where there is no checkpoint.
    ///
    /// # Errors
    /// When the file cannot have another name.
    pub fn keep_last_checkpoint(&self, key: &Key) -> Result<Option<PathBuf>> {
        let path = self.checkpoint_path(key);
        let newest =
            [path.clone(), path.with_extension(BEFORE)].into_iter().find(|path| read(key, path).is_some());
        let Some(newest) = newest else { return Ok(None) };
        let kept = path.with_extension(KEPT);
        // A second name rather than a copy: there may be no room for one.
        folder::remove_file(&kept)?;
        fs::hard_link(&newest, &kept)
            .or_else(|_| fs::copy(&newest, &kept).map(drop))
            .map_err(Error::io("write", &kept))?;
        Ok(Some(kept))
    }

    /// The file that [`Store::keep_last_checkpoint`] has kept for a key, if it is there.
    pub fn last_checkpoint_kept(&self, key: &Key) -> Option<PathBuf> {
        Some(self.checkpoint_path(key).with_extension(KEPT)).filter(|path| path.is_file())
    }

    /// Forgets the checkpoints of the computation of a key's result: it is done.
    ///
    /// # Errors
    /// When there is one and it cannot be removed.
    pub fn forget_checkpoint(&self, key: &Key) -> Result<()> {
        let path = self.checkpoint_path(key);
        // The newest last: until then a kill leaves nothing that is older than what was there.
        for path in [folder::unfinished_path(&path), path.with_extension(BEFORE), path] {
            folder::remove_file(&path)?;
        }
        Ok(())
    }

    /// Forgets checkpoints of computations whose results, of this kind, are stored since: of those that ended before they could
    /// forget them. One that is younger than the result is of a computation that is done once more.
    ///
    /// # Errors
    /// When the folder of checkpoints is there and cannot be read, or a file in it cannot be removed.
    pub fn forget_finished_checkpoints(&self, kind: Kind) -> Result<()> {
        for path in folder::files(&self.path().join(FOLDER))? {
            if path.extension().is_some_and(|ending| ending == KEPT) {
                continue;
            }
            // Of one that a kill left unfinished too.
            let name = path.file_stem().and_then(|name| name.to_str());
            let Some(digest) = name.and_then(|name| name.parse().ok()) else { continue };
            let Some(stored) = self.moment_of(kind, &digest)? else { continue };
            let kept = fs::metadata(&path).and_then(|data| data.modified()).ok();
            let kept = kept.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            if kept.is_some_and(|kept| kept.as_millis() <= u128::from(stored)) {
                folder::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// The files of checkpoints, whole or not.
    pub(crate) fn checkpoint_files(&self) -> Vec<PathBuf> {
        folder::files(&self.path().join(FOLDER)).unwrap_or_default()
    }

    fn checkpoint_path(&self, key: &Key) -> PathBuf {
        self.path().join(FOLDER).join(key.digest().to_string())
    }
}

/// The checkpoint of a key in a file, if it is whole.
fn read(key: &Key, path: &Path) -> Option<Vec<u8>> {
    whole_checkpoint(fs::read(path).ok()?, |_| Some(*key.digest()))
}

/// The checkpoint that the bytes of a file hold, if they are whole. `key` reads from it the digest of the key that it is of.
pub fn whole_checkpoint(mut bytes: Vec<u8>, key: impl FnOnce(&[u8]) -> Option<Digest>) -> Option<Vec<u8>> {
    let payload = (bytes.len() >= HASH).then(|| bytes.split_off(HASH))?;
    let key = key(&payload)?;
    (bytes == hash(&key, &payload).0).then_some(payload)
}

/// Of a key's digest and bytes, so that a file under another's name is damage too.
fn hash(key: &Digest, bytes: &[u8]) -> Digest {
    Digest::of("nas-pipeline checkpoint v1", &[&key.0[..], bytes].concat())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Fields, Record};

    fn key(n: u64) -> Key {
        Key::new(Kind::Training, Fields::new().with("n", n).unwrap())
    }

    #[test]
    fn a_checkpoint_is_replaced_forgotten_and_never_read_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.checkpoint(&key(1)), None);
        store.forget_checkpoint(&key(1)).unwrap();
        store.keep_checkpoint(&key(1), b"one epoch").unwrap();
        store.keep_checkpoint(&key(1), b"two epochs").unwrap();
        assert_eq!(store.checkpoint(&key(1)).as_deref(), Some(&b"two epochs"[..]));
        // Other processes that use the folder see it too.
        assert!(Store::open(folder.path()).unwrap().checkpoint(&key(1)).is_some());

        // Where the newest is damaged, the one before is there, and none before that.
        store.keep_checkpoint(&key(1), b"three epochs").unwrap();
        let path = store.checkpoint_path(&key(1));
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            assert_eq!(store.checkpoint(&key(1)).as_deref(), Some(&b"two epochs"[..]), "byte {place}");
            fs::write(&path, &whole[..place]).unwrap();
            assert_eq!(store.checkpoint(&key(1)).as_deref(), Some(&b"two epochs"[..]), "cut at {place}");
        }
        // A damaged one does not push the good one before it out.
        store.keep_checkpoint(&key(1), b"three epochs, again").unwrap();
        fs::write(&path, &whole[1..]).unwrap();
        assert_eq!(store.checkpoint(&key(1)).as_deref(), Some(&b"two epochs"[..]));
        fs::write(path.with_extension(BEFORE), &whole[1..]).unwrap();
        assert_eq!(store.checkpoint(&key(1)), None);
        fs::remove_file(&path).unwrap();
        store.keep_checkpoint(&key(1), b"four epochs").unwrap();
        assert_eq!(store.checkpoint(&key(1)).as_deref(), Some(&b"four epochs"[..]));
        fs::write(store.checkpoint_path(&key(2)), &whole).unwrap();
        assert_eq!(store.checkpoint(&key(2)), None, "that of another key");

        fs::write(&path, &whole).unwrap();
        // A kill left one that was not whole.
        fs::write(folder::unfinished_path(&path), &whole[..9]).unwrap();
        store.forget_checkpoint(&key(1)).unwrap();
        assert_eq!(store.checkpoint(&key(1)), None);
        let left: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [store.checkpoint_path(&key(2))]);
    }

    #[test]
    fn the_last_whole_one_of_a_computation_that_ended_badly_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.keep_last_checkpoint(&key(1)).unwrap(), None);
        for bytes in [&b"one epoch"[..], b"two epochs"] {
            store.keep_checkpoint(&key(1), bytes).unwrap();
        }
        let kept = store.keep_last_checkpoint(&key(1)).unwrap().unwrap();
        assert_eq!(read(&key(1), &kept).as_deref(), Some(&b"two epochs"[..]));
        // Whoever is given the file, under any name, reads it too; not as another key's, nor what is none.
        let bytes = fs::read(&kept).unwrap();
        let of = |bytes: &[u8], n: u64| whole_checkpoint(bytes.to_vec(), |_| Some(*key(n).digest()));
        assert_eq!((of(&bytes, 1).as_deref(), of(&bytes, 2)), (Some(&b"two epochs"[..]), None));
        assert_eq!((of(&bytes[1..], 1), of(&bytes[..9], 1)), (None, None));
        assert_eq!(whole_checkpoint(bytes, |_| None), None);
        assert_eq!(store.checkpoint(&key(1)).as_deref(), Some(&b"two epochs"[..]));
        store.forget_checkpoint(&key(1)).unwrap();
        store.put(&Record::of(key(1), &5_u8).unwrap()).unwrap();
        store.forget_finished_checkpoints(Kind::Training).unwrap();
        assert_eq!(store.checkpoint(&key(1)), None, "nothing goes on from it");
        assert_eq!(store.last_checkpoint_kept(&key(1)), Some(kept.clone()));
        assert_eq!(store.last_checkpoint_kept(&key(2)), None);

        // Where the newest is damaged it is the one before.
        for bytes in [&b"three epochs"[..], b"four epochs"] {
            store.keep_checkpoint(&key(1), bytes).unwrap();
        }
        fs::write(store.checkpoint_path(&key(1)), b"damaged").unwrap();
        assert_eq!(store.keep_last_checkpoint(&key(1)).unwrap(), Some(kept.clone()));
        assert_eq!(read(&key(1), &kept).as_deref(), Some(&b"three epochs"[..]));
    }

    #[test]
    fn a_checkpoint_goes_when_its_result_is_stored_however_it_came_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.forget_finished_checkpoints(Kind::Training).unwrap();
        for n in [1, 2] {
            store.keep_checkpoint(&key(n), b"one epoch").unwrap();
            fs::write(folder::unfinished_path(&store.checkpoint_path(&key(n))), b"two").unwrap();
        }
        // Not everything there is one.
        fs::write(store.path().join(FOLDER).join("readme"), b"").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        store.put(&Record::of(key(1), &5_u8).unwrap()).unwrap();
        store.forget_finished_checkpoints(Kind::Training).unwrap();
        let count = || fs::read_dir(store.path().join(FOLDER)).unwrap().count();
        assert!(count() == 3 && store.checkpoint(&key(1)).is_none() && store.checkpoint(&key(2)).is_some());
        // It is computed once more, since what it names is gone.
        std::thread::sleep(std::time::Duration::from_millis(50));
        store.keep_checkpoint(&key(1), b"one epoch, again").unwrap();
        store.forget_finished_checkpoints(Kind::Training).unwrap();
        assert!(count() == 4 && store.checkpoint(&key(1)).is_some());
    }
}
