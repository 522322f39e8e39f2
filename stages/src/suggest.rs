//! Helps a person who mistyped a name: the known name that is nearest to it.

/// Text to append to "unknown X" messages: the nearest of `known` when one is near, then all of them.
pub(crate) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known
        .iter()
        .map(|candidate| (edit_distance(&name.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3));
    match nearest {
        Some((_, candidate)) => format!("did you mean `{candidate}`? Known: {}", known.join(", ")),
        None => format!("known: {}", known.join(", ")),
    }
}

/// Levenshtein distance in characters. Names are short; a longer text is cut, because it is near to nothing.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        assert!(hint("epoch", ["epochs", "layers"]).starts_with("did you mean `epochs`?"));
        assert!(hint("Learning-Rate", ["learning_rate"]).contains("did you mean"));
        assert_eq!(hint("zzzzzz", ["epochs", "layers"]), "known: epochs, layers");
    }
}
