// Averages over a grid of windows.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let item = item_index(group, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % job.y_pixels;
    let first_block = item / (4u * job.y_pixels);
    let end = end_of_blocks(WALK, first_block, now.images);
    if channel >= job.channels || first_block >= end {
        return;
    }
    var row_starts = ROW_STARTS;
    var row_lengths = ROW_LENGTHS;
    var column_starts = COLUMN_STARTS;
    var column_lengths = COLUMN_LENGTHS;
    let row = row_starts[pixel / job.y_width];
    let rows = row_lengths[pixel / job.y_width];
    let column = column_starts[pixel % job.y_width];
    let columns = column_lengths[pixel % job.y_width];
    let map = input_map(job.record, channel);
    for (var block = first_block; block < end; block++) {
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
