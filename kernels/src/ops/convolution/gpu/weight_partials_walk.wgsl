// Partial sums of the gradient of a dense convolution's weights, for a processor: an invocation makes those of a tile over one of
// n parts of the quads. Their order is fixed by the shapes alone.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let outputs = job.groups * job.group_outputs;
    let columns = job.group_inputs * TAPS;
    let tiles_down = outputs / OUT_TILE;
    let own = part_of(item_index(group, local), job.parts, tiles_down * (columns / COLUMN_TILE));
    if own.part >= job.parts {
        return;
    }
    let first_out = own.tile % tiles_down * OUT_TILE;
    let first_column = own.tile / tiles_down * COLUMN_TILE;
    let some = walk_part(own, job.parts, job.y_pixels * 4u, active_blocks(now.images));
    let sums = weight_sums(job, now.images, first_out, first_column, some);
    let place = job.partials + (own.part * outputs + first_out) * columns + first_column;
    for (var o = 0u; o < OUT_TILE; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            store_partials(place + o * columns + k, bitcast<u32>(sums[o][k]));
        }
    }
}
