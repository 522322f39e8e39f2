// Gradient of the input of averages over windows: from every window that covers the pixel.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let job = jobs[group.z / TILES];
    let channel = group.z % TILES;
    let item = item_index(group, groups, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % X_PIXELS;
    let block = item / (4u * X_PIXELS);
    if block >= active_blocks() {
        return;
    }
    var row_starts = ROW_STARTS;
    var row_lengths = ROW_LENGTHS;
    var column_starts = COLUMN_STARTS;
    var column_lengths = COLUMN_LENGTHS;
    let y = pixel / X_WIDTH;
    let x = pixel % X_WIDTH;
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < Y_HEIGHT; i++) {
        if y < row_starts[i] || y >= row_starts[i] + row_lengths[i] {
            continue;
        }
        for (var j = 0u; j < Y_WIDTH; j++) {
            if x < column_starts[j] || x >= column_starts[j] + column_lengths[j] {
                continue;
            }
            let place = (channel * Y_PIXELS + i * Y_WIDTH + j) * 4u + quad;
            sum += load_g(job.g + block * job.g_block + place) / f32(row_lengths[i] * column_lengths[j]);
        }
    }
    let place = (channel * X_PIXELS + pixel) * 4u + quad;
    if RELU {
        sum = gated(sum, load_x(job.x + block * job.x_block + place), input_map(job.record, channel));
    }
    let sink = job.sink + block * job.sink_block + place;
    if ACCUMULATE {
        sum += load_sink(sink);
    }
    store_sink(sink, sum);
}
