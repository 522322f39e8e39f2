// Partial sums of the gradient of depthwise weights: an invocation holds all taps of a channel and goes over every n-th
// strip of `TILE` neighbouring outputs.

const SPAN: u32 = (TILE - 1u) * STRIDE + (KERNEL - 1u) * DILATION + 1u;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let index = item_index(group, local);
    let own = part_of(index, job.parts, job.channels, WALK);
    let part = own.part;
    let channel = own.tile;
    if part >= job.parts {
        return;
    }
    // By row and column, so that the loops over both are unrolled and sums stay in registers.
    var sums: array<array<f32, KERNEL>, KERNEL>;
    let map = input_map(job.record, channel);
    let strips = job.y_pixels / TILE;
    let blocks = active_blocks(now.images);
    var here = walk_part(own, job.parts, strips * 4u, blocks);
    for (; here.left > 0u; advance(&here)) {
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
            let row_inside = y >= 0 && y < i32(job.x_height);
            for (var j = 0u; j < SPAN; j++) {
                let x = column + i32(j);
                var value = vec4<f32>(0.0);
                if row_inside && x >= 0 && x < i32(job.x_width) {
                    value = mapped(load_x(base + (u32(y) * job.x_width + u32(x)) * 4u), map);
                }
                for (var t = 0u; t < TILE; t++) {
                    if j >= t * STRIDE && (j - t * STRIDE) % DILATION == 0u && (j - t * STRIDE) / DILATION < KERNEL {
                        sums[i][(j - t * STRIDE) / DILATION] += dot(gradients[t], value);
                    }
                }
            }
        }
    }
    let place = job.partials + (part * job.channels + channel) * KERNEL * KERNEL;
    for (var i = 0u; i < KERNEL; i++) {
        for (var k = 0u; k < KERNEL; k++) {
            store_partials(place + i * KERNEL + k, bitcast<u32>(sums[i][k]));
        }
    }
}
