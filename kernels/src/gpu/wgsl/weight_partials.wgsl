// Partial sums of the gradient of a dense convolution's weights: an invocation holds a tile of `OUT_TILE` × `COLUMN_TILE` of
// them and goes over every `PARTS`-th quad of an output pixel. Their order is fixed by the shapes alone.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z];
    let index = item_index(group, groups, local);
    let part = index % PARTS;
    let tile = index / PARTS;
    if tile >= (OUT / OUT_TILE) * (COLUMNS / COLUMN_TILE) {
        return;
    }
    let first_out = (tile % (OUT / OUT_TILE)) * OUT_TILE;
    let first_column = (tile / (OUT / OUT_TILE)) * COLUMN_TILE;
    var sums: array<array<f32, COLUMN_TILE>, OUT_TILE>;
    for (var o = 0u; o < OUT_TILE; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            sums[o][k] = 0.0;
        }
    }
    let items = active_blocks() * Y_PIXELS * 4u;
    for (var item = part; item < items; item += PARTS) {
        let quad = item % 4u;
        let pixel = (item / 4u) % Y_PIXELS;
        let block = item / (4u * Y_PIXELS);
        let lanes = lanes_there(block, quad);
        let scale = drop_scale(job.drop, block, quad);
        var values: array<vec4<f32>, COLUMN_TILE>;
        for (var k = 0u; k < COLUMN_TILE; k++) {
            let column = first_column + k;
            let c = column / (KERNEL * KERNEL);
            let y = i32((pixel / Y_WIDTH) * STRIDE + OFFSET + (column / KERNEL) % KERNEL) - i32(PADDING);
            let x = i32((pixel % Y_WIDTH) * STRIDE + OFFSET + column % KERNEL) - i32(PADDING);
            values[k] = vec4<f32>(0.0);
            if y >= 0 && x >= 0 && y < i32(X_HEIGHT) && x < i32(X_WIDTH) {
                let place = (c * X_PIXELS + u32(y) * X_WIDTH + u32(x)) * 4u + quad;
                values[k] = mapped(load_x(job.x + block * job.x_block + place), input_map(job.record, c));
            }
        }
        for (var o = 0u; o < OUT_TILE; o++) {
            let map = gradient_map(job.gradient_record, first_out + o);
            let place = ((first_out + o) * Y_PIXELS + pixel) * 4u + quad;
            let gradient = output_gradient(job, block, place, map, scale, lanes);
            for (var k = 0u; k < COLUMN_TILE; k++) {
                sums[o][k] += dot(gradient, values[k]);
            }
        }
    }
    let place = job.partials + (part * OUT + first_out) * COLUMNS + first_column;
    for (var o = 0u; o < OUT_TILE; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            store_partials(place + o * COLUMNS + k, bitcast<u32>(sums[o][k]));
        }
    }
}
