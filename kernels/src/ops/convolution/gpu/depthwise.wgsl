// Depthwise convolution. An invocation makes `TILE` neighbouring outputs of one row: every input is loaded once for all of
// them. The channel is one of the workgroup, so that weights are loaded from addresses that are uniform.

const QUADS: u32 = (KERNEL + 3u) / 4u;
const SPAN: u32 = (TILE - 1u) * STRIDE + (KERNEL - 1u) * DILATION + 1u;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.y_pixels / TILE, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    let map = input_map(job.record, channel);
    for (var strip = strips.first; strip < strips.count; strip += strips.step) {
        let pixel = strip * TILE;
        let corner = row_and_column(pixel, job.y_width) * STRIDE;
        let row = i32(corner.x) - i32(PADDING);
        let column = i32(corner.y) - i32(PADDING);
        var sums: array<vec4<f32>, TILE>;
        for (var t = 0u; t < TILE; t++) {
            sums[t] = vec4<f32>(0.0);
        }
        let base = job.x + block * job.x_block + channel * job.x_pixels * 4u + quad;
        for (var i = 0u; i < KERNEL; i++) {
            let y = row + i32(i * DILATION);
            var quads: array<vec4<f32>, QUADS>;
            for (var q = 0u; q < QUADS; q++) {
                quads[q] = load_w(job.w + (channel * KERNEL + i) * QUADS + q);
            }
            var taps: array<f32, KERNEL>;
            for (var k = 0u; k < KERNEL; k++) {
                taps[k] = quads[k / 4u][k % 4u];
            }
            for (var j = 0u; j < SPAN; j++) {
                let x = column + i32(j);
                let value = padded_input(job, base, y, x, map);
                for (var t = 0u; t < TILE; t++) {
                    if j >= t * STRIDE && (j - t * STRIDE) % DILATION == 0u && (j - t * STRIDE) / DILATION < KERNEL {
                        sums[t] += taps[(j - t * STRIDE) / DILATION] * value;
                    }
                }
            }
        }
        let place = job.y + block * job.y_block + (channel * job.y_pixels + pixel) * 4u + quad;
        for (var t = 0u; t < TILE; t++) {
            store_y(place + t * 4u, sums[t]);
        }
    }
}
