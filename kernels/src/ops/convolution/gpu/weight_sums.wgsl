// The gradients of a tile of `OUT_TILE` × `COLUMN_TILE` of a dense convolution's weights, summed over some of the quads of the
// output pixels.

const TAPS: u32 = KERNEL_HEIGHT * KERNEL_WIDTH;

fn weight_sums(job: Job, images: u32, first_out: u32, first_column: u32, some: Walk)
    -> array<array<f32, COLUMN_TILE>, OUT_TILE> {
    var sums: array<array<f32, COLUMN_TILE>, OUT_TILE>;
    for (var o = 0u; o < OUT_TILE; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            sums[o][k] = 0.0;
        }
    }
    let first_input = first_out / job.group_outputs * job.group_inputs;
    // The maps of the tile's channels are the same for all pixels.
    var input_maps: array<vec2<f32>, COLUMN_TILE>;
    for (var k = 0u; k < COLUMN_TILE; k++) {
        input_maps[k] = input_map(job.record, (first_input + (first_column + k) / TAPS) / FLATTENED);
    }
    var gradient_maps: array<vec3<f32>, OUT_TILE>;
    for (var o = 0u; o < OUT_TILE; o++) {
        gradient_maps[o] = gradient_map(job.gradient_record, first_out + o);
    }
    for (var here = some; here.left > 0u; advance(&here)) {
        let quad = here.place % 4u;
        let pixel = here.place / 4u;
        let block = here.block;
        let lanes = lanes_there(images, block, quad);
        let scale = drop_scale(job.drop, block, quad);
        var row = 0;
        var left = 0;
        if !PLAIN {
            let corner = row_and_column(pixel, job.y_width) * job.stride;
            row = i32(corner.x) - i32(job.above);
            left = i32(corner.y) - i32(job.left);
        }
        var values: array<vec4<f32>, COLUMN_TILE>;
        for (var k = 0u; k < COLUMN_TILE; k++) {
            let column = first_column + k;
            let c = first_input + column / TAPS;
            var place = pixel;
            var inside = true;
            if !PLAIN {
                let y = row + i32((column / KERNEL_WIDTH) % KERNEL_HEIGHT);
                let x = left + i32(column % KERNEL_WIDTH);
                inside = is_inside(y, x, job.x_height, job.x_width);
                place = nearest_pixel(y, x, job.x_height, job.x_width);
            }
            let value = load_x(job.x + block * job.x_block + (c * job.x_pixels + place) * 4u + quad);
            values[k] = select(vec4<f32>(0.0), mapped(value, input_maps[k]), inside);
        }
        for (var o = 0u; o < OUT_TILE; o++) {
            let place = ((first_out + o) * job.y_pixels + pixel) * 4u + quad;
            let gradient = output_gradient(job, block, place, gradient_maps[o], scale, lanes);
            for (var k = 0u; k < COLUMN_TILE; k++) {
                sums[o][k] += dot(gradient, values[k]);
            }
        }
    }
    return sums;
}
