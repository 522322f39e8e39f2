// Partial sums of the gradient of a dense convolution's weights: a workgroup makes those of a tile over every n-th run of quads
// (of n parts), each of its invocations some of them, and adds up what its invocations found. Their order is fixed by the shapes
// alone.

const UPPER: u32 = (OUT_TILE + 1u) / 2u;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let part = group.x % job.parts;
    let first_out = group.y * OUT_TILE;
    let first_column = group.x / job.parts * COLUMN_TILE;
    let outputs = job.groups * job.group_outputs;
    let columns = job.group_inputs * TAPS;
    if first_out >= outputs || first_column >= columns {
        return;
    }
    let blocks = active_blocks(now.images);
    let own = walk(part * WORKGROUP + local, job.parts * WORKGROUP, 0xffffffffu, job.y_pixels * 4u, blocks);
    let sums = weight_sums(job, now.images, first_out, first_column, own);
    let place = job.partials + (part * outputs + first_out) * columns + first_column;
    for (var o = 0u; o < UPPER; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            products[(o * COLUMN_TILE + k) * WORKGROUP + local] = sums[o][k];
        }
    }
    workgroupBarrier();
    for (var element = local; element < UPPER * COLUMN_TILE; element += WORKGROUP) {
        store_partials(place + element / COLUMN_TILE * columns + element % COLUMN_TILE, added_up(element));
    }
    workgroupBarrier();
    for (var o = UPPER; o < OUT_TILE; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            products[((o - UPPER) * COLUMN_TILE + k) * WORKGROUP + local] = sums[o][k];
        }
    }
    workgroupBarrier();
    for (var element = local; element < (OUT_TILE - UPPER) * COLUMN_TILE; element += WORKGROUP) {
        let row = UPPER + element / COLUMN_TILE;
        store_partials(place + row * columns + element % COLUMN_TILE, added_up(element));
    }
}
