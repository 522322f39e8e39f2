//! Random numbers that depend on (seed, purpose, index) and on nothing else: not on how many were drawn before, nor on
//! threads, nor on the machine.
//!
//! A stream is the extended output of BLAKE3 over those three, so streams are independent and any of them can be
//! started without the others.

use crate::portable;

/// One stream of random numbers.
pub struct Random {
    reader: blake3::OutputReader,
    block: [u8; 64],
    used: usize,
}

impl Random {
    /// The stream for `index` under `purpose`. Different purposes never share numbers, even under one seed.
    pub fn new(seed: u64, purpose: &str, index: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("nas-pipeline random numbers 1");
        hasher.update(&seed.to_le_bytes()).update(&index.to_le_bytes()).update(purpose.as_bytes());
        Self { reader: hasher.finalize_xof(), block: [0; 64], used: 64 }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        if self.used == self.block.len() {
            self.reader.fill(&mut self.block);
            self.used = 0;
        }
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.block[self.used..self.used + 8]);
        self.used += 8;
        u64::from_le_bytes(bytes)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..bound`, without bias. `bound` must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The multiply-shift method; products whose low half falls into the uneven rest are drawn again.
        let rest = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if product as u64 >= rest {
                return (product >> 64) as u64;
            }
        }
    }

    /// Standard normal, by Box and Muller's method; the same bits on every machine.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * portable::ln(1.0 - self.uniform())).sqrt();
        radius * portable::cos_turns(self.uniform())
    }

    /// Puts `items` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_apart_and_repeat() {
        let first = |seed, purpose, index| Random::new(seed, purpose, index).bits();
        let base = first(1, "a", 0);
        assert_eq!(base, first(1, "a", 0));
        for other in [first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_numbers_never_change() {
        // Recorded results depend on these: a change of the generator needs a new domain, and this test a new line.
        let mut random = Random::new(7, "golden", 3);
        assert_eq!(random.bits(), 10_240_685_127_694_086_426);
        assert_eq!(random.normal().to_bits(), 13_828_872_235_569_986_653);
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(0, "moments", 0);
        let n = 100_000;
        let uniforms: Vec<f64> = (0..n).map(|_| random.uniform()).collect();
        let normals: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
        assert!((mean(&uniforms) - 0.5).abs() < 0.005);
        assert!(mean(&normals).abs() < 0.02);
        let squares: Vec<f64> = normals.iter().map(|x| x * x).collect();
        assert!((mean(&squares) - 1.0).abs() < 0.02);
        let beyond_two = normals.iter().filter(|x| x.abs() > 2.0).count() as f64 / n as f64;
        assert!((beyond_two - 0.0455).abs() < 0.004, "{beyond_two}");
    }

    #[test]
    fn below_is_even_and_shuffle_permutes() {
        let mut random = Random::new(0, "below", 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
        let mut items: Vec<u32> = (0..100).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
