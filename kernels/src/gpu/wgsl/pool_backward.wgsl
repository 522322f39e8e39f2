// Gradient of the input of a pooling, gathered from the up to nine windows that cover the pixel.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z / TILES];
    let channel = group.z % TILES;
    let item = item_index(group, groups, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % X_PIXELS;
    let block = item / (4u * X_PIXELS);
    if block >= active_blocks() {
        return;
    }
    let lanes = lanes_there(block, quad);
    let scale = drop_scale(job.drop, block, quad);
    let map = gradient_map(job.gradient_record, channel);
    let row = i32(pixel / X_WIDTH) + 1;
    let column = i32(pixel % X_WIDTH) + 1;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < 3u; i++) {
        for (var j = 0u; j < 3u; j++) {
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
            let place = (channel * Y_PIXELS + oy * Y_WIDTH + ox) * 4u + quad;
            let value = output_gradient(job, block, place, map, scale, lanes);
            if MAXIMUM {
                let packed = load_taps(job.taps + block * job.taps_block + place);
                let taps = (vec4<u32>(packed) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
                sum += select(vec4<f32>(0.0), value, taps == vec4<u32>(i * 3u + j));
            } else {
                let rows = min(oy * STRIDE + 2u, X_HEIGHT) - max(oy * STRIDE, 1u) + 1u;
                let columns = min(ox * STRIDE + 2u, X_WIDTH) - max(ox * STRIDE, 1u) + 1u;
                sum += value / f32(rows * columns);
            }
        }
    }
    let sink = job.sink + block * job.sink_block + (channel * X_PIXELS + pixel) * 4u + quad;
    if ACCUMULATE {
        sum += load_sink(sink);
    }
    store_sink(sink, sum);
}
