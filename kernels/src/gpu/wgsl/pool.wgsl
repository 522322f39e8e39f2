// 3×3 pooling with padding 1: the maximum and the number of the first tap that holds it, or the average of the pixels inside.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z];
    let channel = group.y;
    let item = item_index(group, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % job.y_pixels;
    let block = item / (4u * job.y_pixels);
    if channel >= job.channels || block >= active_blocks() {
        return;
    }
    let row = i32((pixel / job.y_width) * job.stride) - 1;
    let column = i32((pixel % job.y_width) * job.stride) - 1;
    let map = input_map(job.record, channel);
    let base = job.x + block * job.x_block + channel * job.x_pixels * 4u + quad;
    var sum = vec4<f32>(0.0);
    var largest = vec4<f32>(-3.4028234e38);
    var taps = vec4<u32>(0u);
    var count = 0.0;
    for (var i = 0u; i < 3u; i++) {
        for (var j = 0u; j < 3u; j++) {
            let y = row + i32(i);
            let x = column + i32(j);
            if y < 0 || x < 0 || y >= i32(job.x_height) || x >= i32(job.x_width) {
                continue;
            }
            let value = mapped(load_x(base + (u32(y) * job.x_width + u32(x)) * 4u), map);
            if MAXIMUM {
                let larger = (value > largest) | vec4<bool>(count == 0.0);
                largest = select(largest, value, larger);
                taps = select(taps, vec4<u32>(i * 3u + j), larger);
            }
            sum += value;
            count += 1.0;
        }
    }
    let place = block * job.y_block + (channel * job.y_pixels + pixel) * 4u + quad;
    if MAXIMUM {
        store_y(job.y + place, largest);
        store_taps(
            job.taps + block * job.taps_block + (channel * job.y_pixels + pixel) * 4u + quad,
            taps.x | (taps.y << 8u) | (taps.z << 16u) | (taps.w << 24u),
        );
    } else {
        store_y(job.y + place, sum / count);
    }
}
