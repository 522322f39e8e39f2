// The scales of an element for the images of a quad: 0 or 1 / keep probability.

fn element_scale(job: Job, now: Step, block: u32, quad: u32, element: u32) -> vec4<f32> {
    let rate = bitcast<f32>(job.rate);
    var scales = vec4<f32>(1.0);
    if rate <= 0.0 {
        return scales;
    }
    for (var lane = 0u; lane < 4u; lane++) {
        let position = block * 16u + quad * 4u + lane;
        if position < now.images {
            let image = word_at(job.order + now.first + position);
            let drawn = unit(random(now.seed, DROPOUT, (job.layer << 24u) | element, now.epoch, image).x);
            scales[lane] = select(1.0 / (1.0 - rate), 0.0, drawn < rate);
        }
    }
    return scales;
}
