// Gradient of the scales: over all pixels of a channel.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), 1u, WALK);
    let block = strips.block;
    let quad = strips.quad;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    let map = input_map(job.record, channel);
    if strips.first > 0u {
        return;
    }
    var sum = vec4<f32>(0.0);
    for (var pixel = 0u; pixel < job.x_pixels; pixel++) {
        let place = (channel * job.x_pixels + pixel) * 4u + quad;
        let x = mapped(load_x(job.x + block * job.x_block + place), map);
        sum += load_g(job.g + block * job.g_block + place) * x;
    }
    if SCALE_RELU {
        sum = select(vec4<f32>(0.0), sum, unbounded_scale(job, block, channel, quad) > vec4<f32>(0.0));
    }
    give(job, block, channel, channel * 4u + quad, sum);
}
