// Partial sums of the gradient of a dense convolution's weights: a workgroup makes those of a tile over every n-th run of quads
// (of n parts), each of its invocations some of them, and adds up what its invocations found. Their order is fixed by the shapes
// alone.

// So many sums of each invocation at a time: half of the largest tile.
var<workgroup> products: array<f32, 36u * WORKGROUP>;

const UPPER: u32 = (OUT_TILE + 1u) / 2u;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let part = group.x % job.parts;
    let tile = group.x / job.parts;
    let tiles_down = job.outputs / OUT_TILE;
    if tile >= tiles_down * (job.columns / COLUMN_TILE) {
        return;
    }
    let first_out = tile % tiles_down * OUT_TILE;
    let first_column = tile / tiles_down * COLUMN_TILE;
    let blocks = active_blocks(now.images);
    let own = walk(part * WORKGROUP + local, job.parts * WORKGROUP, 0xffffffffu, job.y_pixels * 4u, blocks);
    let sums = weight_sums(job, now.images, first_out, first_column, own);
    let place = job.partials + (part * job.outputs + first_out) * job.columns + first_column;
    for (var o = 0u; o < UPPER; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            products[(o * COLUMN_TILE + k) * WORKGROUP + local] = sums[o][k];
        }
    }
    workgroupBarrier();
    for (var element = local; element < UPPER * COLUMN_TILE; element += WORKGROUP) {
        store_partials(place + element / COLUMN_TILE * job.columns + element % COLUMN_TILE, added_up(element));
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
        store_partials(place + row * job.columns + element % COLUMN_TILE, added_up(element));
    }
}

// All invocations' sums of one element: each adds another invocation's at a time, so that no two want one bank of memory.
fn added_up(element: u32) -> u32 {
    var sum = 0.0;
    for (var other = 0u; other < WORKGROUP; other++) {
        sum += products[element * WORKGROUP + (other + element) % WORKGROUP];
    }
    return bitcast<u32>(sum);
}
