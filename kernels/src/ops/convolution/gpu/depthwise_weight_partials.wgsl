// Partial sums of the gradient of depthwise weights: a workgroup makes those of a channel over every n-th run of strips (of n
// parts), each of its invocations some of them, and adds up what its invocations found.

const UPPER: u32 = (KERNEL + 1u) / 2u;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let part = group.x;
    let channel = group.y;
    if part >= job.parts || channel >= job.channels {
        return;
    }
    let blocks = active_blocks(now.images);
    let places = job.y_pixels / TILE * 4u;
    let own = walk(part * WORKGROUP + local, job.parts * WORKGROUP, 0xffffffffu, places, blocks);
    let sums = weight_sums(job, channel, own);
    let first = job.partials + (part * job.channels + channel) * KERNEL * KERNEL;
    for (var i = 0u; i < UPPER; i++) {
        for (var k = 0u; k < KERNEL; k++) {
            products[(i * KERNEL + k) * WORKGROUP + local] = sums[i][k];
        }
    }
    workgroupBarrier();
    for (var tap = local; tap < UPPER * KERNEL; tap += WORKGROUP) {
        store_partials(first + tap, added_up(tap));
    }
    workgroupBarrier();
    for (var i = UPPER; i < KERNEL; i++) {
        for (var k = 0u; k < KERNEL; k++) {
            products[((i - UPPER) * KERNEL + k) * WORKGROUP + local] = sums[i][k];
        }
    }
    workgroupBarrier();
    for (var tap = local; tap < (KERNEL - UPPER) * KERNEL; tap += WORKGROUP) {
        store_partials(first + UPPER * KERNEL + tap, added_up(tap));
    }
}
