// Gradient of the bias of a linear layer: the sum over the batch.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.x * WORKGROUP + local;
    if channel >= job.outputs || now.images == 0u {
        return;
    }
    let map = gradient_map(job.gradient_record, channel);
    var sum = vec4<f32>(0.0);
    for (var block = 0u; block < active_blocks(now.images); block++) {
        for (var place = 0u; place < job.y_pixels * 4u; place++) {
            let quad = place % 4u;
            let scale = drop_scale(job.drop, block, quad);
            sum += output_gradient(job, block, channel * job.y_pixels * 4u + place, map, scale, lanes_there(now.images, block, quad));
        }
    }
    set_float(job.bias_gradient + channel, dot(sum, vec4<f32>(1.0)));
}
