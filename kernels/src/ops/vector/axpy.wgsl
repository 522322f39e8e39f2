// `to += scale · from`, a run of `job.run` numbers a workgroup.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    if now.images == 0u {
        return;
    }
    var scale = bitcast<f32>(job.factor);
    if RATED {
        scale *= float_at(job.rates + now.row * job.rates_a_row);
    }
    if NORMED {
        let norm = norm_of(job.products, job.runs, local).norm;
        scale = select(scale * norm, scale / (norm + NORM_EPSILON), DIVIDES);
    }
    let end = min((group.x + 1u) * job.run, job.elements);
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        let sum = float_at(job.result + element) + scale * float_at(job.source + element);
        set_float(job.result + element, sum);
    }
}
