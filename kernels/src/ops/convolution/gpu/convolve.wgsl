// Dense convolution. An invocation keeps `PIXELS` pixels of `OUT_TILE` output channels, all of one group, of four images in
// registers; the tile of channels is one of the workgroup, so that weights are loaded from addresses that are uniform, and a
// weight serves all the pixels. These lie `apart` from each other, so that neighbouring invocations load neighbouring quads; or,
// where one walks through a block, side by side, so that what lies together is used together.

const QUADS: u32 = (OUT_TILE + 3u) / 4u;
const TAPS: u32 = KERNEL_HEIGHT * KERNEL_WIDTH;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let first = group.y * OUT_TILE;
    let strips = strips_of(item_index(group, local), job.y_pixels / PIXELS, WALK);
    let apart = select(strips.count, 1u, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if first >= job.groups * job.group_outputs || block >= active_blocks(now.images) {
        return;
    }
    let first_input = first / job.group_outputs * job.group_inputs;
    let elements = job.group_inputs * TAPS;
    let quads = job.w + group.y * QUADS * elements;
    for (var strip = strips.first; strip < strips.count; strip += strips.step) {
        let pixel = strip * select(1u, PIXELS, WALK);
        // A plain matrix reads the pixel that it writes.
        var rows: array<i32, PIXELS>;
        var columns: array<i32, PIXELS>;
        for (var t = 0u; t < PIXELS; t++) {
            let own = pixel + t * apart;
            rows[t] = 0;
            columns[t] = i32(own);
            if !PLAIN {
                let corner = row_and_column(own, job.y_width) * job.stride;
                rows[t] = i32(corner.x) - i32(job.above);
                columns[t] = i32(corner.y) - i32(job.left);
            }
        }
        var sums: array<array<vec4<f32>, OUT_TILE>, PIXELS>;
        for (var o = 0u; o < OUT_TILE; o++) {
            var start = 0.0;
            if BIAS {
                start = weight_at(job.bias + first + o);
            }
            for (var t = 0u; t < PIXELS; t++) {
                sums[t][o] = vec4<f32>(start);
            }
        }
        let base = job.x + block * job.x_block + first_input * job.x_pixels * 4u + quad;
        for (var c = 0u; c < job.group_inputs; c += ABREAST) {
            var maps: array<vec2<f32>, ABREAST>;
            for (var a = 0u; a < ABREAST; a++) {
                maps[a] = input_map(job.record, (first_input + c + a) / FLATTENED);
            }
            for (var i = 0u; i < KERNEL_HEIGHT; i++) {
                for (var j = 0u; j < KERNEL_WIDTH; j++) {
                    // What `ABREAST` channels need is asked for before any of it is used.
                    var values: array<array<vec4<f32>, PIXELS>, ABREAST>;
                    var weights: array<array<vec4<f32>, QUADS>, ABREAST>;
                    for (var t = 0u; t < PIXELS; t++) {
                        let y = rows[t] + i32(i);
                        let x = columns[t] + i32(j);
                        var inside = true;
                        var place = u32(x);
                        if !PLAIN {
                            inside = is_inside(y, x, job.x_height, job.x_width);
                            place = nearest_pixel(y, x, job.x_height, job.x_width);
                        }
                        for (var a = 0u; a < ABREAST; a++) {
                            let value = load_x(base + ((c + a) * job.x_pixels + place) * 4u);
                            values[a][t] = select(vec4<f32>(0.0), mapped(value, maps[a]), inside);
                        }
                    }
                    for (var a = 0u; a < ABREAST; a++) {
                        let first_weights = quads + ((c + a) * KERNEL_HEIGHT + i) * KERNEL_WIDTH + j;
                        for (var q = 0u; q < QUADS; q++) {
                            weights[a][q] = load_w(first_weights + q * elements);
                        }
                    }
                    for (var a = 0u; a < ABREAST; a++) {
                        for (var o = 0u; o < OUT_TILE; o++) {
                            for (var t = 0u; t < PIXELS; t++) {
                                sums[t][o] += weights[a][o / 4u][o % 4u] * values[a][t];
                            }
                        }
                    }
                }
            }
        }
        let place = job.y + block * job.y_block + (first * job.y_pixels + pixel) * 4u + quad;
        for (var t = 0u; t < PIXELS; t++) {
            for (var o = 0u; o < OUT_TILE; o++) {
                store_y(place + (o * job.y_pixels + t * apart) * 4u, sums[t][o]);
            }
        }
    }
}
