//! What a ranking can still become: architectures that are not known yet are drawn from those that are.

use crate::random::Random;

/// `draws` lists of `all` architectures that begin with the `known` ones, each once. The rest of a list comes from Pólya's
/// urn: one that is drawn goes back with another of its kind, so that lists differ by what is not known of the architectures
/// as well as by which of them come (Ghosh and Meeden, 1997). A list is told by how often it holds each.
pub(crate) fn completions(known: usize, all: usize, draws: usize, random: &mut Random) -> Vec<Vec<u32>> {
    let mut complete = || {
        let mut urn: Vec<usize> = (0..known).collect();
        let mut counts = vec![1; known];
        while urn.len() < all {
            let drawn = urn[random.below(urn.len() as u64) as usize];
            counts[drawn] += 1;
            urn.push(drawn);
        }
        counts
    };
    (0..draws).map(|_| complete()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_whole_and_as_uncertain_as_a_sample_of_a_population() {
        let draws = completions(10, 40, 4000, &mut Random::new(0, "test", 0));
        assert!(draws.iter().all(|counts| counts.len() == 10 && counts.iter().sum::<u32>() == 40));
        assert!(draws.iter().flatten().all(|&count| count >= 1));
        // The mean of numbers with the variance s² is known to (1 - 10/40)·s²/10, but for a factor of 9/11: of 0 to 9, whose
        // s² is 55/6, to a deviation of √(.75 · 55/60 · 9/11) = .75.
        let mean = |counts: &Vec<u32>| {
            counts.iter().enumerate().map(|(value, &count)| value as f64 * f64::from(count)).sum::<f64>()
                / 40.0
        };
        let means: Vec<f64> = draws.iter().map(mean).collect();
        let middle = means.iter().sum::<f64>() / 4000.0;
        let deviation = (means.iter().map(|mean| (mean - middle).powi(2)).sum::<f64>() / 4000.0).sqrt();
        assert!((middle - 4.5).abs() < 0.05 && (deviation - 0.75).abs() < 0.04, "{middle} {deviation}");
        assert_eq!(completions(3, 3, 1, &mut Random::new(0, "test", 0)), [[1, 1, 1]]);
    }
}
