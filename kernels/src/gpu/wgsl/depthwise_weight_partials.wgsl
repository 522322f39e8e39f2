// Partial sums of the gradient of depthwise weights: a workgroup makes those of a channel over every n-th run of strips (of n
// parts), each of its invocations some of them, and adds up what its invocations found.

var<workgroup> products: array<f32, 36u * WORKGROUP>;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let part = group.x % job.parts;
    let channel = group.x / job.parts;
    if channel >= job.channels {
        return;
    }
    let blocks = active_blocks(now.images);
    let places = job.y_pixels / TILE * 4u;
    let own = walk(part * WORKGROUP + local, job.parts * WORKGROUP, 0xffffffffu, places, blocks);
    let sums = weight_sums(job, channel, own);
    for (var i = 0u; i < KERNEL; i++) {
        for (var k = 0u; k < KERNEL; k++) {
            products[(i * KERNEL + k) * WORKGROUP + local] = sums[i][k];
        }
    }
    workgroupBarrier();
    let first = job.partials + (part * job.channels + channel) * KERNEL * KERNEL;
    for (var tap = local; tap < KERNEL * KERNEL; tap += WORKGROUP) {
        // Each adds another invocation's at a time, so that no two want one bank of memory.
        var sum = 0.0;
        for (var other = 0u; other < WORKGROUP; other++) {
            sum += products[tap * WORKGROUP + (other + tap) % WORKGROUP];
        }
        store_partials(first + tap, bitcast<u32>(sum));
    }
}
