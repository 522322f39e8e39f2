// Partial sums of the gradient of a dense convolution's weights: an invocation holds a tile of `OUT_TILE` × `COLUMN_TILE` of
// them and goes over every n-th quad (of n parts) of an output pixel. Their order is fixed by the shapes alone.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let index = item_index(group, local);
    let tiles = (job.outputs / OUT_TILE) * (job.columns / COLUMN_TILE);
    let own = part_of(index, job.parts, tiles, WALK);
    let part = own.part;
    let tile = own.tile;
    if part >= job.parts {
        return;
    }
    let first_out = (tile % (job.outputs / OUT_TILE)) * OUT_TILE;
    let first_column = (tile / (job.outputs / OUT_TILE)) * COLUMN_TILE;
    var sums: array<array<f32, COLUMN_TILE>, OUT_TILE>;
    for (var o = 0u; o < OUT_TILE; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            sums[o][k] = 0.0;
        }
    }
    // The maps of the tile's channels are the same for all pixels.
    var input_maps: array<vec2<f32>, COLUMN_TILE>;
    for (var k = 0u; k < COLUMN_TILE; k++) {
        input_maps[k] = input_map(job.record, (first_column + k) / (KERNEL * KERNEL * FLATTENED));
    }
    var gradient_maps: array<vec3<f32>, OUT_TILE>;
    for (var o = 0u; o < OUT_TILE; o++) {
        gradient_maps[o] = gradient_map(job.gradient_record, first_out + o);
    }
    let blocks = active_blocks(now.images);
    var here = walk_part(own, job.parts, job.y_pixels * 4u, blocks);
    for (; here.left > 0u; advance(&here)) {
        let quad = here.place % 4u;
        let pixel = here.place / 4u;
        let block = here.block;
        let lanes = lanes_there(now.images, block, quad);
        let scale = drop_scale(job.drop, block, quad);
        var row = 0;
        var left = 0;
        if !PLAIN {
            let corner = row_and_column(pixel, job.y_width) * job.stride + job.offset;
            row = i32(corner.x) - i32(job.padding);
            left = i32(corner.y) - i32(job.padding);
        }
        var values: array<vec4<f32>, COLUMN_TILE>;
        for (var k = 0u; k < COLUMN_TILE; k++) {
            let column = first_column + k;
            let c = column / (KERNEL * KERNEL);
            var place = pixel;
            var inside = true;
            if !PLAIN {
                let y = row + i32((column / KERNEL) % KERNEL);
                let x = left + i32(column % KERNEL);
                inside = y >= 0 && x >= 0 && y < i32(job.x_height) && x < i32(job.x_width);
                place = u32(y) * job.x_width + u32(x);
            }
            values[k] = vec4<f32>(0.0);
            if inside {
                let value = load_x(job.x + block * job.x_block + (c * job.x_pixels + place) * 4u + quad);
                values[k] = mapped(value, input_maps[k]);
            }
        }
        for (var o = 0u; o < OUT_TILE; o++) {
            let place = ((first_out + o) * job.y_pixels + pixel) * 4u + quad;
            let gradient = output_gradient(job, block, place, gradient_maps[o], scale, lanes);
            for (var k = 0u; k < COLUMN_TILE; k++) {
                sums[o][k] += dot(gradient, values[k]);
            }
        }
    }
    let place = job.partials + (part * job.outputs + first_out) * job.columns + first_column;
    for (var o = 0u; o < OUT_TILE; o++) {
        for (var k = 0u; k < COLUMN_TILE; k++) {
            store_partials(place + o * job.columns + k, bitcast<u32>(sums[o][k]));
        }
    }
}
