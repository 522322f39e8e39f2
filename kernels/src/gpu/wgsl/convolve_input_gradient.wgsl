// Gradient of the input of a dense convolution. An invocation keeps one input pixel of `IN_TILE` channels of four images.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z];
    let first = group.y * IN_TILE;
    let item = item_index(group, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % job.x_pixels;
    let block = item / (4u * job.x_pixels);
    if first >= job.inputs || block >= active_blocks() {
        return;
    }
    let lanes = lanes_there(block, quad);
    let scale = drop_scale(job.drop, block, quad);
    // A plain matrix wrote the pixel that it read.
    var row = 0;
    var column = i32(pixel);
    if !PLAIN {
        row = i32(pixel / job.x_width) + i32(job.padding) - i32(job.offset);
        column = i32(pixel % job.x_width) + i32(job.padding) - i32(job.offset);
    }
    var sums: array<vec4<f32>, IN_TILE>;
    for (var c = 0u; c < IN_TILE; c++) {
        sums[c] = vec4<f32>(0.0);
    }
    for (var i = 0u; i < KERNEL; i++) {
        for (var j = 0u; j < KERNEL; j++) {
            let y = row - i32(i);
            let x = column - i32(j);
            var place = pixel * 4u + quad;
            if !PLAIN {
                if y < 0 || x < 0 || y % i32(job.stride) != 0 || x % i32(job.stride) != 0 {
                    continue;
                }
                let oy = u32(y) / job.stride;
                let ox = u32(x) / job.stride;
                if oy >= job.y_height || ox >= job.y_width {
                    continue;
                }
                place = (oy * job.y_width + ox) * 4u + quad;
            }
            for (var o = 0u; o < job.outputs; o++) {
                let map = gradient_map(job.gradient_record, o);
                let value = output_gradient(job, block, o * job.y_pixels * 4u + place, map, scale, lanes);
                let weights = job.weight + o * job.columns + (first * KERNEL + i) * KERNEL + j;
                for (var c = 0u; c < IN_TILE; c++) {
                    sums[c] += weight_at(weights + c * KERNEL * KERNEL) * value;
                }
            }
        }
    }
    for (var c = 0u; c < IN_TILE; c++) {
        let place = ((first + c) * job.x_pixels + pixel) * 4u + quad;
        var value = sums[c];
        if RELU {
            value = gated(value, load_x(job.x + block * job.x_block + place), input_map(job.record, first + c));
        }
        let sink = job.sink + block * job.sink_block + place;
        if ACCUMULATE {
            value += load_sink(sink);
        }
        store_sink(sink, value);
    }
}
