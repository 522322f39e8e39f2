//! Claims: which process computes what, so that no two compute the same.
//!
//! A claim is a file under the name of a key. It holds the token of its owner, a process that has the folder open. An
//! owner is a file as well, which its process keeps locked and in which it counts on while it lives. Where the lock is
//! gone, or the count has stood still for [`LEASE`] by the clock of whoever looks, the owner is dead and its claims
//! are free. Nothing here needs clocks that agree, and only the quick end of a dead owner needs locks, so that a claim
//! can lie in any storage that several machines share.
//!
//! A claim saves work and protects nothing: where it cannot be made, or an owner that only slept is taken for dead, two
//! processes compute the same result, and the first one that is stored counts.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::mutex::lock;
use crate::share::lease::Lease;
use crate::sharing::Shared;
use crate::spool::{Spool, Spooled};
use crate::{Key, folder};

/// How often a living owner counts on.
const BEAT: Duration = Duration::from_secs(2);
/// An owner that does not count on for so long is dead, or as good as dead.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// How long the files of claims may be in somebody else's hands; it takes microseconds while they live.
const TURN_MAX: Duration = Duration::from_secs(1);

const CLAIM_SUFFIX: &str = "claim";
const OWNER_SUFFIX: &str = "owner";

/// What came of claiming a key.
#[derive(Debug)]
pub enum Claim {
    /// It is this process's to compute until the claim is dropped.
    Granted(Claimed),
    /// Somebody who lives computes it.
    Taken,
}

/// A key that is this process's to compute. Dropped when the result is stored, or given up.
#[derive(Debug)]
pub struct Claimed {
    claims: Arc<Claims>,
    name: String,
    /// Those on the same key in shares.
    leases: Option<(Arc<Shared>, Vec<Lease>)>,
}

impl Claimed {
    /// Holds leases, which are given up when the shares have what was stored.
    pub(crate) fn hold(&mut self, shared: &Arc<Shared>, leases: Vec<Lease>) {
        self.leases = Some((Arc::clone(shared), leases));
    }
}

/// The claims of a cache folder, as one process sees and makes them.
#[derive(Debug)]
pub(crate) struct Claims {
    path: PathBuf,
    /// None where the folder cannot be written to: then everything is granted.
    owner: OnceLock<Option<Owner>>,
    /// The names of the claims that this process holds.
    held: Mutex<HashSet<String>>,
    /// What the other owners had counted to, and since when.
    seen: Mutex<HashMap<String, (Vec<u8>, Instant)>>,
}

/// This process as an owner of claims.
#[derive(Debug)]
struct Owner {
    token: String,
    path: PathBuf,
    /// Locked while this process lives.
    file: Arc<File>,
    /// Ends the thread that counts on.
    _heart: Option<mpsc::Sender<()>>,
}

impl Claims {
    pub(crate) fn of(path: PathBuf) -> Arc<Self> {
        let (held, seen) = (Mutex::default(), Mutex::default());
        Arc::new(Self { path, owner: OnceLock::new(), held, seen })
    }

    /// What this process is known by in this folder, once it has claimed something.
    pub(crate) fn token(&self) -> Option<&str> {
        self.owner.get()?.as_ref().map(|owner| owner.token.as_str())
    }

    pub(crate) fn claim(self: &Arc<Self>, key: &Key) -> Claim {
        let name = format!("{}-{}", key.kind(), key.digest());
        if !lock(&self.held).insert(name.clone()) {
            return Claim::Taken;
        }
        if self.try_claim(&name).unwrap_or(true) {
            return Claim::Granted(Claimed { claims: Arc::clone(self), name, leases: None });
        }
        lock(&self.held).remove(&name);
        Claim::Taken
    }

    /// Whether the claim is this process's now.
    fn try_claim(&self, name: &str) -> io::Result<bool> {
        let Some(owner) = self.owner.get_or_init(|| Owner::new(&self.path).ok()) else { return Ok(true) };
        let _turn = self.turn()?;
        let file = self.file(name);
        if let Spooled::Bytes(token) = Spool::read(&file)
            && token != owner.token.as_bytes()
            && self.lives(&String::from_utf8_lossy(&token))
        {
            return Ok(false);
        }
        fs::write(&file, &owner.token)?;
        Ok(true)
    }

    fn give_up(&self, name: &str) {
        let file = self.file(name);
        let token = self.owner.get().and_then(Option::as_ref).map(|owner| owner.token.as_bytes());
        // An owner that was taken for dead has lost its claim to somebody else.
        if let (Spooled::Bytes(found), Some(token)) = (Spool::read(&file), token)
            && found == token
        {
            let _ = fs::remove_file(&file);
        }
        lock(&self.held).remove(name);
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{CLAIM_SUFFIX}"))
    }

    /// Claims are read and written by one process at a time.
    fn turn(&self) -> io::Result<File> {
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(self.path.join("lock"))?;
        let begun = Instant::now();
        while file.try_lock().is_err() && begun.elapsed() < TURN_MAX {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(file)
    }

    /// Whether the owner of this token lives.
    fn lives(&self, token: &str) -> bool {
        let file = owner_file(&self.path, token);
        let Spooled::Bytes(count) = Spool::read(&file) else { return false };
        // Whoever lives has it locked. (Where there are no locks, nobody gets one.)
        if File::open(&file).is_ok_and(|file| file.try_lock_shared().is_ok()) {
            return false;
        }
        let mut seen = lock(&self.seen);
        let (last, since) = seen.entry(token.to_owned()).or_insert_with(|| (count.clone(), Instant::now()));
        if *last != count {
            (*last, *since) = (count, Instant::now());
        }
        since.elapsed() < LEASE
    }

    /// Whether any owner but this process lives.
    pub(crate) fn others_live(&self) -> bool {
        let owners = folder::files(&self.path).unwrap_or_default().into_iter();
        let owners = owners.filter(|file| file.extension().is_some_and(|suffix| suffix == OWNER_SUFFIX));
        let mut tokens = owners.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned()));
        tokens.any(|token| self.token() != Some(&token) && self.lives(&token))
    }

    /// Removes what dead processes have left; their tokens.
    pub(crate) fn clean(&self) -> Vec<String> {
        let mut dead = Vec::new();
        let Ok(files) = folder::files(&self.path) else { return dead };
        if files.is_empty() {
            return dead;
        }
        let Ok(_turn) = self.turn() else { return dead };
        let is = |file: &Path, suffix: &str| file.extension().is_some_and(|found| found == suffix);
        for file in files.iter().filter(|file| is(file, CLAIM_SUFFIX)) {
            if let Spooled::Bytes(token) = Spool::read(file)
                && !self.lives(&String::from_utf8_lossy(&token))
            {
                let _ = fs::remove_file(file);
            }
        }
        for file in files.iter().filter(|file| is(file, OWNER_SUFFIX)) {
            let token = file.file_stem().unwrap_or_default().to_string_lossy();
            if !self.lives(&token) {
                let _ = fs::remove_file(file);
                dead.push(token.into_owned());
            }
        }
        dead
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Now, and not when the thread that counts has noticed.
        let _ = self.file.unlock();
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.claims.give_up(&self.name);
        if let Some((shared, leases)) = self.leases.take() {
            shared.release(leases);
        }
    }
}

impl Owner {
    fn new(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let token = random_token();
        let path = owner_file(path, &token);
        let file = OpenOptions::new().create_new(true).read(true).write(true).open(&path)?;
        // Where there are no locks, the count alone tells who lives.
        let _ = file.try_lock();
        (&file).write_all(&count(0))?;
        let file = Arc::new(file);
        let (heart, ended) = mpsc::channel();
        let beating = Arc::clone(&file);
        let thread = thread::Builder::new().name("claims".to_owned()).spawn(move || {
            let mut beats = 0;
            while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                beats += 1;
                let _ = beating.write_all_at(&count(beats), 0);
            }
        });
        Ok(Self { token, path, file, _heart: thread.is_ok().then_some(heart) })
    }
}

/// As many bytes for every number.
fn count(beats: u64) -> Vec<u8> {
    format!("{beats:020}\nprocess {}\n", std::process::id()).into_bytes()
}

fn owner_file(path: &Path, token: &str) -> PathBuf {
    // A token is read from a file: one that is no token names no file.
    let token: String = token.chars().filter(char::is_ascii_hexdigit).take(64).collect();
    path.join(format!("{token}.{OWNER_SUFFIX}"))
}

/// 32 hexadecimal digits that nobody else has, whatever machine, container or process they are in.
pub fn random_token() -> String {
    // The standard library seeds these from the system's random numbers.
    let half = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Fields, Kind};

    fn key(n: u64) -> Key {
        Key::new(Kind::Training, Fields::new().with("n", n).unwrap())
    }

    fn is_granted(claim: &Claim) -> bool {
        matches!(claim, Claim::Granted(_))
    }

    #[test]
    fn a_claim_is_granted_to_one_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| Claims::of(dir.path().join("claims")));
        let held = one.claim(&key(1));
        assert!(is_granted(&held));
        assert!(!is_granted(&one.claim(&key(1))) && !is_granted(&other.claim(&key(1))));
        assert!(is_granted(&other.claim(&key(2))));
        other.clean();
        assert!(!is_granted(&other.claim(&key(1))), "cleaning removes no living claim");
        drop(held);
        assert!(is_granted(&other.claim(&key(1))));
    }

    #[test]
    fn a_dead_owner_has_no_claims() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claims");
        let dead = Claims::of(path.clone());
        let claim = dead.claim(&key(1));
        assert!(is_granted(&claim));
        // As after a kill: files stay, the lock goes.
        dead.owner.get().unwrap().as_ref().unwrap().file.unlock().unwrap();
        let other = Claims::of(path.clone());
        let held = other.claim(&key(1));
        assert!(is_granted(&held));
        // The dead one, if it only slept, does not take it away from its new owner.
        drop(claim);
        assert!(!is_granted(&Claims::of(path.clone()).claim(&key(1))));
        drop(held);
        other.clean();
        let left = folder::files(&path).unwrap();
        assert!(left.iter().all(|file| file.extension().is_none_or(|suffix| suffix != CLAIM_SUFFIX)));
        assert!(!owner_file(&path, &dead.owner.get().unwrap().as_ref().unwrap().token).exists());
    }

    #[test]
    fn an_owner_that_stands_still_is_dead_after_its_lease() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("claims");
        let [asleep, other] = [(); 2].map(|()| Claims::of(path.clone()));
        let _claim = asleep.claim(&key(1));
        assert!(!is_granted(&other.claim(&key(1))));
        for (_, since) in lock(&other.seen).values_mut() {
            *since = since.checked_sub(LEASE).unwrap();
        }
        assert!(is_granted(&other.claim(&key(1))));
    }

    #[test]
    fn where_no_claim_can_be_made_everything_is_granted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("claims");
        fs::write(&file, "in the way").unwrap();
        let claims = Claims::of(file);
        assert!(is_granted(&claims.claim(&key(1))));
        claims.clean();
    }
}
