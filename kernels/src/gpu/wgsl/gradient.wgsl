// The gradient of what an operation wrote, as it is read: times the drop-path scale, through the normalisation, and zero for
// lanes without an image (the constant of the normalisation's map would make them something else).

fn drop_scale(drop: u32, block: u32, quad: u32) -> vec4<f32> {
    let first = drop + block * 16u + quad * 4u;
    let drawn = vec4<f32>(float_at(first), float_at(first + 1u), float_at(first + 2u), float_at(first + 3u));
    return select(vec4<f32>(1.0), drawn, SCALED);
}

fn gradient_map(record: u32, channel: u32) -> vec3<f32> {
    if GRADIENT_NORM {
        let first = record + RECORD * channel + 4u;
        return vec3<f32>(float_at(first), float_at(first + 1u), float_at(first + 2u));
    }
    return vec3<f32>(1.0, 0.0, 0.0);
}

// `place` counts quads from the start of the block's tensor.
fn output_gradient(job: Job, block: u32, place: u32, map: vec3<f32>, scale: vec4<f32>, lanes: vec4<bool>) -> vec4<f32> {
    var value = load_g(job.g + block * job.g_block + place) * scale;
    if GRADIENT_NORM {
        value = value * map.x + load_raw(job.raw + block * job.raw_block + place) * map.y + map.z;
    }
    return select(vec4<f32>(0.0), value, lanes);
}
