//! Named fields and their canonical bytes, the only thing that keys are hashed from.
//!
//! The encoding is written by hand, length-prefixed and type-tagged, so that it depends on no serializer's
//! output: `count (name value)*` sorted by name, with value = `tag content`.

use std::cell::Cell;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::reading::{Reading, write_bytes};
use crate::{Digest, Error, Result};

/// The value of a field. Values of different types are different, also when they print alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FieldValue {
    /// Text.
    Text(String),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A number, by its bits; -0 is 0, and NaN is refused when it enters [`Fields`].
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// The digest of something larger.
    Digest(Digest),
    /// Several values, in order.
    List(#[serde(deserialize_with = "shallow_list")] Vec<FieldValue>),
}

thread_local! {
    /// How deep the list lies that this thread is reading.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Reads a list unless it lies too deep: bytes of anyone's making must not take all of the stack.
fn shallow_list<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<FieldValue>, D::Error> {
    let depth = DEPTH.get();
    if depth >= FieldValue::MAX_DEPTH {
        return Err(D::Error::custom("lists nest too deep"));
    }
    DEPTH.set(depth + 1);
    let list = Vec::deserialize(from);
    DEPTH.set(depth);
    list
}

impl FieldValue {
    /// How deep lists may nest.
    pub const MAX_DEPTH: usize = 16;

    /// Brings the value into the one form in which it is compared and hashed.
    fn normalise(&mut self, name: &str, depth: usize) -> Result<()> {
        match self {
            Self::Float(value) if value.is_nan() => Err(Error::NotANumber(name.to_owned())),
            // IEEE addition turns -0 into 0 and leaves every other number alone.
            Self::Float(value) => {
                *value += 0.0;
                Ok(())
            }
            Self::List(_) if depth == Self::MAX_DEPTH => Err(Error::TooDeep(name.to_owned())),
            Self::List(values) => values.iter_mut().try_for_each(|value| value.normalise(name, depth + 1)),
            _ => Ok(()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                out.push(b'T');
                write_bytes(out, text.as_bytes());
            }
            Self::Int(value) => {
                out.push(b'I');
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Uint(value) => {
                out.push(b'U');
                out.extend_from_slice(&value.to_le_bytes());
            }
            Self::Float(value) => {
                out.push(b'F');
                out.extend_from_slice(&value.to_bits().to_le_bytes());
            }
            Self::Bool(value) => out.extend_from_slice(&[b'B', u8::from(*value)]),
            Self::Digest(digest) => {
                out.push(b'D');
                out.extend_from_slice(&digest.0);
            }
            Self::List(values) => {
                out.push(b'L');
                out.extend_from_slice(&(values.len() as u64).to_le_bytes());
                for value in values {
                    value.write(out);
                }
            }
        }
    }

    fn read(reading: &mut Reading<'_>, depth: usize) -> Result<Self> {
        Ok(match reading.u8()? {
            b'T' => Self::Text(reading.text()?.to_owned()),
            b'I' => Self::Int(i64::from_le_bytes(reading.array()?)),
            b'U' => Self::Uint(reading.u64()?),
            b'F' => {
                let value = f64::from_bits(reading.u64()?);
                if value.is_nan() || value.to_bits() == (-0.0_f64).to_bits() {
                    return Err(Error::Damaged("a field's number is not in canonical form"));
                }
                Self::Float(value)
            }
            b'B' => match reading.u8()? {
                0 => Self::Bool(false),
                1 => Self::Bool(true),
                _ => return Err(Error::Damaged("a field's truth value is neither 0 nor 1")),
            },
            b'D' => Self::Digest(Digest(reading.array()?)),
            b'L' if depth < Self::MAX_DEPTH => {
                let count = reading.length()?;
                Self::List((0..count).map(|_| Self::read(reading, depth + 1)).collect::<Result<_>>()?)
            }
            _ => return Err(Error::Damaged("a field has an unknown type")),
        })
    }
}

impl fmt::Display for FieldValue {
    /// For people: texts in quotes, digests in hexadecimal, lists in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Uint(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Digest(digest) => write!(f, "{digest}"),
            Self::List(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $result:expr),* $(,)?) => {
        $(impl From<$type> for FieldValue {
            fn from($value: $type) -> Self {
                $result
            }
        })*
    };
}

from! {
    &str => |text| Self::Text(text.to_owned()),
    String => |text| Self::Text(text),
    i32 => |value| Self::Int(value.into()),
    i64 => |value| Self::Int(value),
    u8 => |value| Self::Uint(value.into()),
    u16 => |value| Self::Uint(value.into()),
    u32 => |value| Self::Uint(value.into()),
    u64 => |value| Self::Uint(value),
    usize => |value| Self::Uint(value as u64),
    f32 => |value| Self::Float(value.into()),
    f64 => |value| Self::Float(value),
    bool => |value| Self::Bool(value),
    Digest => |digest| Self::Digest(digest),
}

impl<T: Into<FieldValue>> From<Vec<T>> for FieldValue {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// Named values, each name once; the order in which they were added does not matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(String, FieldValue)>", into = "Vec<(String, FieldValue)>")]
pub struct Fields {
    /// Sorted by name, without duplicates, values normalised.
    sorted: Vec<(String, FieldValue)>,
}

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field and hands the fields back, for chains. Errors as in [`Fields::insert`].
    pub fn with(mut self, name: &str, value: impl Into<FieldValue>) -> Result<Self> {
        self.insert(name, value)?;
        Ok(self)
    }

    /// Adds all fields of another and hands the fields back. Errors as in [`Fields::insert`].
    pub fn with_all(mut self, other: &Self) -> Result<Self> {
        for (name, value) in other.iter() {
            self.insert(name, value.clone())?;
        }
        Ok(self)
    }

    /// Adds a field. An error if the name is taken, if a number is NaN or if lists nest too deep.
    pub fn insert(&mut self, name: &str, value: impl Into<FieldValue>) -> Result<()> {
        let mut value = value.into();
        value.normalise(name, 0)?;
        match self.position(name) {
            Ok(_) => Err(Error::DuplicateField(name.to_owned())),
            Err(position) => {
                self.sorted.insert(position, (name.to_owned(), value));
                Ok(())
            }
        }
    }

    fn position(&self, name: &str) -> std::result::Result<usize, usize> {
        self.sorted.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }

    /// The value of the field `name`.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.position(name).ok().map(|index| &self.sorted[index].1)
    }

    /// All fields, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FieldValue)> {
        self.sorted.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The bytes that keys are hashed from: equal exactly for equal fields.
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 * self.sorted.len() + 8);
        out.extend_from_slice(&(self.sorted.len() as u64).to_le_bytes());
        for (name, value) in &self.sorted {
            write_bytes(&mut out, name.as_bytes());
            value.write(&mut out);
        }
        out
    }

    /// Reads what [`Fields::canonical`] wrote, and nothing else.
    pub(crate) fn from_canonical(bytes: &[u8]) -> Result<Self> {
        let mut reading = Reading(bytes);
        let count = reading.length()?;
        let mut sorted: Vec<(String, FieldValue)> = Vec::new();
        for _ in 0..count {
            let name = reading.text()?;
            if sorted.last().is_some_and(|(last, _)| last.as_str() >= name) {
                return Err(Error::Damaged("the fields are not in order"));
            }
            sorted.push((name.to_owned(), FieldValue::read(&mut reading, 0)?));
        }
        if reading.0.is_empty() {
            Ok(Self { sorted })
        } else {
            Err(Error::Damaged("bytes follow the fields"))
        }
    }

    /// What differs from `self` (old) to `new`, sorted by name.
    pub fn diff(&self, new: &Self) -> Vec<FieldChange> {
        let change = |name: &str, old: Option<&FieldValue>, new: Option<&FieldValue>| FieldChange {
            name: name.to_owned(),
            old: old.cloned(),
            new: new.cloned(),
        };
        let mut changes: Vec<_> = self
            .iter()
            .filter(|(name, value)| new.get(name) != Some(value))
            .map(|(name, value)| change(name, Some(value), new.get(name)))
            .collect();
        let added = new.iter().filter(|(name, _)| self.get(name).is_none());
        changes.extend(added.map(|(name, value)| change(name, None, Some(value))));
        changes.sort_by(|a, b| a.name.cmp(&b.name));
        changes
    }
}

impl TryFrom<Vec<(String, FieldValue)>> for Fields {
    type Error = Error;

    fn try_from(pairs: Vec<(String, FieldValue)>) -> Result<Self> {
        pairs.into_iter().try_fold(Self::new(), |fields, (name, value)| fields.with(&name, value))
    }
}

impl From<Fields> for Vec<(String, FieldValue)> {
    fn from(fields: Fields) -> Self {
        fields.sorted
    }
}

/// One field that differs between two sets of fields.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The field's name.
    pub name: String,
    /// Its value before; `None` if the field is new.
    pub old: Option<FieldValue>,
    /// Its value after; `None` if the field is gone.
    pub new: Option<FieldValue>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sample() -> Fields {
        Fields::new()
            .with("text", "naïve")
            .and_then(|f| f.with("int", -3))
            .and_then(|f| f.with("uint", 3_u32))
            .and_then(|f| f.with("float", 0.025))
            .and_then(|f| f.with("bool", true))
            .and_then(|f| f.with("digest", Digest::of("test", b"")))
            .and_then(|f| f.with("list", vec![FieldValue::from(1_u32), "two".into(), vec![0.5].into()]))
            .unwrap()
    }

    #[test]
    fn canonical_bytes_round_trip_and_are_strict() {
        let fields = sample();
        let bytes = fields.canonical();
        assert_eq!(Fields::from_canonical(&bytes).unwrap(), fields);
        for length in 0..bytes.len() {
            assert!(Fields::from_canonical(&bytes[..length]).is_err(), "cut to {length}");
        }
        assert!(Fields::from_canonical(&[bytes.as_slice(), b"x"].concat()).is_err());
        // A changed byte is refused or gives other fields: nothing decodes to the same fields from other
        // bytes.
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[index] ^= 1 << bit;
                if let Ok(other) = Fields::from_canonical(&changed) {
                    assert_eq!(other.canonical(), changed, "byte {index}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn duplicates_nan_and_deep_lists_are_refused() {
        assert!(matches!(sample().with("int", 4), Err(Error::DuplicateField(name)) if name == "int"));
        assert!(matches!(Fields::new().with("x", f64::NAN), Err(Error::NotANumber(_))));
        assert!(matches!(Fields::new().with("x", vec![vec![f64::NAN]]), Err(Error::NotANumber(_))));
        let mut deep = FieldValue::from(1_u32);
        for _ in 0..FieldValue::MAX_DEPTH {
            deep = FieldValue::List(vec![deep]);
        }
        let fields = Fields::new().with("x", deep.clone()).unwrap();
        assert_eq!(Fields::from_canonical(&fields.canonical()).unwrap(), fields);
        assert!(matches!(Fields::new().with("x", FieldValue::List(vec![deep])), Err(Error::TooDeep(_))));
    }

    #[test]
    fn minus_zero_is_zero() {
        let fields = |value: f64| Fields::new().with("x", vec![value]).unwrap();
        assert_eq!(fields(-0.0).canonical(), fields(0.0).canonical());
        assert_ne!(fields(f64::MIN_POSITIVE).canonical(), fields(0.0).canonical());
    }

    #[test]
    fn diff_names_the_change_and_both_values() {
        let old = Fields::new()
            .with("a", 1_u32)
            .and_then(|f| f.with("b", "x"))
            .and_then(|f| f.with("c", 0.5))
            .unwrap();
        let new = Fields::new()
            .with("b", "y")
            .and_then(|f| f.with("c", 0.5))
            .and_then(|f| f.with("aa", true))
            .unwrap();
        let change = |name: &str, old: Option<FieldValue>, new: Option<FieldValue>| FieldChange {
            name: name.to_owned(),
            old,
            new,
        };
        assert_eq!(
            old.diff(&new),
            [
                change("a", Some(1_u32.into()), None),
                change("aa", None, Some(true.into())),
                change("b", Some("x".into()), Some("y".into())),
            ]
        );
        assert!(old.diff(&old).is_empty());
        assert_eq!(FieldValue::from(vec!["x", "y"]).to_string(), r#"["x", "y"]"#);
    }

    #[test]
    fn lists_without_end_are_refused_and_not_followed() {
        let deep = |depth: usize| {
            // Variant 6 with one element, again and again.
            let mut bytes = [6, 1].repeat(depth);
            bytes.extend([4, 1]);
            crate::codec::decode::<FieldValue>(&bytes)
        };
        assert!(deep(FieldValue::MAX_DEPTH).is_ok());
        for depth in [FieldValue::MAX_DEPTH + 1, 1 << 20] {
            assert!(deep(depth).is_err(), "{depth}");
        }
        assert!(deep(1).is_ok(), "nothing is left of the attempt");
    }
}
