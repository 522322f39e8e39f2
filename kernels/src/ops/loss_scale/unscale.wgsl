// Divides a run of `job.run` gradients by the scale of the loss, and counts those that are no numbers.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    if steps[job.training].images == 0u {
        return;
    }
    // A power of two.
    let factor = 1.0 / float_at(job.loss_scale);
    let end = min((group.x + 1u) * job.run, job.elements);
    var count = 0.0;
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        let gradient = float_at(job.gradients + element) * factor;
        // By its bits: compilers may take it that there are only numbers.
        count += select(0.0, 1.0, (bitcast<u32>(gradient) & 0x7f800000u) == 0x7f800000u);
        set_float(job.gradients + element, gradient);
    }
    add_up(local, vec2<f32>(count, 0.0));
    if local == 0u {
        set_float(job.products + group.x, totals[0].x);
    }
}
