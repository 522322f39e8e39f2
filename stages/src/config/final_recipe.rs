//! Reads recipes of final networks: built-in ones, files, and values that differ.

use super::document::{Document, wrong};
use super::section::Section;
use super::{budget, train_recipe};
use crate::echo::shown;
use crate::path::user_path;
use crate::recipe::FinalRecipe;
use crate::{Error, suggest};

/// The embedded recipes: name and TOML text. Each holds every key.
pub static RECIPES: [(&str, &str); 2] = [
    ("cifar10-full", include_str!("../../recipes/cifar10-full.toml")),
    ("imagenet-mobile", include_str!("../../recipes/imagenet-mobile.toml")),
];

/// The sections of a recipe.
const SECTIONS: [&str; 2] = ["budget", "train"];
/// The key of a file that names the recipe which it starts from.
const BASE: &str = "base";
/// What replaces the number of channels.
const BOUND: (&str, &str) = ("mult_adds_max", "channels");

impl FinalRecipe {
    /// The recipe that a text means: the name of an embedded one or the path of a file, and after commas the values that
    /// differ: `cifar10-full,epochs=2,channels=8`.
    ///
    /// # Errors
    /// [`Error::Config`] naming file and line, or the value, with what is accepted.
    pub fn read(text: &str) -> Result<Self, Error> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let mut document = if is_known(name) { embedded(name)? } else { from_file(name)? };
        let mut seen: Vec<&str> = Vec::new();
        for part in parts {
            let place = format!("recipe `{}`", shown(text));
            let Some((key, value)) = part.split_once('=') else {
                let problem = format!("`{}` is not of the form key=value", shown(part));
                return Err(wrong(place, problem));
            };
            let key = key.trim();
            if seen.contains(&key) {
                return Err(wrong(place, format!("{} is given twice", shown(key))));
            }
            seen.push(key);
            let section = SECTIONS.into_iter().find(|section| document.has(section, key));
            let Some(section) = section else {
                let known = SECTIONS.into_iter().flat_map(|section| document.keys(section));
                return Err(wrong(
                    place,
                    format!("unknown key `{}`; {}", shown(key), suggest::hint(key, known)),
                ));
            };
            document.apply_value(&format!("{section}.{key}"), value.trim(), place)?;
        }
        typed(&document)
    }
}

fn is_known(name: &str) -> bool {
    RECIPES.iter().any(|(known, _)| *known == name)
}

fn embedded(name: &str) -> Result<Document, Error> {
    let text = RECIPES.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| *text);
    Document::schema(&[(&format!("recipe {name}"), text)])
}

/// A file that starts from an embedded recipe.
fn from_file(name: &str) -> Result<Document, Error> {
    let unknown = || suggest::hint(name, RECIPES.iter().map(|(known, _)| *known));
    let path = user_path(name).map_err(|problem| wrong("recipe", problem))?;
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let problem =
            format!("`{}` is no embedded recipe ({}) and no file ({error})", shown(name), unknown());
        wrong("recipe", problem)
    })?;
    let base = Document::text_of(name, &text, BASE)?;
    let Some((base, place)) = base else {
        let problem =
            format!("does not say which recipe it starts from; add the line: {BASE} = \"{}\"", RECIPES[0].0);
        return Err(wrong(shown(name), problem));
    };
    if !is_known(&base) {
        let hint = suggest::hint(&base, RECIPES.iter().map(|(known, _)| *known));
        return Err(wrong(place, format!("unknown recipe `{}`; {hint}", shown(&base))));
    }
    let mut document = embedded(&base)?;
    document.apply(name, &text, Some(BASE))?;
    Ok(document)
}

fn typed(document: &Document) -> Result<FinalRecipe, Error> {
    let section = Section { document, name: "budget" };
    let bound = section.count(BOUND.0, 0, usize::MAX >> 1)? as u64;
    // Channels that were asked for replace a bound that was not.
    let [asked_bound, asked_channels] = [BOUND.0, BOUND.1].map(|key| document.is_overridden("budget", key));
    if asked_bound && asked_channels && bound > 0 {
        let problem =
            format!("and {} are given, of which the one replaces the other; give one of both", BOUND.1);
        return Err(section.wrong(BOUND.0, problem));
    }
    let mult_adds_max = (bound > 0 && !asked_channels).then_some(bound);
    let recipe = train_recipe::final_recipe(&Section { document, name: "train" })?;
    Ok(FinalRecipe { budget: budget(document, "budget")?, mult_adds_max, recipe })
}
