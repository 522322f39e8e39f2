//! Tables that come with the program: what this program's own trainings and scores without a training gave, to be
//! ranked, replayed and compared.

/// A file of a table.
#[derive(Clone, Copy, Debug)]
pub struct TableFile {
    /// Its name: that of the table, and which file of it.
    pub name: &'static str,
    /// What it holds.
    pub text: &'static str,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(TableFile { name: $name, text: include_str!(concat!("../data/", $name)) }),*]
    };
}

/// All of them. `cifar10-bpe-1`: the 100 architectures of Zheng et al. under BPE-1 and cheaper budgets, on CIFAR-10,
/// and their [`crate::baselines`] with the networks of BPE-1.
pub const FILES: [TableFile; 4] = files![
    "cifar10-bpe-1/truth.csv",
    "cifar10-bpe-1/trials.csv",
    "cifar10-bpe-1/accuracies.csv",
    "cifar10-bpe-1/baselines.csv",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_architectures_with_the_mean_of_the_paper() {
        let of =
            |name: &str| FILES.iter().find(|file| file.name.ends_with(name)).map_or("", |file| file.text);
        let accuracies: Vec<f64> = of("accuracies.csv")
            .lines()
            .skip(1)
            .filter_map(|line| line.split(',').nth(1)?.parse().ok())
            .collect();
        assert_eq!((accuracies.len(), of("truth.csv").lines().count()), (100, 101));
        let baselines = of("baselines.csv");
        let headings = [&["arch"], &crate::baselines::NAMES[..]].concat().join(",");
        assert_eq!((baselines.lines().count(), baselines.lines().next()), (101, Some(headings.as_str())));
        // Table 1 of the paper's own trainings: 65.74%.
        let mean = accuracies.iter().sum::<f64>() / 100.0;
        assert!((mean - 65.74).abs() < 1.0, "{mean}");
    }
}
