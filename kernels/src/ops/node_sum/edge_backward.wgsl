// A gradient put where it has memory of its own: an edge's, or that of a value that is read with and without its normalisation.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.x_pixels, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    let map = gradient_map(job.gradient_record, channel);
    let gate = input_map(job.record, channel);
    let lanes = lanes_there(now.images, block, quad);
    var scale = drop_scale(job.drop, block, quad);
    if MIXED {
        scale *= float_at(job.weight);
    }
    for (var pixel = strips.first; pixel < strips.count; pixel += strips.step) {
        let place = (channel * job.x_pixels + pixel) * 4u + quad;
        var gradient = output_gradient(job, block, place, map, scale, lanes);
        if RELU {
            gradient = gated(gradient, load_x(job.x + block * job.x_block + place), gate);
        }
        give(job, block, channel, place, gradient);
    }
}
