//! The bytes of a record: length-prefixed, written by hand, checked as a whole before anything is decoded.
//!
//! ```text
//! magic 8 · total length 8 · version 2 · kind 1 · key digest 32 · created 8 · flops 8 · elapsed 8
//! · codec · fields · provenance count 8, (name, value)* · payload digest 32 · payload · BLAKE3 of all before it 32
//! ```
//!
//! Numbers are little-endian; codec, fields, names, values and payload start with their length in 8 bytes.
//! Magic, total length and the last 32 bytes are the frame that every later version keeps, so that any
//! version can tell an intact record of a later one from a damaged one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::reading::{Reading, write_bytes};
use crate::{Codec, Cost, Digest, Error, Fields, Hasher, Key, Kind, Record, Result};

/// Not text and changed by newline conversion, so that files mangled on their way are recognised.
pub(crate) const MAGIC: [u8; 8] = *b"\x89NASr\r\n\x1a";
const VERSION: u16 = 1;
const DIGEST_BYTES: usize = 32;
/// Magic, length, version and the closing digest: nothing shorter is a record.
const FRAME_BYTES: usize = 8 + 8 + 2 + DIGEST_BYTES;

/// The closing digest's domain, prepared once: small records are checked 200,000 times a second.
static ENVELOPE_HASHER: LazyLock<Hasher> = LazyLock::new(|| Hasher::new("nas-pipeline cache envelope v1"));
const PAYLOAD_DOMAIN: &str = "nas-pipeline cache payload v1";

fn envelope_digest(content: &[u8]) -> Digest {
    ENVELOPE_HASHER.clone().update(content).finalize()
}

pub(crate) fn payload_digest(payload: &[u8]) -> Digest {
    Digest::of(PAYLOAD_DOMAIN, payload)
}

pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.payload.len() + 1024);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.push(record.key.kind().tag());
    out.extend_from_slice(&record.key.digest().0);
    for number in [record.created_unix_ms, record.cost.flops, record.cost.elapsed_ms] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    write_bytes(&mut out, record.codec.name().as_bytes());
    write_bytes(&mut out, &record.key.fields().canonical());
    out.extend_from_slice(&(record.provenance.len() as u64).to_le_bytes());
    for (name, value) in &record.provenance {
        write_bytes(&mut out, name.as_bytes());
        write_bytes(&mut out, value.as_bytes());
    }
    out.extend_from_slice(&payload_digest(&record.payload).0);
    write_bytes(&mut out, &record.payload);
    let length = (out.len() + DIGEST_BYTES) as u64;
    out[8..16].copy_from_slice(&length.to_le_bytes());
    let digest = envelope_digest(&out);
    out.extend_from_slice(&digest.0);
    out
}

/// The length that an envelope at the start of `bytes` claims to have, if there is one at all.
pub(crate) fn claimed_length(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let length = u64::from_le_bytes(*rest.first_chunk()?);
    usize::try_from(length).ok().filter(|length| *length >= FRAME_BYTES && *length <= bytes.len())
}

/// The digest that closes an envelope, of any version. Of bytes that are none, their end.
pub(crate) fn closing_digest(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(DIGEST_BYTES)..]
}

/// Checks the frame: that these are all the bytes that were written, and exactly those.
pub(crate) fn check(bytes: &[u8]) -> Result<()> {
    if bytes.len() < FRAME_BYTES {
        return Err(Error::Damaged("it is too short"));
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(Error::Damaged("it does not start like a record"));
    }
    if claimed_length(bytes) != Some(bytes.len()) {
        return Err(Error::Damaged("its length is not the one it states"));
    }
    let (content, digest) = bytes.split_at(bytes.len() - DIGEST_BYTES);
    if envelope_digest(content).0 != digest {
        return Err(Error::Damaged("its BLAKE3 digest does not match"));
    }
    Ok(())
}

/// What the fixed head of a checked envelope says, without decoding the rest.
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) digest: Digest,
    created_unix_ms: u64,
    pub(crate) cost: Cost,
}

/// Checks the bytes and reads their head; the rest stays to be read.
pub(crate) fn head(bytes: &[u8]) -> Result<(Head, Reading<'_>)> {
    check(bytes)?;
    let mut reading = Reading(&bytes[16..bytes.len() - DIGEST_BYTES]);
    let version = u16::from_le_bytes(reading.array()?);
    if version != VERSION {
        return Err(Error::Newer(format!("format {version}, this program knows {VERSION}")));
    }
    let tag = reading.u8()?;
    let head = Head {
        kind: Kind::from_tag(tag).ok_or_else(|| Error::Newer(format!("kind {tag}")))?,
        digest: Digest(reading.array()?),
        created_unix_ms: reading.u64()?,
        cost: Cost { flops: reading.u64()?, elapsed_ms: reading.u64()? },
    };
    Ok((head, reading))
}

/// Checks and decodes bytes that this program stored itself.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record> {
    decode_with(bytes, |kind, digest, fields| Ok(Key::trusted(kind, digest, Fields::from_canonical(fields)?)))
}

/// As [`decode`], for the record of a key that is known: its fields need no decoding, which is half of the
/// work.
pub(crate) fn decode_for(bytes: &[u8], key: &Key) -> Result<Record> {
    decode_with(bytes, |kind, digest, _| {
        if (kind, &digest) == (key.kind(), key.digest()) {
            Ok(key.clone())
        } else {
            Err(Error::Damaged(OTHER_KEY))
        }
    })
}

/// What is wrong with an intact record in another one's place.
pub(crate) const OTHER_KEY: &str = "it is the record of another key";

fn decode_with(bytes: &[u8], key: impl FnOnce(Kind, Digest, &[u8]) -> Result<Key>) -> Result<Record> {
    let (head, mut reading) = head(bytes)?;
    let codec = reading.text()?;
    let codec = Codec::from_name(codec).ok_or_else(|| Error::Newer(format!("codec `{codec}`")))?;
    let key = key(head.kind, head.digest, reading.bytes()?)?;
    let mut provenance = BTreeMap::new();
    for _ in 0..reading.length()? {
        provenance.insert(reading.text()?.to_owned(), reading.text()?.to_owned());
    }
    reading.take(DIGEST_BYTES)?;
    let payload = reading.bytes()?.to_vec();
    if !reading.0.is_empty() {
        return Err(Error::Damaged("bytes follow the payload"));
    }
    Ok(Record { key, codec, payload, provenance, cost: head.cost, created_unix_ms: head.created_unix_ms })
}

/// Checks what an intact envelope of foreign origin could still get wrong: that its digests are what they
/// should be.
pub(crate) fn check_digests(record: &Record, bytes: &[u8]) -> Result<()> {
    let key = Key::new(record.key.kind(), record.key.fields().clone());
    if key.digest() != record.key.digest() {
        return Err(Error::Damaged("its key is not the digest of its fields"));
    }
    let stated = bytes.len() - DIGEST_BYTES - record.payload.len() - 8 - DIGEST_BYTES;
    if bytes[stated..stated + DIGEST_BYTES] != record.payload_digest().0 {
        return Err(Error::Damaged("the digest of its payload does not match"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    fn sample() -> Record {
        let fields = Fields::new().with("epochs", 10_u32).and_then(|f| f.with("name", "BPE-1")).unwrap();
        let mut record = Record::of(Key::new(Kind::Training, fields), &vec![66.88_f64, 1.0]).unwrap();
        record.provenance.insert("device".to_owned(), "cpu".to_owned());
        record.cost = Cost { flops: 1 << 40, elapsed_ms: 1234 };
        record
    }

    /// Rewrites an envelope's closing digest, as somebody does who wants a wrong record to be believed.
    fn resign(bytes: &mut [u8]) {
        let end = bytes.len() - DIGEST_BYTES;
        let digest = envelope_digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&digest.0);
    }

    #[test]
    fn records_round_trip() {
        let record = sample();
        assert_eq!(Record::from_bytes(&record.to_bytes()).unwrap(), record);
        assert_eq!(record.value::<Vec<f64>>().unwrap(), [66.88, 1.0]);
        let raw = Record::new(Key::new(Kind::Blob, Fields::new()), Vec::new());
        assert_eq!(Record::from_bytes(&raw.to_bytes()).unwrap(), raw);
        assert!(raw.value::<u8>().unwrap_err().to_string().contains("raw"));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let bytes = sample().to_bytes();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[index] ^= 1 << bit;
                assert!(matches!(decode(&changed), Err(Error::Damaged(_))), "byte {index}, bit {bit}");
            }
            assert!(matches!(decode(&bytes[..index]), Err(Error::Damaged(_))), "cut to {index}");
        }
        assert!(matches!(decode(&[bytes.as_slice(), b"x"].concat()), Err(Error::Damaged(_))));
    }

    #[test]
    fn resigned_lies_are_refused_and_never_panic() {
        let bytes = sample().to_bytes();
        for index in 0..bytes.len() - DIGEST_BYTES {
            let mut changed = bytes.clone();
            changed[index] ^= 0x55;
            resign(&mut changed);
            let result = Record::from_bytes(&changed);
            // Times, costs and provenance are nobody's identity; a lie about them cannot be seen.
            if let Ok(record) = result {
                assert_eq!(record.key, sample().key, "byte {index}");
                assert_eq!(record.payload, sample().payload, "byte {index}");
            }
        }
    }

    /// What a later version of this program would write.
    pub(crate) fn of_later_version(record: &Record) -> Vec<u8> {
        let mut bytes = record.to_bytes();
        bytes[16] += 1;
        resign(&mut bytes);
        bytes
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        assert!(matches!(Record::from_bytes(&of_later_version(&sample())), Err(Error::Newer(_))));
        let mut bytes = sample().to_bytes();
        bytes[18] = 200;
        resign(&mut bytes);
        assert!(matches!(Record::from_bytes(&bytes), Err(Error::Newer(_))));
    }
}
