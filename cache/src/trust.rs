//! Whom to believe: the keys by which producers sign what they share.
//!
//! Everyone who shares has an ed25519 key pair, the secret half in a file that nobody else reads. A list of public keys says
//! who is trusted and who no more is.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::{Error, Result, folder};

/// The half of a producer's key that everyone may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// A producer: the key that signs.
pub struct Identity(SigningKey);

/// What becomes of shared records whose producer is not in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustPolicy {
    /// They are used.
    #[default]
    Off,
    /// They are used, and each producer is named once.
    Warn,
    /// They are not used.
    Require,
}

/// A producer in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What people call it; may be empty.
    pub name: String,
    /// Whether it is trusted; otherwise its records are never used, whatever the policy.
    pub is_trusted: bool,
}

/// The list of producers, and what becomes of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// What becomes of the others.
    pub policy: TrustPolicy,
    known: BTreeMap<PublicKey, Known>,
}

/// Whether a record is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Used,
    /// Used, and its producer is named.
    Unknown,
    Refused(&'static str),
}

impl PublicKey {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Whether this key's owner has signed these bytes so.
    pub(crate) fn has_signed(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        // Strict: a key of small order would sign everything.
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(bytes, &Signature::from_bytes(signature)).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::BadPublicKey(text.to_owned());
        let key = Self(digits(text).ok_or_else(bad)?);
        VerifyingKey::from_bytes(&key.0).map_err(|_| bad())?;
        Ok(key)
    }
}

/// 64 hexadecimal digits as bytes.
fn digits(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public())
    }
}

impl Identity {
    /// A new one, which nobody else has.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| {
            Error::io("read random numbers for", Path::new("a key"))(io::Error::other(error))
        })?;
        Ok(Self(SigningKey::from_bytes(&secret)))
    }

    /// The half that everyone may know.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.0.sign(bytes).to_bytes()
    }

    /// The one that a file holds; none where there is no file.
    ///
    /// # Errors
    /// When the file cannot be read or is no key.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        match fs::read_to_string(path) {
            Ok(text) => match digits(text.trim()) {
                Some(secret) => Ok(Some(Self(SigningKey::from_bytes(&secret)))),
                None => Err(Error::BadIdentity(path.to_path_buf())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Writes it to a new file that only its owner may read.
    ///
    /// # Errors
    /// When the file is there already, or cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let write = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", PublicKey(self.0.to_bytes()))?;
            file.sync_all()
        };
        write().map_err(Error::io("write", path))
    }
}

impl Trust {
    /// The list that a file holds; an empty one where there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it says nothing: who is trusted must not be guessed.
    pub fn load(path: &Path, policy: TrustPolicy) -> Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let mut known = BTreeMap::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let bad = || Error::BadTrust { path: PathBuf::from(path), line: number + 1 };
            let mut words = line.splitn(3, ' ');
            let is_trusted = match words.next() {
                Some("trust") => true,
                Some("revoke") => false,
                _ => return Err(bad()),
            };
            let key = words.next().and_then(|key| key.parse().ok()).ok_or_else(bad)?;
            known.insert(key, Known { name: words.next().unwrap_or_default().to_owned(), is_trusted });
        }
        Ok(Self { policy, known })
    }

    /// Writes the list to a file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let line = |(key, known): (&PublicKey, &Known)| {
            let word = if known.is_trusted { "trust" } else { "revoke" };
            format!("{word} {key} {}", known.name).trim_end().to_owned() + "\n"
        };
        let text: String = self.known.iter().map(line).collect();
        folder::replace_file(path, &[text.as_bytes()])
    }

    /// Puts a producer into the list, in the place of what was said of it before.
    pub fn set(&mut self, key: PublicKey, known: Known) {
        self.known.insert(key, known);
    }

    /// Trusts one's own key, unless the list says otherwise.
    pub(crate) fn set_own(&mut self, key: PublicKey) {
        self.known.entry(key).or_insert(Known { name: String::new(), is_trusted: true });
    }

    /// The list.
    pub fn known(&self) -> impl Iterator<Item = (&PublicKey, &Known)> {
        self.known.iter()
    }

    /// Whether a record of this producer, whose signature holds, is used.
    pub(crate) fn judge(&self, producer: Option<&PublicKey>) -> Verdict {
        match (producer.and_then(|key| self.known.get(key)), self.policy) {
            (Some(Known { is_trusted: false, .. }), _) => Verdict::Refused("its producer is trusted no more"),
            (Some(_), _) | (None, TrustPolicy::Off) => Verdict::Used,
            (None, TrustPolicy::Warn) => Verdict::Unknown,
            (None, TrustPolicy::Require) if producer.is_none() => Verdict::Refused("it is not signed"),
            (None, TrustPolicy::Require) => Verdict::Refused("its producer is not trusted"),
        }
    }
}

impl FromStr for TrustPolicy {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        match text {
            "off" => Ok(Self::Off),
            "warn" => Ok(Self::Warn),
            "require" => Ok(Self::Require),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn identities_are_kept_secret_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below").join("identity");
        assert!(Identity::load(&path).unwrap().is_none());
        let identity = Identity::generate().unwrap();
        identity.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = Identity::load(&path).unwrap().unwrap();
        assert_eq!(loaded.public(), identity.public());
        assert!(identity.public().has_signed(b"text", &loaded.sign(b"text")));
        assert!(!identity.public().has_signed(b"test", &loaded.sign(b"text")));
        assert!(Identity::generate().unwrap().save(&path).is_err());
        assert_eq!(Identity::load(&path).unwrap().unwrap().public(), identity.public());
        fs::write(&path, "no key").unwrap();
        assert!(matches!(Identity::load(&path), Err(Error::BadIdentity(_))));
        // The secret half is in no message.
        assert!(!format!("{identity:?}").contains(&PublicKey(identity.0.to_bytes()).to_string()));
    }

    #[test]
    fn a_list_says_who_is_trusted_and_is_not_guessed_from_a_damaged_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trusted");
        let [friend, enemy, stranger] = [(); 3].map(|()| Identity::generate().unwrap().public());
        let mut trust = Trust::load(&path, TrustPolicy::Require).unwrap();
        trust.set(friend, Known { name: "a friend of ours".into(), is_trusted: true });
        trust.set(enemy, Known { name: String::new(), is_trusted: false });
        trust.save(&path).unwrap();
        assert_eq!(Trust::load(&path, TrustPolicy::Require).unwrap(), trust);
        for (policy, unknown, unsigned) in [
            (TrustPolicy::Off, Verdict::Used, Verdict::Used),
            (TrustPolicy::Warn, Verdict::Unknown, Verdict::Unknown),
            (
                TrustPolicy::Require,
                Verdict::Refused("its producer is not trusted"),
                Verdict::Refused("it is not signed"),
            ),
        ] {
            let trust = Trust { policy, ..trust.clone() };
            assert_eq!(trust.judge(Some(&friend)), Verdict::Used);
            assert!(matches!(trust.judge(Some(&enemy)), Verdict::Refused(_)));
            assert_eq!(trust.judge(Some(&stranger)), unknown);
            assert_eq!(trust.judge(None), unsigned);
        }
        for line in ["trust", "trust 12", "believe 12 x", &format!("revoke {friend}0 x")] {
            fs::write(&path, format!("trust {friend} x\n{line}\n")).unwrap();
            assert!(
                matches!(Trust::load(&path, TrustPolicy::Off), Err(Error::BadTrust { line: 2, .. })),
                "{line}"
            );
        }
    }
}
