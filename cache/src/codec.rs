//! How payloads are turned into bytes. The only module that knows bincode.
//!
//! bincode is pinned to 2.0.1 and no longer maintained; it stays behind these two functions, and every record
//! names its codec, so that a successor can be added beside it without losing what was stored.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// How a record's payload was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// The payload is what it is: bytes of a format of their own.
    Raw,
    /// bincode 2 in its standard configuration, through serde.
    Bincode2,
}

impl Codec {
    /// The name that stands in stored records. Never change.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Bincode2 => "bincode-2",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Raw, Self::Bincode2].into_iter().find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// More than any payload needs, so that a foreign payload cannot make the decoder allocate without end.
const LIMIT_BYTES: usize = 1 << 32;

/// Encodes `value` with [`Codec::Bincode2`]. Equal values give equal bytes as long as their maps are ordered.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .map_err(|error| failed("encode", &error))
}

/// Decodes what [`encode`] wrote for a value of the same type; bytes left over are an error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let config = bincode::config::standard().with_limit::<LIMIT_BYTES>();
    let (value, read) =
        bincode::serde::decode_from_slice(bytes, config).map_err(|error| failed("decode", &error))?;
    if read == bytes.len() { Ok(value) } else { Err(failed("decode", &"bytes follow the value")) }
}

fn failed(action: &'static str, error: &dyn fmt::Display) -> Error {
    Error::Codec { action, codec: Codec::Bincode2.name(), message: error.to_string() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip_and_foreign_bytes_are_errors() {
        let value = (vec![1.5_f64, -0.0], Some("text".to_owned()), 300_u64);
        let bytes = encode(&value).unwrap();
        assert_eq!(decode::<(Vec<f64>, Option<String>, u64)>(&bytes).unwrap(), value);
        for length in 0..bytes.len() {
            assert!(decode::<(Vec<f64>, Option<String>, u64)>(&bytes[..length]).is_err());
        }
        assert!(decode::<Vec<f64>>(&bytes).is_err(), "another type leaves bytes over");
        assert!(
            decode::<Vec<u64>>(&[253, 255, 255, 255, 255, 255, 255, 255, 255]).is_err(),
            "a length of 2^64 - 1"
        );
    }
}
