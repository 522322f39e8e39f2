// Gradient of the input of a pooling, gathered from the windows that cover `TILE` neighbouring pixels of one row.

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
    let map = gradient_map(job.gradient_record, channel);
    let lanes = lanes_there(now.images, block, quad);
    let scale = drop_scale(job.drop, block, quad);
    for (var strip = strips.first; strip < strips.count; strip += strips.step) {
        let pixel = strip * TILE;
        let corner = row_and_column(pixel, job.x_width);
        let row = i32(corner.x) + i32(PADDING);
        let column = i32(corner.y) + i32(PADDING) - i32(KERNEL - 1u);
        var sums: array<vec4<f32>, TILE>;
        for (var t = 0u; t < TILE; t++) {
            sums[t] = vec4<f32>(0.0);
        }
        for (var i = 0u; i < KERNEL; i++) {
            let y = row - i32(i);
            let oy = quotient(u32(max(y, 0)), job.stride);
            let row_read = y >= 0 && oy * job.stride == u32(y) && oy < job.y_height;
            for (var j = 0u; j < TILE + KERNEL - 1u; j++) {
                let x = column + i32(j);
                let ox = quotient(u32(max(x, 0)), job.stride);
                let read = row_read && x >= 0 && ox * job.stride == u32(x) && ox < job.y_width;
                let place = (channel * job.y_pixels + select(0u, oy * job.y_width + ox, read)) * 4u + quad;
                let value =
                    select(vec4<f32>(0.0), output_gradient(job, block, place, map, scale, lanes), read);
                // Pixel t of the tile is tap t + KERNEL - 1 - j of the row of that window.
                if MAXIMUM {
                    let packed = load_taps(job.taps + block * job.taps_block + place);
                    let taps = (vec4<u32>(packed) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
                    for (var t = 0u; t < TILE; t++) {
                        if t + KERNEL - 1u >= j && t <= j {
                            sums[t] += select(vec4<f32>(0.0), value, taps == vec4<u32>(i * KERNEL + t + KERNEL - 1u - j));
                        }
                    }
                } else {
                    let rows = min(oy * job.stride + KERNEL - PADDING, job.x_height) - max(oy * job.stride, PADDING) + PADDING;
                    let columns = min(ox * job.stride + KERNEL - PADDING, job.x_width) - max(ox * job.stride, PADDING) + PADDING;
                    let share = select(vec4<f32>(0.0), value / f32(rows * columns), read);
                    for (var t = 0u; t < TILE; t++) {
                        if t + KERNEL - 1u >= j && t <= j {
                            sums[t] += share;
                        }
                    }
                }
            }
        }
        if RELU {
            let gate = job.x + block * job.x_block + (channel * job.x_pixels + pixel) * 4u + quad;
            for (var t = 0u; t < TILE; t++) {
                sums[t] = gated(sums[t], load_x(gate + t * 4u), input_map(job.record, channel));
            }
        }
        let near = block * job.sink_block + (channel * job.x_pixels + pixel) * 4u + quad;
        // A branch around all loads, not around each: a GPU asks for one after the other without waiting.
        if ACCUMULATE {
            for (var t = 0u; t < TILE; t++) {
                sums[t] += load_sum(job.sum + near + t * 4u);
            }
        }
        for (var t = 0u; t < TILE; t++) {
            put(job, channel, near + t * 4u, sums[t]);
        }
    }
}
