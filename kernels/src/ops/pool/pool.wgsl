// Pooling: the maximum and the number of the first tap that holds it, or the average of the pixels inside.
// An invocation makes `TILE` neighbouring outputs of one row.

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
        // Sums of averages, or maxima; for these also the taps that held them.
        let base = job.x + block * job.x_block + channel * job.x_pixels * 4u + quad;
        var results: array<vec4<f32>, TILE>;
        var taps: array<vec4<u32>, TILE>;
        var counts: array<u32, TILE>;
        for (var t = 0u; t < TILE; t++) {
            results[t] = vec4<f32>(0.0);
            taps[t] = vec4<u32>(0u);
            counts[t] = 0u;
        }
        for (var i = 0u; i < KERNEL; i++) {
            let y = row + i32(i);
            for (var j = 0u; j < (TILE - 1u) * STRIDE + KERNEL; j++) {
                let x = column + i32(j);
                let inside = is_inside(y, x, job.x_height, job.x_width);
                let value = mapped(load_x(base + nearest_pixel(y, x, job.x_height, job.x_width) * 4u), map);
                for (var t = 0u; t < TILE; t++) {
                    if j < t * STRIDE || j > t * STRIDE + KERNEL - 1u {
                        continue;
                    }
                    if MAXIMUM {
                        let larger = ((value > results[t]) | vec4<bool>(counts[t] == 0u)) & vec4<bool>(inside);
                        results[t] = select(results[t], value, larger);
                        taps[t] = select(taps[t], vec4<u32>(i * KERNEL + j - t * STRIDE), larger);
                    } else {
                        results[t] += select(vec4<f32>(0.0), value, inside);
                    }
                    counts[t] += u32(inside);
                }
            }
        }
        for (var t = 0u; t < TILE; t++) {
            let place = (channel * job.y_pixels + pixel + t) * 4u + quad;
            if MAXIMUM {
                store_y(job.y + block * job.y_block + place, results[t]);
                let packed = taps[t].x | (taps[t].y << 8u) | (taps[t].z << 16u) | (taps[t].w << 24u);
                store_taps(job.taps + block * job.taps_block + place, packed);
            } else {
                store_y(job.y + block * job.y_block + place, results[t] / f32(counts[t]));
            }
        }
    }
}
