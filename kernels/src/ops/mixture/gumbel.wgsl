// Noise of mixtures: that of mod.rs.

// -ln(1 - x); a processor's logarithm strays near 1 by more than is left of it.
fn exponential(x: f32) -> f32 {
    if x < 0.0625 {
        return x * (1.0 + x * (1.0 / 2.0 + x * (1.0 / 3.0 + x * (1.0 / 4.0 + x * (1.0 / 5.0 + x / 6.0)))));
    }
    return -log(1.0 - x);
}

fn gumbel(job: Job, now: Step, number: u32) -> f32 {
    let image = word_at(job.order + now.first);
    let word = random(now.seed, MIXTURE, (job.mixture << 16u) | number, now.epoch, image).x;
    return -log(exponential((f32(word >> 9u) + 0.5) * (1.0 / 8388608.0)));
}
