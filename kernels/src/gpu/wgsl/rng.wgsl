// The counter-based generator of rng.rs: the same bits.

fn pcg4d(seed: vec4<u32>) -> vec4<u32> {
    var v = seed * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

fn random(seed: vec2<u32>, purpose: u32, sub: u32, a: u32, b: u32) -> vec4<u32> {
    return pcg4d(vec4<u32>(seed.x ^ (purpose * 0x9E3779B9u), seed.y ^ (sub * 0x85EBCA6Bu), a, b));
}

fn unit(word: u32) -> f32 {
    return f32(word >> 8u) * (1.0 / 16777216.0);
}

// The high word of word * bound, for bounds below 65536.
fn below(word: u32, bound: u32) -> u32 {
    return ((word >> 16u) * bound + (((word & 0xFFFFu) * bound) >> 16u)) >> 16u;
}
