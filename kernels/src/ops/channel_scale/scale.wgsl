// The scale of a channel, as it is read: the affine map of a normalisation, then ReLU.

fn scale_map(job: Job, channel: u32) -> vec2<f32> {
    let first = select(0u, job.s_record + RECORD * channel, SCALE_NORM);
    return select(vec2<f32>(1.0, 0.0), vec2<f32>(float_at(first), float_at(first + 1u)), SCALE_NORM);
}

// Behind the map, before the ReLU.
fn unbounded_scale(job: Job, block: u32, channel: u32, quad: u32) -> vec4<f32> {
    let map = scale_map(job, channel);
    return load_s(job.s + block * job.s_block + channel * 4u + quad) * map.x + map.y;
}

fn scale_of(job: Job, block: u32, channel: u32, quad: u32) -> vec4<f32> {
    let scale = unbounded_scale(job, block, channel, quad);
    return select(scale, vec4<f32>(0.0), (scale < vec4<f32>(0.0)) & vec4<bool>(SCALE_RELU));
}
