// How an operation reads its input: the affine map of a normalisation, then ReLU.

fn input_map(record: u32, channel: u32) -> vec2<f32> {
    // Where there is none, some word that is there.
    let first = select(0u, record + RECORD * channel, NORM);
    return select(vec2<f32>(1.0, 0.0), vec2<f32>(float_at(first), float_at(first + 1u)), NORM);
}

// Without branches, behind which a GPU would not ask for what is read next.
fn mapped(value: vec4<f32>, map: vec2<f32>) -> vec4<f32> {
    let normalised = select(value, value * map.x + map.y, NORM);
    // What is no number stays so, where `max` would give 0.
    return select(normalised, vec4<f32>(0.0), (normalised < vec4<f32>(0.0)) & vec4<bool>(RELU));
}

// A pixel of the channel that begins at `base`, as it is read; zero outside of the image.
fn padded_input(job: Job, base: u32, y: i32, x: i32, map: vec2<f32>) -> vec4<f32> {
    let loaded = load_x(base + nearest_pixel(y, x, job.x_height, job.x_width) * 4u);
    return select(vec4<f32>(0.0), mapped(loaded, map), is_inside(y, x, job.x_height, job.x_width));
}

// What passes back through the ReLU: the gradient where the mapped value is positive.
fn gated(gradient: vec4<f32>, value: vec4<f32>, map: vec2<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), gradient, value * map.x + map.y > vec4<f32>(0.0));
}
