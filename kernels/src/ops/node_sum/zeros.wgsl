// A gradient of zero.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.x_pixels, WALK);
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    for (var pixel = strips.first; pixel < strips.count; pixel += strips.step) {
        give(job, block, channel, (channel * job.x_pixels + pixel) * 4u + strips.quad, vec4<f32>(0.0));
    }
}
