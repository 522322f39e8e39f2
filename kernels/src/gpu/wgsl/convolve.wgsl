// Dense convolution. An invocation keeps one pixel of `OUT_TILE` output channels of four images in registers; the tile of
// channels is one of the workgroup, so that weights are loaded from addresses that are uniform.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z];
    let first = group.y * OUT_TILE;
    let item = item_index(group, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % job.y_pixels;
    let block = item / (4u * job.y_pixels);
    if first >= job.outputs || block >= active_blocks() {
        return;
    }
    // A plain matrix reads the pixel that it writes.
    var row = 0;
    var column = i32(pixel);
    if !PLAIN {
        row = i32((pixel / job.y_width) * job.stride + job.offset) - i32(job.padding);
        column = i32((pixel % job.y_width) * job.stride + job.offset) - i32(job.padding);
    }
    var sums: array<vec4<f32>, OUT_TILE>;
    for (var o = 0u; o < OUT_TILE; o++) {
        sums[o] = vec4<f32>(0.0);
        if BIAS {
            sums[o] = vec4<f32>(weight_at(job.bias + first + o));
        }
    }
    let base = job.x + block * job.x_block + quad;
    for (var c = 0u; c < job.inputs; c++) {
        let map = input_map(job.record, c);
        for (var i = 0u; i < KERNEL; i++) {
            for (var j = 0u; j < KERNEL; j++) {
                let y = row + i32(i);
                let x = column + i32(j);
                if !PLAIN {
                    if y < 0 || x < 0 || y >= i32(job.x_height) || x >= i32(job.x_width) {
                        continue;
                    }
                }
                let value = mapped(load_x(base + (c * job.x_pixels + u32(y) * job.x_width + u32(x)) * 4u), map);
                let weights = job.weight + first * job.columns + (c * KERNEL + i) * KERNEL + j;
                for (var o = 0u; o < OUT_TILE; o++) {
                    sums[o] += weight_at(weights + o * job.columns) * value;
                }
            }
        }
    }
    let place = job.y + block * job.y_block + (first * job.y_pixels + pixel) * 4u + quad;
    for (var o = 0u; o < OUT_TILE; o++) {
        store_y(place + o * job.y_pixels * 4u, sums[o]);
    }
}
