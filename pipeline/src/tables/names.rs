//! What a column is by its heading alone: a key, an index, an accuracy, a rank correlation.

/// What tables are joined by: the first of these that both have, by one of its names.
pub(super) const KEYS: [&[&str]; 3] = [&["arch", "architecture"], &["genotype"], &["id"]];

/// A heading's letters and digits in lower case: `Learning Rate`, `learning-rate` and `learningRate` are one name.
pub(super) fn plain(heading: &str) -> String {
    heading.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a column names architectures.
pub(crate) fn is_key(heading: &str) -> bool {
    KEYS.iter().any(|names| names.contains(&plain(heading).as_str()))
}

/// Whether a column is the nameless index that pandas writes, or reads and writes again.
pub(super) fn is_index(heading: &str) -> bool {
    let numbered = heading.strip_prefix("Unnamed: ");
    heading.is_empty() || numbered.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Why a column is nothing that can be used, by its heading.
pub(crate) fn unnamed(heading: &str) -> Option<&'static str> {
    match heading {
        "" => Some("no heading"),
        heading if is_index(heading) => Some("pandas' index"),
        heading if is_key(heading) => Some("a name"),
        _ => None,
    }
}

/// Whether a column is called like an accuracy: `test_acc`, `Accuracy (%)`, `valAcc`, `top1`.
pub(crate) fn is_accuracy(heading: &str) -> bool {
    let is_one = |word: &String| {
        let name = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
        word == "top1"
            || ["acc", "accs", "accuracies"].contains(&name)
            || word.ends_with("acc")
            || name.ends_with("accuracy")
    };
    let words = words(heading);
    words.iter().any(is_one) || words.windows(2).any(|pair| pair == ["top", "1"])
}

/// Whether a column is called like a rank correlation: `published_spearman`, `r_s`.
pub(super) fn is_correlation(heading: &str) -> bool {
    let plain = plain(heading);
    plain.ends_with("spearman") || plain == "rs" || plain == "spearmanr" || plain == "spearmanrho"
}

/// Whether a column is called like a cost: `mean_gpu_hours`, `seconds`, `TrainFLOPs`.
pub(super) fn is_cost(heading: &str) -> bool {
    let units = ["hours", "hour", "minutes", "seconds", "secs", "time", "cost", "costs", "price"];
    let is_one = |word: &String| units.contains(&word.as_str()) || word.ends_with("flops");
    words(heading).iter().any(is_one) || plain(heading).ends_with("flops")
}

/// Whether a column says what a trial ran on, which is no hyper-parameter.
pub(crate) fn is_machine(heading: &str) -> bool {
    ["gpu", "gpuname", "device", "machine", "host", "hostname"].contains(&plain(heading).as_str())
}

/// The words of a heading in lower case; `testAcc` has two.
fn words(heading: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in heading.chars() {
        if !letter.is_alphanumeric() || letter.is_uppercase() && was_lower {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracies_are_told_by_their_names() {
        for heading in [
            "acc",
            "test_acc",
            "Test Acc",
            "valAcc",
            "testacc",
            "accuracy",
            "test_accuracy_percent",
            "Accuracy (%)",
            "acc1",
            "top1",
            "top-1",
            "Top 1 Acc.",
            "ACC",
        ] {
            assert!(is_accuracy(heading), "{heading}");
        }
        for heading in ["arch", "params", "account", "accelerator", "loss", "error", "flops", "top", "test1"]
        {
            assert!(!is_accuracy(heading), "{heading}");
        }
    }

    #[test]
    fn keys_indices_and_correlations() {
        assert!(is_key("Arch") && is_key("id") && is_key("genotype"));
        assert!(!is_key("arch_count") && !is_key("") && !is_key("identity"));
        assert!(is_index("") && is_index("Unnamed: 0") && !is_index("Unnamed: x") && !is_index("index"));
        assert!(is_correlation("published_spearman") && is_correlation("r_s") && is_correlation("Spearman"));
        assert!(!is_correlation("layers") && !is_correlation("pairs"));
        for cost in ["mean_gpu_hours", "GPU hours", "cost", "trainTime", "TrainFLOPs", "gflops", "seconds"] {
            assert!(is_cost(cost), "{cost}");
        }
        assert!(!is_cost("epochs") && !is_cost("gpu") && !is_cost("costume"));
        assert!(is_machine("gpu") && is_machine("GPU name") && !is_machine("gpu_hours"));
    }
}
