//! Keys: which record is meant, as a hash of the named fields that the record depends on.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Digest, Error, Fields, Result};

/// What a record holds. Each kind hashes in its own domain, so that equal fields of two kinds never share a
/// key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The result of one training: what the cache exists for. Written with a synchronous log.
    Training,
    /// The output of a node of the pipeline's graph.
    NodeOutput,
    /// What one run did. Written with a synchronous log and listed by time ([`crate::Store::manifests`]).
    Manifest,
    /// Bytes that other records refer to by digest, such as trained weights.
    Blob,
}

impl Kind {
    /// All kinds, in the order in which they are reported.
    pub const ALL: [Self; 4] = [Self::Training, Self::NodeOutput, Self::Manifest, Self::Blob];

    /// The kind's name, used in file names, messages and serde.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::NodeOutput => "node-output",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
        }
    }

    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// The byte that stands for the kind in stored data. Never reuse or renumber.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Training => 1,
            Self::NodeOutput => 2,
            Self::Manifest => 3,
            Self::Blob => 4,
        }
    }

    pub(crate) fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.tag() == tag)
    }

    fn domain(self) -> &'static str {
        match self {
            Self::Training => "nas-pipeline cache key v1: training",
            Self::NodeOutput => "nas-pipeline cache key v1: node-output",
            Self::Manifest => "nas-pipeline cache key v1: manifest",
            Self::Blob => "nas-pipeline cache key v1: blob",
        }
    }

    /// Whether a record of this kind must have reached the disk before a put returns.
    pub(crate) fn is_synchronous(self) -> bool {
        matches!(self, Self::Training | Self::Manifest)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| Error::BadKind(text.to_owned()))
    }
}

/// Which record is meant. The fields travel with the digest so that a person can be told which of them
/// changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    kind: Kind,
    digest: Digest,
    /// Shared, so that a record found for a key costs no copy of them.
    fields: Arc<Fields>,
}

impl Key {
    /// The key of the record of `kind` that depends on exactly `fields`.
    pub fn new(kind: Kind, fields: Fields) -> Self {
        let digest = Digest::of(kind.domain(), &fields.canonical());
        Self { kind, digest, fields: Arc::new(fields) }
    }

    /// For a record whose envelope was found intact: the digest was computed from the fields when it was
    /// written.
    pub(crate) fn trusted(kind: Kind, digest: Digest, fields: Fields) -> Self {
        Self { kind, digest, fields: Arc::new(fields) }
    }

    /// The kind of record.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The hash of the kind and the fields.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What the record depends on.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl fmt::Display for Key {
    /// `kind/digest`, the form in which keys are named in messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.digest)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::FieldValue;

    fn fields(pairs: &[(&str, FieldValue)]) -> Fields {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    #[test]
    fn order_does_not_matter_and_every_field_does() {
        let base: Vec<(&str, FieldValue)> = vec![
            ("batch_size", 128_u32.into()),
            ("genotype", "sep_conv_3x3".into()),
            ("learning_rate", 0.03.into()),
            ("seed", 7_i64.into()),
            ("augment", true.into()),
            ("data", Digest::of("d", b"x").into()),
            ("rounds", vec![1_u32, 2].into()),
        ];
        let key = Key::new(Kind::Training, fields(&base));
        let mut reversed = base.clone();
        reversed.reverse();
        assert_eq!(Key::new(Kind::Training, fields(&reversed)), key);

        let changes: [FieldValue; 7] = [
            127_u32.into(),
            "sep_conv_5x5".into(),
            0.030_000_001.into(),
            (-7_i64).into(),
            false.into(),
            Digest::of("d", b"y").into(),
            vec![1_u32, 2, 0].into(),
        ];
        let mut digests = vec![*key.digest()];
        for (index, change) in changes.into_iter().enumerate() {
            let mut changed = base.clone();
            changed[index].1 = change;
            digests.push(*Key::new(Kind::Training, fields(&changed)).digest());
            let mut renamed = base.clone();
            renamed[index].0 = "other";
            digests.push(*Key::new(Kind::Training, fields(&renamed)).digest());
            let mut fewer = base.clone();
            fewer.remove(index);
            digests.push(*Key::new(Kind::Training, fields(&fewer)).digest());
        }
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count, "two different sets of fields share a key");
    }

    #[test]
    fn kinds_and_types_are_told_apart() {
        let pairs = [("a", FieldValue::from(1_u32))];
        let keys: Vec<_> = Kind::ALL.map(|kind| *Key::new(kind, fields(&pairs)).digest()).to_vec();
        for (i, a) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|b| a != b));
        }
        let values: [FieldValue; 6] =
            [1_u32.into(), 1_i32.into(), 1.0.into(), true.into(), "1".into(), vec![1_u32].into()];
        let digests = values.map(|value| *Key::new(Kind::Blob, fields(&[("a", value)])).digest());
        for (i, a) in digests.iter().enumerate() {
            assert!(digests[i + 1..].iter().all(|b| a != b));
        }
        // Text moves across a boundary only by changing a length.
        assert_ne!(
            Key::new(Kind::Blob, fields(&[("ab", "c".into())])).digest(),
            Key::new(Kind::Blob, fields(&[("a", "bc".into())])).digest()
        );
    }

    #[test]
    fn the_hash_never_changes() {
        let fields = fields(&[("epochs", 10_u32.into()), ("name", "BPE-1".into()), ("lr", 0.03.into())]);
        assert_eq!(
            Key::new(Kind::Training, fields).digest().to_string(),
            "56ced1872b753aae4ba97bf10dc2512cd9ecf256fdc79fd815e0fdf0dcfb6fa4",
            "a changed encoding would forget every stored training"
        );
    }

    #[test]
    fn names_round_trip() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse::<Kind>().unwrap(), kind);
            assert_eq!(Kind::from_tag(kind.tag()), Some(kind));
        }
        assert!("trainings".parse::<Kind>().unwrap_err().to_string().contains("node-output"));
    }
}
