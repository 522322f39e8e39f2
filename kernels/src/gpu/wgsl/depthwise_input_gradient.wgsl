// Gradient of the input of a depthwise convolution, through the ReLU.

const QUADS: u32 = (KERNEL + 3u) / 4u;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.x_pixels / TILE, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    let map = input_map(job.record, channel);
    // By row and column, so that the loops over both are unrolled and taps stay in registers.
    var taps: array<array<f32, KERNEL>, KERNEL>;
    for (var i = 0u; i < KERNEL; i++) {
        for (var k = 0u; k < KERNEL; k++) {
            taps[i][k] = load_w(job.w + (channel * KERNEL + i) * QUADS + k / 4u)[k % 4u];
        }
    }
    for (var strip = strips.first; strip < strips.count; strip += strips.step) {
        let pixel = strip * TILE;
        let row = i32(pixel / job.x_width) + i32(job.padding);
        let column = i32(pixel % job.x_width) + i32(job.padding);
        var sums: array<vec4<f32>, TILE>;
        for (var t = 0u; t < TILE; t++) {
            sums[t] = vec4<f32>(0.0);
        }
        let base = job.g + block * job.g_block + channel * job.y_pixels * 4u + quad;
        for (var i = 0u; i < KERNEL; i++) {
            let y = row - i32(i * DILATION);
            let oy = u32(y) / STRIDE;
            let row_inside = y >= 0 && u32(y) % STRIDE == 0u && oy < job.y_height;
            // With stride 1 the tile's outputs lie `SPAN` wide, from `column - (KERNEL - 1) * DILATION` on.
            for (var j = 0u; j < SPAN; j++) {
                let x = column - i32((KERNEL - 1u) * DILATION) + i32(j);
                let ox = u32(x) / STRIDE;
                var value = vec4<f32>(0.0);
                if row_inside && x >= 0 && u32(x) % STRIDE == 0u && ox < job.y_width {
                    value = load_g(base + (oy * job.y_width + ox) * 4u);
                }
                for (var t = 0u; t < TILE; t++) {
                    // Tap k of input t reads output t - k * DILATION, here at j = t + (KERNEL - 1 - k) * DILATION.
                    if j >= t && (j - t) % DILATION == 0u && (j - t) / DILATION < KERNEL {
                        sums[t] += taps[i][KERNEL - 1u - (j - t) / DILATION] * value;
                    }
                }
            }
        }
        for (var t = 0u; t < TILE; t++) {
            let place = (channel * job.x_pixels + pixel + t) * 4u + quad;
            var value = sums[t];
            if RELU {
                value = gated(value, load_x(job.x + block * job.x_block + place), map);
            }
            give(job, block, place, value);
        }
    }
}
