//! The command that asks for a remembered training: what `explain` gives beside its key.

use cache::{FieldValue, Key};
use stages::hyperparameter::HYPERPARAMETERS;

use super::selection::{Loaded, Settings};
use crate::nas::template;

/// `pipeline train …`, which meets the training in its key: under the settings that were loaded, with what differs from
/// them. None for a training of another version, which this program cannot train.
pub(super) fn command(key: &Key, loaded: &Loaded, settings: &Settings) -> Option<String> {
    let fields = key.fields();
    let (genotype, budget) = asked(key)?;
    let job = template(&loaded.train, &loaded.data).job(&genotype.parse().ok()?, &budget.parse().ok()?);
    let mut words = vec!["pipeline".to_owned(), "train".to_owned()];
    words.extend(settings.words());
    words.extend(["--genotype".to_owned(), genotype.clone(), "--budget".to_owned(), budget]);
    let is_streamed = fields.get("augmentation").is_some();
    for change in job.key().ok()?.fields().diff(fields) {
        match (change.name.as_str(), change.new) {
            ("version", _) => return None,
            ("data", _) => {
                let place = if is_streamed { "stream:DIR" } else { "SET|DIR" };
                words.extend(["--data".to_owned(), place.to_owned()]);
            }
            // Settings may not say that of a final training, which no choice has seen.
            ("seed", Some(value)) => words.extend(["--seed".to_owned(), value.to_string()]),
            // Augmentation goes with the set.
            ("augmentation" | "augmentation_version", _) | (_, None) => {}
            (name, Some(value)) => {
                let value = if let FieldValue::Text(text) = value { text } else { value.to_string() };
                words.extend(["--set".to_owned(), format!("train.{name}={value}")]);
            }
        }
    }
    Some(words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
}

/// Genotype and budget that a network's training was asked for with; none where the key is of something else.
pub(super) fn asked(key: &Key) -> Option<(&String, String)> {
    let fields = key.fields();
    let Some(FieldValue::Text(genotype)) = fields.get("genotype") else { return None };
    let value = |name| fields.get(name).map(|value| format!("{name}={value}"));
    let budget = HYPERPARAMETERS.iter().map(|row| value(row.name)).collect::<Option<Vec<_>>>()?.join(",");
    Some((genotype, budget))
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
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
