// Gradient of the input of dropout.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.x_pixels, WALK);
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    let map = input_map(job.record, channel);
    for (var pixel = strips.first; pixel < strips.count; pixel += strips.step) {
        let element = channel * job.x_pixels + pixel;
        let place = element * 4u + strips.quad;
        let scale = element_scale(job, now, block, strips.quad, element);
        var gradient = load_g(job.g + block * job.g_block + place) * scale;
        if RELU {
            gradient = gated(gradient, load_x(job.x + block * job.x_block + place), map);
        }
        give(job, block, channel, place, gradient);
    }
}
