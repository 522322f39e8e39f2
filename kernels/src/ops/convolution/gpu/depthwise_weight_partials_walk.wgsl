// Partial sums of the gradient of depthwise weights, for a processor: an invocation makes those of a channel over one of n parts
// of the strips.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let own = part_of(item_index(group, local), job.parts, job.channels);
    if own.part >= job.parts {
        return;
    }
    let some = walk_part(own, job.parts, job.y_pixels / TILE * 4u, active_blocks(now.images));
    let sums = weight_sums(job, own.tile, some);
    let place = job.partials + (own.part * job.channels + own.tile) * KERNEL * KERNEL;
    for (var i = 0u; i < KERNEL; i++) {
        for (var k = 0u; k < KERNEL; k++) {
            store_partials(place + i * KERNEL + k, bitcast<u32>(sums[i][k]));
        }
    }
}
