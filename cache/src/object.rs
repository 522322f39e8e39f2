//! What lies in a tier under a record's name: the record's envelope, and who vouches for it.
//!
//! ```text
//! magic 8 · version 2 · producer's key 32 · signature 64 · envelope to the end
//! ```
//!
//! The signature is over the digest that closes the envelope, and so over all of it. Without one, both fields are zero.
//! An object of anyone's making is believed only when everything about it holds: frame, length, digests, that the record
//! is the one whose name it has, and that the signature is the producer's.

use crate::trust::{Identity, PublicKey};
use crate::{Digest, Error, Kind, Record, envelope};

const MAGIC: [u8; 8] = *b"\x89NASo\r\n\x1a";
const VERSION: u16 = 1;
const KEY: usize = 32;
const SIGNATURE: usize = 64;
const HEAD: usize = 8 + 2 + KEY + SIGNATURE;
/// What is signed, so that a signature means this and nothing else.
const DOMAIN: &[u8] = b"nas-pipeline shared record v1";

/// An object that is what its name says.
pub(crate) struct Object {
    pub(crate) record: Record,
    /// Who signed it; the signature holds.
    pub(crate) producer: Option<PublicKey>,
}

fn signed(envelope: &[u8]) -> Vec<u8> {
    [DOMAIN, envelope::closing_digest(envelope)].concat()
}

/// The object of an envelope, signed where there is somebody to sign it.
pub(crate) fn encode(envelope: &[u8], identity: Option<&Identity>) -> Vec<u8> {
    let (key, signature) = match identity {
        Some(identity) => (identity.public().bytes(), identity.sign(&signed(envelope))),
        None => ([0; KEY], [0; SIGNATURE]),
    };
    [&MAGIC[..], &VERSION.to_le_bytes(), &key, &signature, envelope].concat()
}

/// Checks everything that an object says of itself.
///
/// # Errors
/// [`Error::Damaged`] with what does not hold, [`Error::Newer`] where a later version of this program wrote it.
pub(crate) fn decode(bytes: &[u8], kind: Kind, digest: &Digest) -> Result<Object, Error> {
    let (head, envelope) = bytes.split_at_checked(HEAD).ok_or(Error::Damaged("it is too short"))?;
    let rest = head.strip_prefix(&MAGIC).ok_or(Error::Damaged("it does not start like a shared record"))?;
    let (version, rest) = rest.split_at(2);
    let version = u16::from_le_bytes([version[0], version[1]]);
    if version != VERSION {
        return Err(Error::Newer(format!("shared format {version}, this program knows {VERSION}")));
    }
    let record = Record::from_bytes(envelope)?;
    if (record.key.kind(), record.key.digest()) != (kind, digest) {
        return Err(Error::Damaged(envelope::OTHER_KEY));
    }
    let (key, signature) = rest.split_at(KEY);
    let (Ok(key), Ok(signature)) = (<[u8; KEY]>::try_from(key), <[u8; SIGNATURE]>::try_from(signature))
    else {
        return Err(Error::Damaged("it is too short"));
    };
    if (key, signature) == ([0; KEY], [0; SIGNATURE]) {
        return Ok(Object { record, producer: None });
    }
    let producer = PublicKey::new(key);
    if !producer.has_signed(&signed(envelope), &signature) {
        return Err(Error::Damaged("its signature is not its producer's"));
    }
    Ok(Object { record, producer: Some(producer) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Fields, Key};

    fn record(n: u64) -> Record {
        Record::of(Key::new(Kind::Training, Fields::new().with("n", n).unwrap()), &vec![n as f64; 3]).unwrap()
    }

    #[test]
    fn objects_round_trip_and_say_who_signed_them() {
        let identity = Identity::generate().unwrap();
        let record = record(1);
        let (kind, digest) = (Kind::Training, record.key.digest());
        for signer in [None, Some(&identity)] {
            let object = decode(&encode(&record.to_bytes(), signer), kind, digest).unwrap();
            assert_eq!(object.record, record);
            assert_eq!(object.producer, signer.map(Identity::public));
        }
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_swap_is_refused() {
        let identity = Identity::generate().unwrap();
        let (one, other) = (record(1), record(2));
        let good = encode(&one.to_bytes(), Some(&identity));
        let decode = |bytes: &[u8]| decode(bytes, Kind::Training, one.key.digest());
        for index in 0..good.len() {
            let mut bytes = good.clone();
            bytes[index] ^= 1 << (index % 8);
            assert!(decode(&bytes).is_err(), "byte {index}");
            assert!(decode(&good[..index]).is_err(), "cut to {index}");
        }
        assert!(decode(&[&good[..], b"x"].concat()).is_err());
        // Another record, under this name or under this signature; another's name under a signature.
        assert!(decode(&encode(&other.to_bytes(), Some(&identity))).is_err());
        assert!(
            decode(&[&encode(&other.to_bytes(), Some(&identity))[..HEAD], &one.to_bytes()].concat()).is_err()
        );
        let mut foreign = good.clone();
        foreign[10..10 + KEY].copy_from_slice(&Identity::generate().unwrap().public().bytes());
        assert!(decode(&foreign).is_err());
    }
}
