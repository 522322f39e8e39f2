// The scale of the loss for the next gradients, by one workgroup: scale, good gradients in a row, and whether updates are left out.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    if steps[job.training].images == 0u {
        return;
    }
    var count = 0.0;
    for (var run = local; run < job.runs; run += WORKGROUP) {
        count += float_at(job.products + run);
    }
    add_up(local, vec2<f32>(count, 0.0));
    if local != 0u {
        return;
    }
    let scale = float_at(job.loss_scale);
    let good = float_at(job.loss_scale + 1u) + 1.0;
    let are_numbers = totals[0].x == 0.0;
    let skips = !are_numbers && scale > 1.0;
    let grows = are_numbers && good >= GOOD;
    set_float(job.loss_scale, select(select(scale, min(2.0 * scale, LARGEST), grows), scale / 2.0, skips));
    set_float(job.loss_scale + 1u, select(0.0, good, are_numbers && !grows));
    set_float(job.loss_scale + 2u, select(0.0, 1.0, skips));
}
