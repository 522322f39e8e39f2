// The sum of a head's logits, by one workgroup for the batch: into the step's row of metrics, and in training the gradient of
// the logits.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    if now.images == 0u {
        return;
    }
    var slope = bitcast<f32>(job.weight) / f32(now.images);
    if BACKWARD && FLOAT_BITS == 16u {
        slope *= float_at(job.loss_scale);
    }
    let quads = active_blocks(now.images) * 4u;
    var sum = 0.0;
    for (var item = local; item < quads; item += WORKGROUP) {
        let block = item / 4u;
        let quad = item % 4u;
        let lanes = lanes_there(now.images, block, quad);
        let base = job.x + block * job.x_block + quad;
        let slopes = select(vec4<f32>(0.0), vec4<f32>(slope), lanes);
        for (var c = 0u; c < job.classes; c++) {
            sum += dot(select(vec4<f32>(0.0), load_x(base + c * 4u), lanes), vec4<f32>(1.0));
            if BACKWARD {
                give(job, block, c, c * 4u + quad, slopes);
            }
        }
    }
    add_up(local, vec2<f32>(sum, 0.0));
    if local == 0u {
        let row = job.metrics + (now.row * job.heads + job.head) * 2u;
        set_float(row, totals[0].x);
        set_float(row + 1u, 0.0);
    }
}
