// Gradient of an edge that has memory of its own: the node's, times the drop-path scale.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.pixels, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    let scale = drop_scale(job.drop, block, quad);
    for (var pixel = strips.first; pixel < strips.count; pixel += strips.step) {
        let place = (channel * job.pixels + pixel) * 4u + quad;
        give(job, block, place, load_g(job.g + block * job.g_block + place) * scale);
    }
}
