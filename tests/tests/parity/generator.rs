//! The streams of numbers from which goldens are made; `tests/reference/generator.py` defines them.

/// The words of stream `name`.
pub(crate) fn words(name: &str) -> impl Iterator<Item = u64> + use<> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (1_u64..).map(move |index| {
        let z = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// Numbers in [centre - half, centre + half).
pub(crate) fn uniform(name: &str, centre: f64, half: f64) -> impl Iterator<Item = f32> + use<> {
    words(name).map(move |z| (centre + half * ((z >> 40) as f64 / f64::from(1 << 23) - 1.0)) as f32)
}

/// Bytes of images.
pub(crate) fn pixels(name: &str) -> impl Iterator<Item = u8> + use<> {
    words(name).map(|z| (z >> 56) as u8)
}

/// Class indices.
pub(crate) fn labels(name: &str, classes: usize) -> impl Iterator<Item = u16> + use<> {
    words(name).map(move |z| ((z >> 40) % classes as u64) as u16)
}

/// The signs that summaries are multiplied with.
pub(crate) fn signs() -> impl Iterator<Item = f64> {
    words("signs").map(|z| if z >> 63 == 1 { -1.0 } else { 1.0 })
}
