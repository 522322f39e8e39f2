//! A configuration before it is typed: a profile's table, overridden key by key, and where each value came from.
//!
//! The profile is the schema: a key that it does not have is unknown, and a value must have the type of the profile's. A section
//! may lie in another: `[search.evolution]`.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::setting::{DEFAULT, PROFILE, Setting};
use super::{PROFILES, STRATEGIES};
use crate::echo::shown;
use crate::{Error, suggest};

/// The merged table, section by section, and the place of each `section.key`.
pub(super) struct Document {
    sections: BTreeMap<String, Table>,
    places: BTreeMap<String, String>,
    /// Section and key of all that there is, in the order of the schema's texts.
    order: Vec<(String, String)>,
    /// The places of what was not overridden.
    schema: Vec<String>,
}

/// A key of a TOML text with its section and its value, and where they stand.
struct Entry {
    section: (String, Range<usize>),
    /// None where the text has a value in the place of a section.
    key: Option<(String, Range<usize>, Value)>,
}

/// An error at a place.
pub(super) fn wrong(place: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::Config { place: place.into(), problem: problem.into() }
}

impl Document {
    /// The embedded profile `name`.
    pub(super) fn profile(name: &str) -> Result<Self, Error> {
        let Some((name, text)) = PROFILES.iter().find(|(known, _)| *known == name) else {
            let hint = suggest::hint(name, PROFILES.iter().map(|(known, _)| *known));
            return Err(wrong("--profile", format!("unknown profile `{}`; {hint}", shown(name))));
        };
        Self::schema(&[(&format!("{PROFILE}{name}"), text), (DEFAULT, STRATEGIES)])
    }

    /// A document of embedded texts, each with its place, whose keys are all that there are.
    pub(super) fn schema(texts: &[(&str, &str)]) -> Result<Self, Error> {
        let mut document = Self {
            sections: BTreeMap::new(),
            places: BTreeMap::new(),
            order: Vec::new(),
            schema: texts.iter().map(|(place, _)| (*place).to_owned()).collect(),
        };
        for (place, text) in texts {
            let mut entries = parse(place, text)?;
            entries.sort_by_key(|entry| entry.key.as_ref().map_or(0, |(_, span, _)| span.start));
            for Entry { section: (section, _), key } in entries {
                let keys = document.sections.entry(section.clone()).or_default();
                if let Some((key, _, value)) = key {
                    document.places.insert(path(&section, &key), (*place).to_owned());
                    document.order.push((section, key.clone()));
                    keys.insert(key, value);
                }
            }
        }
        Ok(document)
    }

    /// Every key with its value and where that comes from, in the order of the schema.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let setting = |(section, key): &(String, String)| {
            let value = self.sections.get(section)?.get(key)?.clone();
            let origin = self.places.get(&path(section, key))?.clone();
            Some(Setting { section: section.clone(), key: key.clone(), value, origin })
        };
        self.order.iter().filter_map(setting).collect()
    }

    /// Overrides the keys that the TOML `text` of the file `name` holds.
    pub(super) fn apply_file(&mut self, name: &str, text: &str) -> Result<(), Error> {
        self.apply(name, text, None)
    }

    /// The same, but for a value in the place of a section that somebody else reads ([`Document::text_of`]).
    pub(super) fn apply(&mut self, name: &str, text: &str, elsewhere: Option<&str>) -> Result<(), Error> {
        let place_of = |span: &Range<usize>| format!("{name}, line {}", line(text, span.start));
        for Entry { section: (section, span), key } in parse(name, text)? {
            if key.is_none() && elsewhere == Some(&section) {
                continue;
            }
            self.check_section(&section, &place_of(&span))?;
            match key {
                Some((key, span, value)) => self.set(&section, &key, value, place_of(&span))?,
                None => {
                    return Err(wrong(
                        place_of(&span),
                        format!("`{section}` is a section; write [{section}]"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Overrides one key, `section.key`, by a TOML value. Texts need no quotes: for a key that is a text, whatever is no
    /// quoted text is one, also where it could be a number, a date or a truth value; for others what is no TOML.
    pub(super) fn apply_set(&mut self, path: &str, text: &str) -> Result<(), Error> {
        self.apply_value(path, text, format!("--set {}={}", shown(path), shown(text)))
    }

    /// The same with another place for messages.
    pub(super) fn apply_value(&mut self, path: &str, text: &str, place: String) -> Result<(), Error> {
        let Some((section, key)) = path.rsplit_once('.') else {
            let problem = format!(
                "`{}` is not of the form section.key; sections: {}",
                shown(path),
                self.sections().join(", ")
            );
            return Err(wrong(place, problem));
        };
        let parsed = format!("value = {text}").parse::<Table>().ok().filter(|table| table.len() == 1);
        let is_text = self.sections.get(section).and_then(|keys| keys.get(key)).is_some_and(Value::is_str);
        let value = parsed.and_then(|mut table| table.remove("value"));
        let value = value.filter(|value| !is_text || value.is_str());
        self.check_section(section, &place)?;
        self.set(section, key, value.unwrap_or_else(|| Value::String(text.to_owned())), place)
    }

    /// A text that stands outside of all sections, and its place; none where there is no such key.
    ///
    /// # Errors
    /// When it is no text, or the whole no TOML.
    pub(super) fn text_of(name: &str, text: &str, key: &str) -> Result<Option<(String, String)>, Error> {
        let outside = |entry: &Entry| entry.key.is_none() && entry.section.0 == key;
        let Some(entry) = parse(name, text)?.into_iter().find(outside) else { return Ok(None) };
        let place = format!("{name}, line {}", line(text, entry.section.1.start));
        let table = text.parse::<Table>().ok();
        match table.as_ref().and_then(|table| table.get(key)).and_then(Value::as_str) {
            Some(value) => Ok(Some((value.to_owned(), place))),
            None => Err(wrong(place, format!("{key} must be a text; write it in quotes"))),
        }
    }

    /// Whether there is such a key.
    pub(super) fn has(&self, section: &str, key: &str) -> bool {
        self.sections.get(section).is_some_and(|keys| keys.contains_key(key))
    }

    /// The keys of a section.
    pub(super) fn keys(&self, section: &str) -> Vec<&str> {
        self.sections.get(section).into_iter().flat_map(Table::keys).map(String::as_str).collect()
    }

    /// Whether the value of a key came from elsewhere than from the schema.
    pub(super) fn is_overridden(&self, section: &str, key: &str) -> bool {
        self.places.get(&path(section, key)).is_some_and(|place| !self.schema.contains(place))
    }

    fn sections(&self) -> Vec<&str> {
        self.sections.keys().map(String::as_str).collect()
    }

    fn check_section(&self, section: &str, place: &str) -> Result<(), Error> {
        if self.sections.contains_key(section) {
            return Ok(());
        }
        let hint = suggest::hint(section, self.sections());
        Err(wrong(place, format!("unknown section [{}]; {hint}", shown(section))))
    }

    fn set(&mut self, section: &str, key: &str, value: Value, place: String) -> Result<(), Error> {
        let Some(keys) = self.sections.get_mut(section) else { return Ok(()) };
        let Some(current) = keys.get_mut(key) else {
            let hint = suggest::hint(key, keys.keys().map(String::as_str));
            return Err(wrong(place, format!("unknown key `{}` in [{section}]; {hint}", shown(key))));
        };
        *current = match (&*current, value) {
            (Value::Float(_), Value::Integer(whole)) => Value::Float(whole as f64),
            (old, new) if old.same_type(&new) => new,
            (old, new) => {
                let path = path(section, key);
                let advice = if old.is_str() { "; write it in quotes" } else { "" };
                return Err(wrong(
                    place,
                    format!("{path} must be {}, found {}{advice}", described(old), described(&new)),
                ));
            }
        };
        self.places.insert(path(section, key), place);
        Ok(())
    }

    /// The value of `section.key` and the place to name when it is wrong.
    ///
    /// # Errors
    /// Only when a profile lacks the key, which a test excludes.
    pub(super) fn get(&self, section: &str, key: &str) -> Result<(&Value, String), Error> {
        let path = path(section, key);
        let value = self.sections.get(section).and_then(|keys| keys.get(key));
        let value = value.ok_or_else(|| wrong("profile", format!("no {path}")))?;
        let place = self.places.get(&path).map_or(path.clone(), |place| format!("{place}, {path}"));
        Ok((value, place))
    }

    /// Every `section.key`, sorted.
    #[cfg(test)]
    pub(super) fn paths(&self) -> Vec<&str> {
        self.places.keys().map(String::as_str).collect()
    }
}

fn path(section: &str, key: &str) -> String {
    format!("{section}.{key}")
}

/// The keys of a text, in its order, with empty sections as such.
fn parse(name: &str, text: &str) -> Result<Vec<Entry>, Error> {
    let syntax = |error: toml::de::Error| {
        let place = match error.span() {
            Some(span) => format!("{name}, line {}", line(text, span.start)),
            None => name.to_owned(),
        };
        let advice = error
            .span()
            .and_then(|span| unquoted(text, span.start))
            .map_or_else(String::new, |(key, value)| format!("; a text needs quotes: {key} = \"{value}\""));
        wrong(place, format!("not valid TOML: {}{advice}", error.message()))
    };
    let spanned = DeTable::parse(text).map_err(syntax)?;
    let table = text.parse::<Table>().map_err(syntax)?;
    let mut entries = Vec::new();
    for (name, value) in spanned.get_ref() {
        let section = (name.get_ref().to_string(), name.span());
        match (value.get_ref(), table.get(name.get_ref().as_ref()).and_then(Value::as_table)) {
            (DeValue::Table(spanned), Some(table)) => flatten(&section, spanned, table, &mut entries),
            _ => entries.push(Entry { section, key: None }),
        }
    }
    Ok(entries)
}

/// Adds the keys of a section, and those of the sections in it.
fn flatten(section: &(String, Range<usize>), spanned: &DeTable<'_>, table: &Table, entries: &mut Vec<Entry>) {
    for (key, value) in spanned {
        let Some(plain) = table.get(key.get_ref().as_ref()) else { continue };
        match (value.get_ref(), plain) {
            (DeValue::Table(spanned), Value::Table(table)) => {
                flatten(&(path(&section.0, key.get_ref()), key.span()), spanned, table, entries);
            }
            _ => entries.push(Entry {
                section: section.clone(),
                key: Some((key.get_ref().to_string(), key.span(), plain.clone())),
            }),
        }
    }
}

/// Line number, from 1, of a byte offset.
fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// Key and value of the line of a byte, where the value is a text without quotes.
fn unquoted(text: &str, byte: usize) -> Option<(&str, &str)> {
    let begin = text.get(..byte)?.rfind('\n').map_or(0, |end| end + 1);
    let (key, value) = text[begin..].lines().next()?.split_once('=')?;
    let value = value.split('#').next()?.trim();
    let is_word = value.starts_with(|first: char| first.is_alphabetic() || matches!(first, '/' | '.' | '~'));
    (is_word && !value.contains(['"', '\''])).then(|| (key.trim(), value))
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
