// Gradient of the input of a pooling, gathered from the up to nine windows that cover the pixel.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z];
    let channel = group.y;
    let item = item_index(group, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % job.x_pixels;
    let block = item / (4u * job.x_pixels);
    if channel >= job.channels || block >= active_blocks() {
        return;
    }
    let lanes = lanes_there(block, quad);
    let scale = drop_scale(job.drop, block, quad);
    let map = gradient_map(job.gradient_record, channel);
    let row = i32(pixel / job.x_width) + 1;
    let column = i32(pixel % job.x_width) + 1;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < 3u; i++) {
        for (var j = 0u; j < 3u; j++) {
            let y = row - i32(i);
            let x = column - i32(j);
            if y < 0 || x < 0 || y % i32(job.stride) != 0 || x % i32(job.stride) != 0 {
                continue;
            }
            let oy = u32(y) / job.stride;
            let ox = u32(x) / job.stride;
            if oy >= job.y_height || ox >= job.y_width {
                continue;
            }
            let place = (channel * job.y_pixels + oy * job.y_width + ox) * 4u + quad;
            let value = output_gradient(job, block, place, map, scale, lanes);
            if MAXIMUM {
                let packed = load_taps(job.taps + block * job.taps_block + place);
                let taps = (vec4<u32>(packed) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
                sum += select(vec4<f32>(0.0), value, taps == vec4<u32>(i * 3u + j));
            } else {
                let rows = min(oy * job.stride + 2u, job.x_height) - max(oy * job.stride, 1u) + 1u;
                let columns = min(ox * job.stride + 2u, job.x_width) - max(ox * job.stride, 1u) + 1u;
                sum += value / f32(rows * columns);
            }
        }
    }
    let sink = job.sink + block * job.sink_block + (channel * job.x_pixels + pixel) * 4u + quad;
    if ACCUMULATE {
        sum += load_sink(sink);
    }
    store_sink(sink, sum);
}
