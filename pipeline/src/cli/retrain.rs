//! The command that asks for a remembered training: what `explain` gives beside its key.

use cache::{FieldValue, Fields, Key};
use stages::architecture::CellSpace;
use stages::config::RECIPES;
use stages::hyperparameter::HYPERPARAMETERS;
use stages::recipe::{FinalRecipe, Recipe, Scoring};
use stages::train::{DataId, TrainingJob};
use stages::{Architecture, Budget};

use super::selection::{Loaded, Settings};
use crate::nas::template;

/// The job of a network's training on images that are known. None for a key of something else, of other images, or of
/// another version of this program.
pub(super) fn job(key: &Key, data: &DataId) -> Option<TrainingJob> {
    let job = described(key, data)?;
    (job.key().ok()?.digest() == key.digest()).then_some(job)
}

/// The job that all fields of a key describe but those of its images and its version.
fn described(key: &Key, data: &DataId) -> Option<TrainingJob> {
    let fields = key.fields();
    let Some(FieldValue::Uint(seed)) = fields.get("seed") else { return None };
    let (architecture, budget) = asked(key)?;
    let recipe = FinalRecipe::read(&recipe(fields)?).ok()?.recipe;
    let scoring = match (fields.get("scoring")?, fields.get("holdout_fraction"), fields.get("split_seed")) {
        (FieldValue::Text(name), None, None) if name == "published" => Scoring::Published,
        (FieldValue::Text(name), Some(FieldValue::Float(fraction)), Some(FieldValue::Uint(seed)))
            if name == "holdout" =>
        {
            Scoring::Holdout { fraction: *fraction, seed: *seed }
        }
        _ => return None,
    };
    Some(TrainingJob { architecture, budget, seed: *seed, data: data.clone(), scoring, recipe })
}

/// `pipeline train …`, which meets the training in its key: under the settings that were loaded, with what differs from
/// them. None for a training of another version, which this program cannot train.
pub(super) fn command(key: &Key, loaded: &Loaded, settings: &Settings) -> Option<String> {
    let fields = key.fields();
    let described = described(key, &DataId::of(&loaded.data))?;
    let of_images = ["data", "augmentation", "augmentation_version"];
    if described.key().ok()?.fields().diff(fields).iter().any(|change| !of_images.contains(&&*change.name)) {
        return None;
    }
    let TrainingJob { architecture, budget, .. } = described;
    let flags: &[&str] = match &architecture {
        Architecture::Darts(_) => &["--genotype"],
        // Written with the operations' own names.
        Architecture::Cells(_) => &["--space", "any", "--architecture"],
        Architecture::Network(_) => &["--architecture"],
    };
    let mut words = ["pipeline", "train"].map(str::to_owned).to_vec();
    words.extend(settings.words());
    words.extend(flags.iter().map(|&flag| flag.to_owned()).chain([architecture.to_string()]));
    let mut job = template(&loaded.train, &loaded.data).job(architecture, &budget);
    // Settings say neither skeleton nor rate rule: recipes do.
    if ["skeleton", "rate"].iter().any(|name| fields.get(name).is_some()) {
        let recipe = recipe(fields)?;
        job.recipe = FinalRecipe::read(&recipe).ok()?.recipe;
        words.extend(["--recipe".to_owned(), recipe]);
    } else {
        words.extend(["--budget".to_owned(), budget.to_string()]);
    }
    let is_streamed = fields.get("augmentation").is_some();
    for change in job.key().ok()?.fields().diff(fields) {
        match (change.name.as_str(), change.new) {
            ("data", _) => {
                let place = if is_streamed { "stream:DIR" } else { "SET|DIR" };
                words.extend(["--data".to_owned(), place.to_owned()]);
            }
            // Settings may not say that of a final training, which no choice has seen.
            ("seed", Some(value)) => words.extend(["--seed".to_owned(), value.to_string()]),
            // Augmentation goes with the set.
            ("augmentation" | "augmentation_version", _) | (_, None) => {}
            // The budget says it. It differs where the settings cut nothing out, for they do not augment.
            (name, _) if HYPERPARAMETERS.iter().any(|row| row.name == name) => {}
            (name, Some(value)) => {
                words.extend(["--set".to_owned(), format!("train.{name}={}", plain(&value))]);
            }
        }
    }
    Some(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
}

/// Architecture and budget that a network's training was asked for with; none where the key is of something else.
fn asked(key: &Key) -> Option<(Architecture, Budget)> {
    let fields = key.fields();
    let architecture = match (fields.get("genotype"), fields.get("architecture")) {
        (Some(FieldValue::Text(genotype)), _) => Architecture::Darts(genotype.parse().ok()?),
        (_, Some(FieldValue::Text(text))) => {
            let cells = text.starts_with("Genotype").then(|| CellSpace::named("any"));
            Architecture::read(text, None, cells.transpose().ok()?.as_ref()).ok()?
        }
        _ => return None,
    };
    let value = |name| fields.get(name).map(|value| format!("{name}={value}"));
    let budget = HYPERPARAMETERS.iter().map(|row| value(row.name)).collect::<Option<Vec<_>>>()?.join(",");
    Some((architecture, budget.parse().ok()?))
}

/// The text of a recipe with all values of a key.
fn recipe(fields: &Fields) -> Option<String> {
    let constants = Recipe::default().fields().ok()?;
    let names = HYPERPARAMETERS.iter().map(|row| row.name).chain(constants.iter().map(|(name, _)| name));
    let value = |name: &str| fields.get(name).map(|value| format!(",{name}={}", plain(value)));
    let values: String =
        names.chain(["skeleton", "rate", "rate_factor", "accumulate"]).filter_map(value).collect();
    Some(RECIPES[0].0.to_owned() + &values)
}

/// A value as settings write it.
fn plain(value: &FieldValue) -> String {
    if let FieldValue::Text(text) = value { text.clone() } else { value.to_string() }
}

/// A word as a shell takes it for one.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=.,/:@+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    // Genotypes are full of single quotes, and double ones leave those alone.
    if word.chars().all(|letter| !"\"$`\\!".contains(letter)) {
        return format!("\"{word}\"");
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_they_must_be() {
        assert_eq!(quoted("train.seed=1"), "train.seed=1");
        assert_eq!(quoted("[('skip_connect', 0)]"), "\"[('skip_connect', 0)]\"");
        assert_eq!(quoted("cost's $HOME"), r"'cost'\''s $HOME'");
        assert_eq!(quoted(""), "\"\"");
    }
}
