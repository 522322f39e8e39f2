// Gradient of the input of the logistic function.

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
        let place = (channel * job.x_pixels + pixel) * 4u + strips.quad;
        let y = load_y(job.y + block * job.y_block + place);
        var gradient = load_g(job.g + block * job.g_block + place) * y * (1.0 - y);
        if RELU {
            gradient = gated(gradient, load_x(job.x + block * job.x_block + place), map);
        }
        give(job, block, channel, place, gradient);
    }
}
