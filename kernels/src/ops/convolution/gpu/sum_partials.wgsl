// Adds up the partial sums of weights' gradients, in order.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let element = item_index(group, local);
    if element >= job.elements || now.images == 0u {
        return;
    }
    var sum = 0.0;
    for (var part = 0u; part < job.parts; part++) {
        sum += bitcast<f32>(load_partials(job.partials + part * job.elements + element));
    }
    set_float(job.gradient + element, sum);
}
