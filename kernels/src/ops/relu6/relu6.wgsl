// ReLU6 of a value behind its normalisation.

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
        let x = mapped(load_x(job.x + block * job.x_block + place), map);
        // What is no number stays so, where `clamp` would give a bound.
        let above = select(x, vec4<f32>(0.0), x < vec4<f32>(0.0));
        store_y(job.y + block * job.y_block + place, select(above, vec4<f32>(6.0), x > vec4<f32>(6.0)));
    }
}
