// Gradient of the input of averages over windows: from every window that covers the pixel.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.x_pixels, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    var row_starts = ROW_STARTS;
    var row_lengths = ROW_LENGTHS;
    var column_starts = COLUMN_STARTS;
    var column_lengths = COLUMN_LENGTHS;
    for (var pixel = strips.first; pixel < strips.count; pixel += strips.step) {
        let own = row_and_column(pixel, job.x_width);
        let y = own.x;
        let x = own.y;
        var sum = vec4<f32>(0.0);
        for (var i = 0u; i < job.y_height; i++) {
            if y < row_starts[i] || y >= row_starts[i] + row_lengths[i] {
                continue;
            }
            for (var j = 0u; j < job.y_width; j++) {
                if x < column_starts[j] || x >= column_starts[j] + column_lengths[j] {
                    continue;
                }
                let place = (channel * job.y_pixels + i * job.y_width + j) * 4u + quad;
                sum += load_g(job.g + block * job.g_block + place) / f32(row_lengths[i] * column_lengths[j]);
            }
        }
        let place = (channel * job.x_pixels + pixel) * 4u + quad;
        if RELU {
            sum = gated(sum, load_x(job.x + block * job.x_block + place), input_map(job.record, channel));
        }
        give(job, block, channel, place, sum);
    }
}
