// Dense convolution. An invocation keeps one pixel of `OUT_TILE` output channels of four images in registers; the tile of
// channels is one of the workgroup, so that weights are loaded from addresses that are uniform.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z / TILES];
    let first = (group.z % TILES) * OUT_TILE;
    let item = item_index(group, groups, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % Y_PIXELS;
    let block = item / (4u * Y_PIXELS);
    if block >= active_blocks() {
        return;
    }
    let row = i32((pixel / Y_WIDTH) * STRIDE + OFFSET) - i32(PADDING);
    let column = i32((pixel % Y_WIDTH) * STRIDE + OFFSET) - i32(PADDING);
    var sums: array<vec4<f32>, OUT_TILE>;
    for (var o = 0u; o < OUT_TILE; o++) {
        sums[o] = vec4<f32>(0.0);
        if BIAS {
            sums[o] = vec4<f32>(weight_at(job.bias + first + o));
        }
    }
    let base = job.x + block * job.x_block + quad;
    for (var c = 0u; c < IN; c++) {
        let map = input_map(job.record, c);
        for (var i = 0u; i < KERNEL; i++) {
            for (var j = 0u; j < KERNEL; j++) {
                let y = row + i32(i);
                let x = column + i32(j);
                if PADDING > 0u || OFFSET > 0u {
                    if y < 0 || x < 0 || y >= i32(X_HEIGHT) || x >= i32(X_WIDTH) {
                        continue;
                    }
                }
                let value = mapped(load_x(base + (c * X_PIXELS + u32(y) * X_WIDTH + u32(x)) * 4u), map);
                let weights = job.weight + first * COLUMNS + (c * KERNEL + i) * KERNEL + j;
                for (var o = 0u; o < OUT_TILE; o++) {
                    sums[o] += weight_at(weights + o * COLUMNS) * value;
                }
            }
        }
    }
    let place = job.y + block * job.y_block + (first * Y_PIXELS + pixel) * 4u + quad;
    for (var o = 0u; o < OUT_TILE; o++) {
        store_y(place + o * Y_PIXELS * 4u, sums[o]);
    }
}
