// Averages over a grid of windows.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.y_pixels, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    var row_starts = ROW_STARTS;
    var row_lengths = ROW_LENGTHS;
    var column_starts = COLUMN_STARTS;
    var column_lengths = COLUMN_LENGTHS;
    let map = input_map(job.record, channel);
    for (var pixel = strips.first; pixel < strips.count; pixel += strips.step) {
        let own = row_and_column(pixel, job.y_width);
        let row = row_starts[own.x];
        let rows = row_lengths[own.x];
        let column = column_starts[own.y];
        let columns = column_lengths[own.y];
        let base = job.x + block * job.x_block + channel * job.x_pixels * 4u + quad;
        var sum = vec4<f32>(0.0);
        for (var y = row; y < row + rows; y++) {
            for (var x = column; x < column + columns; x++) {
                sum += mapped(load_x(base + (y * job.x_width + x) * 4u), map);
            }
        }
        store_y(job.y + block * job.y_block + (channel * job.y_pixels + pixel) * 4u + quad, sum / f32(rows * columns));
    }
}
