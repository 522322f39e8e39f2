// The gradients of all taps of a channel of a depthwise convolution, summed over some strips of `TILE` neighbouring outputs.

const SPAN: u32 = (TILE - 1u) * STRIDE + (KERNEL - 1u) * DILATION + 1u;

fn weight_sums(job: Job, channel: u32, some: Walk) -> array<array<f32, KERNEL>, KERNEL> {
    // By row and column, so that the loops over both are unrolled and sums stay in registers.
    var sums: array<array<f32, KERNEL>, KERNEL>;
    let map = input_map(job.record, channel);
    for (var here = some; here.left > 0u; advance(&here)) {
        let quad = here.place % 4u;
        let pixel = here.place / 4u * TILE;
        let block = here.block;
        let corner = row_and_column(pixel, job.y_width) * STRIDE;
        let row = i32(corner.x) - i32(PADDING);
        let column = i32(corner.y) - i32(PADDING);
        var gradients: array<vec4<f32>, TILE>;
        for (var t = 0u; t < TILE; t++) {
            gradients[t] = load_g(job.g + block * job.g_block + (channel * job.y_pixels + pixel + t) * 4u + quad);
        }
        let base = job.x + block * job.x_block + channel * job.x_pixels * 4u + quad;
        for (var i = 0u; i < KERNEL; i++) {
            let y = row + i32(i * DILATION);
            for (var j = 0u; j < SPAN; j++) {
                let x = column + i32(j);
                let value = padded_input(job, base, y, x, map);
                for (var t = 0u; t < TILE; t++) {
                    if j >= t * STRIDE && (j - t * STRIDE) % DILATION == 0u && (j - t * STRIDE) / DILATION < KERNEL {
                        sums[i][(j - t * STRIDE) / DILATION] += dot(gradients[t], value);
                    }
                }
            }
        }
    }
    return sums;
}
