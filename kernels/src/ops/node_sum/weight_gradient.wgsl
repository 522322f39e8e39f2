// Gradient of the weight of an edge, one channel a workgroup: the sum of what was read times the gradient of the sum.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.x;
    if channel >= job.channels || now.images == 0u {
        return;
    }
    let map = input_map(job.record, channel);
    let blocks = active_blocks(now.images);
    let places = job.x_pixels * 4u;
    let own = blocks_of(local, places, blocks);
    var total = vec4<f32>(0.0);
    for (var block = own.first; block < own.end; block += own.step) {
        let quad = local % 4u;
        let lanes = lanes_there(now.images, block, quad);
        let scale = drop_scale(job.drop, block, quad);
        var sum = vec4<f32>(0.0);
        for (var near = own.place; near < places; near += WORKGROUP) {
            let at = channel * places + near;
            sum += load_g(job.g + block * job.g_block + at) * mapped(load_x(job.x + block * job.x_block + at), map);
        }
        total += select(vec4<f32>(0.0), sum * scale, lanes);
    }
    add_up(local, vec2<f32>(dot(total, vec4<f32>(1.0)), 0.0));
    if local == 0u {
        set_float(job.weight_partials + channel, totals[0].x);
    }
}
