// Averages over a grid of windows.

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
    let pixel = (item / 4u) % Y_PIXELS;
    let block = item / (4u * Y_PIXELS);
    if block >= active_blocks() {
        return;
    }
    var row_starts = ROW_STARTS;
    var row_lengths = ROW_LENGTHS;
    var column_starts = COLUMN_STARTS;
    var column_lengths = COLUMN_LENGTHS;
    let row = row_starts[pixel / Y_WIDTH];
    let rows = row_lengths[pixel / Y_WIDTH];
    let column = column_starts[pixel % Y_WIDTH];
    let columns = column_lengths[pixel % Y_WIDTH];
    let map = input_map(job.record, channel);
    let base = job.x + block * job.x_block + channel * X_PIXELS * 4u + quad;
    var sum = vec4<f32>(0.0);
    for (var y = row; y < row + rows; y++) {
        for (var x = column; x < column + columns; x++) {
            sum += mapped(load_x(base + (y * X_WIDTH + x) * 4u), map);
        }
    }
    store_y(job.y + block * job.y_block + (channel * Y_PIXELS + pixel) * 4u + quad, sum / f32(rows * columns));
}
