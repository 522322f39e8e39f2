// Gradient of the input of a dense convolution. An invocation keeps one input pixel of `IN_TILE` channels of four images.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z / TILES];
    let first = (group.z % TILES) * IN_TILE;
    let item = item_index(group, groups, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % X_PIXELS;
    let block = item / (4u * X_PIXELS);
    if block >= active_blocks() {
        return;
    }
    let lanes = lanes_there(block, quad);
    let scale = drop_scale(job.drop, block, quad);
    let row = i32(pixel / X_WIDTH) + i32(PADDING) - i32(OFFSET);
    let column = i32(pixel % X_WIDTH) + i32(PADDING) - i32(OFFSET);
    var sums: array<vec4<f32>, IN_TILE>;
    for (var c = 0u; c < IN_TILE; c++) {
        sums[c] = vec4<f32>(0.0);
    }
    for (var i = 0u; i < KERNEL; i++) {
        for (var j = 0u; j < KERNEL; j++) {
            let y = row - i32(i);
            let x = column - i32(j);
            if y < 0 || x < 0 || y % i32(STRIDE) != 0 || x % i32(STRIDE) != 0 {
                continue;
            }
            let oy = u32(y) / STRIDE;
            let ox = u32(x) / STRIDE;
            if oy >= Y_HEIGHT || ox >= Y_WIDTH {
                continue;
            }
            let place = (oy * Y_WIDTH + ox) * 4u + quad;
            for (var o = 0u; o < OUT; o++) {
                let map = gradient_map(job.gradient_record, o);
                let value = output_gradient(job, block, o * Y_PIXELS * 4u + place, map, scale, lanes);
                let weights = job.weight + o * COLUMNS + (first * KERNEL + i) * KERNEL + j;
                for (var c = 0u; c < IN_TILE; c++) {
                    sums[c] += weight_at(weights + c * KERNEL * KERNEL) * value;
                }
            }
        }
    }
    for (var c = 0u; c < IN_TILE; c++) {
        let place = ((first + c) * X_PIXELS + pixel) * 4u + quad;
        var value = sums[c];
        if RELU {
            value = gated(value, load_x(job.x + block * job.x_block + place), input_map(job.record, first + c));
        }
        let sink = job.sink + block * job.sink_block + place;
        if ACCUMULATE {
            value += load_sink(sink);
        }
        store_sink(sink, value);
    }
}
