// Gradient of the input of ReLU6: that of the output, where the value lies between 0 and 6.

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
        let passes = (x > vec4<f32>(0.0)) & (x < vec4<f32>(6.0));
        give(job, block, channel, place, select(vec4<f32>(0.0), load_g(job.g + block * job.g_block + place), passes));
    }
}
