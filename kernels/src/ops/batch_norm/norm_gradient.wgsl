// Backward pass of a normalisation, one channel a workgroup: the sums of g and of g (y - mean), from which the gradients of
// scale and shift and the coefficients A, B, C of the gradient of its input follow.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.x;
    if channel >= job.channels || now.images == 0u {
        return;
    }
    let record = job.gradient_record + RECORD * channel;
    let mean = float_at(record + 2u);
    let blocks = active_blocks(now.images);
    var first = vec4<f32>(0.0);
    var second = vec4<f32>(0.0);
    let places = job.pixels * 4u;
    let own = blocks_of(local, places, blocks);
    for (var block = own.first; block < own.end; block += own.step) {
        let quad = local % 4u;
        let lanes = lanes_there(now.images, block, quad);
        if !lanes.x {
            continue;
        }
        let scale = drop_scale(job.drop, block, quad);
        // Sums of sums lose less than one long sum.
        var block_first = vec4<f32>(0.0);
        var block_second = vec4<f32>(0.0);
        for (var near = own.place; near < places; near += 4u * WORKGROUP) {
            // Four at a time are asked for before one is used.
            var gradients: array<vec4<f32>, 4>;
            var values: array<vec4<f32>, 4>;
            for (var i = 0u; i < 4u; i++) {
                let at = channel * places + min(near + i * WORKGROUP, places - 1u);
                gradients[i] = load_g(job.g + block * job.g_block + at);
                values[i] = load_raw(job.raw + block * job.raw_block + at);
            }
            for (var i = 0u; i < 4u; i++) {
                let there = lanes & vec4<bool>(near + i * WORKGROUP < places);
                block_first += select(vec4<f32>(0.0), gradients[i] * scale, there);
                block_second += select(vec4<f32>(0.0), gradients[i] * scale * (values[i] - mean), there);
            }
        }
        first += block_first;
        second += block_second;
    }
    add_up(local, vec2<f32>(dot(first, vec4<f32>(1.0)), dot(second, vec4<f32>(1.0))));
    if local == 0u {
        let sum = totals[0].x;
        let product = totals[0].y;
        let number = f32(now.images * job.pixels);
        let inverse = float_at(record + 3u);
        let unweighted = float_at(job.scale + channel) * inverse;
        var weight = 1.0;
        if MIXED {
            weight = float_at(job.weight);
            let shift = float_at(job.shift + channel);
            set_float(job.weight_partials + channel, unweighted * product + shift * sum);
        }
        let scale = unweighted * weight;
        let slope = -scale * inverse * inverse * product / number;
        set_float(job.scale_gradient + channel, weight * product * inverse);
        set_float(job.shift_gradient + channel, weight * sum);
        set_float(record + 4u, scale);
        set_float(record + 5u, slope);
        set_float(record + 6u, -scale * sum / number - slope * mean);
    }
}
