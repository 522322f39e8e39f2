//! BLAKE3 digests with domain separation: equal bytes in two domains have unrelated digests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// A BLAKE3 hash of 32 bytes; its text form, also in serde, is 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes` in `domain`, a constant text that names what is hashed ("nas-pipeline data set
    /// v1").
    pub fn of(domain: &str, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(domain);
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// A digest computed piece by piece; cutting the same bytes differently gives the same digest.
#[derive(Clone, Debug)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a digest in `domain` (see [`Digest::of`]).
    pub fn new(domain: &str) -> Self {
        Self(blake3::Hasher::new_derive_key(domain))
    }

    /// Appends bytes.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The digest of everything appended so far.
    pub fn finalize(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match blake3::Hash::from_hex(text) {
            Ok(hash) => Ok(Self(*hash.as_bytes())),
            Err(_) => Err(Error::BadDigest(text.chars().take(80).collect())),
        }
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_bad_text_is_an_error() {
        let digest = Digest::of("test", b"abc");
        let text = digest.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(text, text.to_lowercase());
        assert_eq!(text.parse::<Digest>().unwrap(), digest);
        for bad in ["", "12", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "g")] {
            assert!(matches!(bad.parse::<Digest>(), Err(Error::BadDigest(_))), "{bad}");
        }
    }

    #[test]
    fn domains_separate_and_pieces_do_not() {
        assert_ne!(Digest::of("a", b"xyz"), Digest::of("b", b"xyz"));
        let mut hasher = Hasher::new("a");
        hasher.update(b"x").update(b"").update(b"yz");
        assert_eq!(hasher.finalize(), Digest::of("a", b"xyz"));
    }
}
