//! A column as numbers that a forest can split: numbers as they are, categories one by one.

use std::collections::BTreeSet;

use super::table::Values;

/// A column in numbers.
#[derive(Debug, PartialEq)]
pub(crate) struct Encoded {
    /// One list for numbers. For texts a list each, 1 where a row holds it, so that a split tells one from the others and
    /// no order is made up; but one list for two texts, for the other would say the same.
    pub(crate) columns: Vec<Vec<f64>>,
    /// How many different values there are.
    pub(crate) values: usize,
}

impl Encoded {
    /// The values at some places, of which none is missing.
    pub(crate) fn of(values: &Values<'_>, places: &[usize]) -> Self {
        match values {
            Values::Numbers(numbers) => {
                let column: Vec<f64> = places.iter().filter_map(|&place| numbers[place]).collect();
                let mut sorted = column.clone();
                sorted.sort_by(f64::total_cmp);
                sorted.dedup();
                Self { values: sorted.len(), columns: vec![column] }
            }
            Values::Texts(texts) => {
                let column: Vec<&str> = places.iter().filter_map(|&place| texts[place]).collect();
                let choices: BTreeSet<&str> = column.iter().copied().collect();
                let needed = if choices.len() == 2 { 1 } else { choices.len() };
                let indicator = |choice: &str| column.iter().map(|text| f64::from(*text == choice)).collect();
                Self {
                    values: choices.len(),
                    columns: choices.iter().take(needed).map(|choice| indicator(choice)).collect(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart_without_an_order() {
        let numbers = Values::Numbers(vec![Some(3.0), None, Some(1.0), Some(3.0)]);
        let encoded = Encoded::of(&numbers, &[0, 2, 3]);
        assert_eq!(encoded, Encoded { columns: vec![vec![3.0, 1.0, 3.0]], values: 2 });
        let texts = Values::Texts(vec![Some("sgd"), Some("adam"), None, Some("rms"), Some("adam")]);
        let two = Encoded::of(&texts, &[0, 1, 4]);
        assert_eq!(two, Encoded { columns: vec![vec![0.0, 1.0, 1.0]], values: 2 });
        let three = Encoded::of(&texts, &[0, 1, 3, 4]);
        let columns = vec![vec![0.0, 1.0, 0.0, 1.0], vec![0.0, 0.0, 1.0, 0.0], vec![1.0, 0.0, 0.0, 0.0]];
        assert_eq!(three, Encoded { columns, values: 3 });
    }
}
