// Gradient of the input of a dense convolution. An invocation keeps `PIXELS` input pixels of `IN_TILE` channels, all of one group,
// of four images, which share the weights and maps it loads; they lie `apart` from each other, as in the forward pass.

const QUADS: u32 = (IN_TILE + 3u) / 4u;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let first = group.y * IN_TILE;
    let strips = strips_of(item_index(group, local), job.x_pixels / PIXELS, WALK);
    let apart = select(strips.count, 1u, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if first >= job.groups * job.group_inputs || block >= active_blocks(now.images) {
        return;
    }
    let lanes = lanes_there(now.images, block, quad);
    let scale = drop_scale(job.drop, block, quad);
    let first_output = first / job.group_inputs * job.group_outputs;
    let elements = job.group_outputs * KERNEL_HEIGHT * KERNEL_WIDTH;
    let quads = job.w + group.y * QUADS * elements;
    for (var strip = strips.first; strip < strips.count; strip += strips.step) {
        let pixel = strip * select(1u, PIXELS, WALK);
        var rows: array<i32, PIXELS>;
        var columns: array<i32, PIXELS>;
        for (var t = 0u; t < PIXELS; t++) {
            let own = pixel + t * apart;
            let place = row_and_column(own, job.x_width);
            rows[t] = i32(place.x) + i32(job.above);
            columns[t] = i32(place.y) + i32(job.left);
        }
        var sums: array<array<vec4<f32>, IN_TILE>, PIXELS>;
        for (var t = 0u; t < PIXELS; t++) {
            for (var c = 0u; c < IN_TILE; c++) {
                sums[t][c] = vec4<f32>(0.0);
            }
        }
        for (var i = 0u; i < KERNEL_HEIGHT; i++) {
            for (var j = 0u; j < KERNEL_WIDTH; j++) {
                // Which output the tap leads to from each pixel, and whether there is one. A plain matrix wrote the pixel that
                // it read.
                var places: array<u32, PIXELS>;
                var inside: array<bool, PIXELS>;
                var any_inside = PLAIN;
                for (var t = 0u; t < PIXELS; t++) {
                    let own = pixel + t * apart;
                    places[t] = own * 4u + quad;
                    inside[t] = true;
                    if !PLAIN {
                        let y = rows[t] - i32(i);
                        let x = columns[t] - i32(j);
                        let oy = quotient(u32(max(y, 0)), job.stride);
                        let ox = quotient(u32(max(x, 0)), job.stride);
                        inside[t] = i32(oy * job.stride) == y && i32(ox * job.stride) == x
                            && oy < job.y_height && ox < job.y_width;
                        places[t] = select(quad, (oy * job.y_width + ox) * 4u + quad, inside[t]);
                        any_inside = any_inside || inside[t];
                    }
                }
                if !any_inside {
                    continue;
                }
                for (var o = 0u; o < job.group_outputs; o++) {
                    let map = gradient_map(job.gradient_record, first_output + o);
                    var values: array<vec4<f32>, PIXELS>;
                    for (var t = 0u; t < PIXELS; t++) {
                        let place = (first_output + o) * job.y_pixels * 4u + places[t];
                        let value = output_gradient(job, block, place, map, scale, lanes);
                        values[t] = select(vec4<f32>(0.0), value, inside[t]);
                    }
                    let first_weights = quads + (o * KERNEL_HEIGHT + i) * KERNEL_WIDTH + j;
                    var weights: array<vec4<f32>, QUADS>;
                    for (var q = 0u; q < QUADS; q++) {
                        weights[q] = load_w(first_weights + q * elements);
                    }
                    for (var c = 0u; c < IN_TILE; c++) {
                        for (var t = 0u; t < PIXELS; t++) {
                            sums[t][c] += weights[c / 4u][c % 4u] * values[t];
                        }
                    }
                }
            }
        }
        let place = (first * job.x_pixels + pixel) * 4u + quad;
        // Branches around all loads of a kind, not around each: a GPU asks for one after the other without waiting.
        if RELU {
            for (var c = 0u; c < IN_TILE; c++) {
                let map = input_map(job.record, (first + c) / FLATTENED);
                for (var t = 0u; t < PIXELS; t++) {
                    let there = job.x + block * job.x_block + place + (c * job.x_pixels + t * apart) * 4u;
                    sums[t][c] = gated(sums[t][c], load_x(there), map);
                }
            }
        }
        let near = block * job.sink_block + place;
        if ACCUMULATE {
            for (var c = 0u; c < IN_TILE; c++) {
                for (var t = 0u; t < PIXELS; t++) {
                    sums[t][c] += load_sum(job.sum + near + (c * job.x_pixels + t * apart) * 4u);
                }
            }
        }
        for (var c = 0u; c < IN_TILE; c++) {
            for (var t = 0u; t < PIXELS; t++) {
                put(job, (first + c) / FLATTENED, near + (c * job.x_pixels + t * apart) * 4u, sums[t][c]);
            }
        }
    }
}
