//! Counter-based random numbers: a pure function of what they are for, so that no result depends on the order
//! of work.
//!
//! The generator is the `pcg4d` hash of Jarzynski and Olano ("Hash Functions for GPU Rendering", JCGT 2020),
//! which needs only 32-bit multiplication and exclusive or, so that WGSL computes the same bits
//! (`gpu/wgsl/rng.wgsl`).

/// What a random number is for; part of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial value of a parameter; counters: parameter, element.
    Initialise = 1,
    /// Order of the training images in an epoch; counters: epoch, position.
    Shuffle = 2,
    /// Crop offset and flip of an image; counters: epoch, image.
    Crop = 3,
    /// Centre of the cutout square; counters: epoch, image.
    Cutout = 4,
    /// Drop path; counters: epoch, image; the edge is mixed into the purpose word.
    DropPath = 5,
    /// Dropout; counters: epoch, image; the layer and the element are mixed into the purpose word.
    Dropout = 6,
    /// Noise of mixtures; counters: epoch, first image of the batch; mixture and number are mixed into the purpose
    /// word.
    Mixture = 7,
}

/// Four random words for one counter.
pub fn random(seed: u64, purpose: Purpose, sub: u32, a: u32, b: u32) -> [u32; 4] {
    random_lanes(seed, purpose, sub, a, [b]).map(|[word]| word)
}

/// The same for several counters that differ in the last number: word by word, of all counters.
#[inline(always)]
pub(crate) fn random_lanes<const N: usize>(
    seed: u64,
    purpose: Purpose,
    sub: u32,
    a: u32,
    b: [u32; N],
) -> [[u32; N]; 4] {
    pcg4d([
        [seed as u32 ^ (purpose as u32).wrapping_mul(0x9E37_79B9); N],
        [(seed >> 32) as u32 ^ sub.wrapping_mul(0x85EB_CA6B); N],
        [a; N],
        b,
    ])
}

/// A uniform number in [0, 1) of 24 bits.
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// A uniform integer below `bound` (multiply and shift; the bias is below `bound`/2³²).
pub fn below(word: u32, bound: u32) -> u32 {
    ((u64::from(word) * u64::from(bound)) >> 32) as u32
}

/// Loops over lanes, which a compiler makes vector instructions of.
#[inline(always)]
fn pcg4d<const N: usize>(mut v: [[u32; N]; 4]) -> [[u32; N]; 4] {
    for word in v.as_flattened_mut() {
        *word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    }
    mix(&mut v);
    for word in v.as_flattened_mut() {
        *word ^= *word >> 16;
    }
    mix(&mut v);
    v
}

#[inline(always)]
fn mix<const N: usize>([x, y, z, w]: &mut [[u32; N]; 4]) {
    for (((x, y), z), w) in x.iter_mut().zip(y).zip(z).zip(w) {
        *x = x.wrapping_add(y.wrapping_mul(*w));
        *y = y.wrapping_add(z.wrapping_mul(*x));
        *z = z.wrapping_add(x.wrapping_mul(*y));
        *w = w.wrapping_add(y.wrapping_mul(*z));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_uniform_and_differ_by_every_counter() {
        let mean: f64 =
            (0..10_000).map(|i| f64::from(unit(random(7, Purpose::Crop, 0, 3, i)[0]))).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "mean {mean}");
        let base = random(7, Purpose::Crop, 0, 3, 4);
        for other in [
            random(8, Purpose::Crop, 0, 3, 4),
            random(7 + (1 << 32), Purpose::Crop, 0, 3, 4),
            random(7, Purpose::Cutout, 0, 3, 4),
            random(7, Purpose::Crop, 1, 3, 4),
            random(7, Purpose::Crop, 0, 4, 4),
            random(7, Purpose::Crop, 0, 3, 5),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn below_covers_its_range() {
        let mut seen = [0_u32; 9];
        for i in 0..9_000 {
            seen[below(random(1, Purpose::Crop, 0, 0, i)[1], 9) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1200).contains(&n)), "{seen:?}");
    }
}
