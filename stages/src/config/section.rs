//! One section of a configuration, read key by key into checked values.

use std::path::PathBuf;

use toml::Value as Toml;

use super::document::{Document, wrong};
use crate::echo::shown;
use crate::path::user_path;
use crate::{Budget, Error, suggest};

/// A section whose keys the profiles hold.
pub(super) struct Section<'a> {
    pub(super) document: &'a Document,
    pub(super) name: &'static str,
}

impl<'a> Section<'a> {
    pub(super) fn wrong(&self, key: &str, problem: impl Into<String>) -> Error {
        match self.document.get(self.name, key) {
            Ok((_, place)) => wrong(place, problem),
            Err(error) => error,
        }
    }

    fn value<T>(&self, key: &str, read: impl Fn(&'a Toml) -> Option<T>, expected: &str) -> Result<T, Error> {
        let (value, place) = self.document.get(self.name, key)?;
        read(value).ok_or_else(|| wrong(place, format!("is {}, must be {expected}", shown(value))))
    }

    pub(super) fn count(&self, key: &str, least: usize, most: usize) -> Result<usize, Error> {
        let read = |value: &Toml| value.as_integer().and_then(|n| usize::try_from(n).ok());
        let within = |value: &Toml| read(value).filter(|n| (least..=most).contains(n));
        self.value(key, within, &format!("a whole number from {least} to {most}"))
    }

    pub(super) fn seed(&self, key: &str) -> Result<u64, Error> {
        self.value(
            key,
            |value| value.as_integer().and_then(|n| u64::try_from(n).ok()),
            "a whole number, not below 0",
        )
    }

    pub(super) fn real(&self, key: &str, valid: impl Fn(f64) -> bool, range: &str) -> Result<f64, Error> {
        let read = |value: &Toml| value.as_float().filter(|number| number.is_finite() && valid(*number));
        self.value(key, read, &format!("a number {range}"))
    }

    /// A number that trainings compute with, in 32 bits: what vanishes in them, or becomes something else, is not what was
    /// asked for.
    pub(super) fn single(&self, key: &str, valid: impl Fn(f64) -> bool, range: &str) -> Result<f64, Error> {
        let read = |value: &Toml| value.as_float().filter(|&number| is_single(number, &valid));
        self.value(key, read, &format!("a number {range}, also in 32 bits"))
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, Error> {
        self.value(key, Toml::as_bool, "true or false")
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str, Error> {
        self.value(key, Toml::as_str, "a text")
    }

    /// A path as people write it; none where the text is empty.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, Error> {
        let text = self.text(key)?;
        let path = (!text.is_empty()).then(|| user_path(text)).transpose();
        path.map_err(|problem| self.wrong(key, problem))
    }

    /// A budget in any text form.
    pub(super) fn budget(&self, key: &str) -> Result<Budget, Error> {
        self.text(key)?.parse().map_err(|error: Error| self.wrong(key, error.to_string()))
    }

    /// A whole number for each stage.
    pub(super) fn counts<const N: usize>(
        &self,
        key: &str,
        least: usize,
        most: usize,
    ) -> Result<[u32; N], Error> {
        let one = |value: &Toml| {
            let count = value.as_integer().and_then(|n| usize::try_from(n).ok())?;
            (least..=most).contains(&count).then_some(count as u32)
        };
        let read = |value: &'a Toml| {
            value.as_array()?.iter().map(one).collect::<Option<Vec<u32>>>()?.try_into().ok()
        };
        self.value(key, read, &format!("a list of {N} whole numbers from {least} to {most}"))
    }

    /// A list of whole numbers, of any length.
    pub(super) fn whole_numbers(&self, key: &str, least: u32, most: u32) -> Result<Vec<u32>, Error> {
        let one = |value: &Toml| {
            value.as_integer().and_then(|n| u32::try_from(n).ok()).filter(|n| (least..=most).contains(n))
        };
        let read = |value: &'a Toml| value.as_array()?.iter().map(one).collect();
        self.value(key, read, &format!("a list of whole numbers from {least} to {most}"))
    }

    /// A share for each stage.
    pub(super) fn shares<const N: usize>(&self, key: &str) -> Result<[f64; N], Error> {
        let one = |value: &Toml| {
            value.as_float().filter(|&share| is_single(share, |share| (0.0..1.0).contains(&share)))
        };
        let read = |value: &'a Toml| {
            value.as_array()?.iter().map(one).collect::<Option<Vec<f64>>>()?.try_into().ok()
        };
        self.value(key, read, &format!("a list of {N} numbers from 0 up to but not 1"))
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<&'a str>, Error> {
        let read = |value: &'a Toml| value.as_array()?.iter().map(Toml::as_str).collect();
        self.value(key, read, "a list of texts")
    }

    pub(super) fn choice(&self, key: &str, known: &[&str]) -> Result<&'a str, Error> {
        let text = self.text(key)?;
        if known.contains(&text) {
            return Ok(text);
        }
        Err(self
            .wrong(key, format!("unknown `{}`; {}", shown(text), suggest::hint(text, known.iter().copied()))))
    }
}

/// Whether a number is what it should be, and is that in 32 bits too.
fn is_single(number: f64, valid: impl Fn(f64) -> bool) -> bool {
    let rounded = f64::from(number as f32);
    number.is_finite()
        && rounded.is_finite()
        && valid(number)
        && valid(rounded)
        && (rounded == 0.0) == (number == 0.0)
}
