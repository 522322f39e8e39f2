// Gradient of the input of a depthwise convolution, through the ReLU. An invocation makes a tile of `STRIDE` rows of `TILE`
// pixels, a multiple of the stride: so every tile lies the same way to the outputs, and which taps lead where is known when
// this is compiled.

const QUADS: u32 = (KERNEL + 3u) / 4u;
const EXTENT: u32 = (KERNEL - 1u) * DILATION;
// The outputs that lead to a tile are `SPAN` side by side for each row of taps, and begin so far before that of the tile's own
// place.
const BEFORE: u32 = (max(EXTENT, PADDING) - PADDING) / STRIDE;
const SPAN: u32 = BEFORE + (TILE - 1u + PADDING) / STRIDE + 1u;
// The row and column of every square of `STRIDE` that first taps lead to; where the stride divides the dilation, no tap leads
// to another.
const PHASE: u32 = (STRIDE * PADDING - PADDING) % STRIDE;
const ALL_REACHED: bool = DILATION % STRIDE != 0u;

fn is_reached(row: u32, column: u32) -> bool {
    return ALL_REACHED || (row == PHASE && column % STRIDE == PHASE);
}

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let across = (job.x_width + TILE - 1u) / TILE;
    let strips = strips_of(item_index(group, local), (job.x_height + STRIDE - 1u) / STRIDE * across, WALK);
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
        let corner = row_and_column(strip, across) * vec2<u32>(STRIDE, TILE);
        let own = vec2<i32>(corner / STRIDE);
        var sums: array<array<vec4<f32>, TILE>, STRIDE>;
        for (var a = 0u; a < STRIDE; a++) {
            for (var t = 0u; t < TILE; t++) {
                sums[a][t] = vec4<f32>(0.0);
            }
        }
        let base = job.g + block * job.g_block + channel * job.y_pixels * 4u + quad;
        for (var i = 0u; i < KERNEL; i++) {
            // The one row of the tile that an output reads by a tap of this row, and that output's row.
            let a = (i * DILATION + PHASE) % STRIDE;
            let y = own.x + (i32(a + PADDING) - i32(i * DILATION)) / i32(STRIDE);
            for (var j = 0u; j < SPAN; j++) {
                let x = own.y + i32(j) - i32(BEFORE);
                let loaded = load_g(base + nearest_pixel(y, x, job.y_height, job.y_width) * 4u);
                let value = select(vec4<f32>(0.0), loaded, is_inside(y, x, job.y_height, job.y_width));
                for (var t = 0u; t < TILE; t++) {
                    // So far behind the first pixel that the first of these outputs reads lies pixel t, and each output's is a
                    // stride further.
                    let behind = t + PADDING + BEFORE * STRIDE;
                    if behind >= j * STRIDE && (behind - j * STRIDE) % DILATION == 0u
                        && (behind - j * STRIDE) / DILATION < KERNEL {
                        sums[a][t] += taps[i][(behind - j * STRIDE) / DILATION] * value;
                    }
                }
            }
        }
        let extents = vec2<u32>(job.x_height, job.x_width);
        let own_x = job.x + block * job.x_block + channel * job.x_pixels * 4u + quad;
        let near = block * job.sink_block + channel * job.x_pixels * 4u + quad;
        // Branches around all loads of a kind, not around each: a GPU asks for one after the other without waiting.
        if RELU {
            for (var a = 0u; a < STRIDE; a++) {
                for (var t = 0u; t < TILE; t++) {
                    if is_reached(a, t) {
                        let pixel = min(corner + vec2<u32>(a, t), extents - 1u);
                        sums[a][t] = gated(sums[a][t], load_x(own_x + (pixel.x * extents.y + pixel.y) * 4u), map);
                    }
                }
            }
        }
        if ACCUMULATE {
            for (var a = 0u; a < STRIDE; a++) {
                for (var t = 0u; t < TILE; t++) {
                    if is_reached(a, t) || is_whole(job, channel) {
                        let pixel = min(corner + vec2<u32>(a, t), extents - 1u);
                        sums[a][t] += load_sum(job.sum + near + (pixel.x * extents.y + pixel.y) * 4u);
                    }
                }
            }
        }
        for (var a = 0u; a < STRIDE; a++) {
            for (var t = 0u; t < TILE; t++) {
                let pixel = corner + vec2<u32>(a, t);
                let inside = STRIDE == 1u || all(pixel < extents);
                if inside && (is_reached(a, t) || !ACCUMULATE || is_whole(job, channel)) {
                    put(job, channel, near + (pixel.x * extents.y + pixel.y) * 4u, sums[a][t]);
                }
            }
        }
    }
}
