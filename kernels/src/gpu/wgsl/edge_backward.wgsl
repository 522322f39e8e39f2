// Gradient of an edge that has memory of its own: the node's, times the drop-path scale.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let item = item_index(group, local);
    let quad = item % 4u;
    let first_block = item / (4u * job.pixels);
    let end = end_of_blocks(WALK, first_block, now.images);
    if channel >= job.channels || first_block >= end {
        return;
    }
    let place = channel * job.pixels * 4u + item % (4u * job.pixels);
    for (var block = first_block; block < end; block++) {
        give(job, block, place, load_g(job.g + block * job.g_block + place) * drop_scale(job.drop, block, quad));
    }
}
