// A step of SGD: gradients clipped by their global norm, weight decay, momentum.

var<workgroup> squares: array<f32, WORKGROUP>;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    if now.images == 0u {
        return;
    }
    var sum = 0.0;
    for (var run = local; run < job.runs; run += WORKGROUP) {
        sum += float_at(job.squares + run);
    }
    squares[local] = sum;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            squares[local] += squares[local + half];
        }
    }
    workgroupBarrier();
    let factor = min(1.0, bitcast<f32>(job.grad_clip) / (sqrt(squares[0]) + 1e-6));
    let end = min((group.x + 1u) * job.run, job.elements);
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        let weight = float_at(job.parameters + element);
        let gradient = float_at(job.gradients + element) * factor + bitcast<f32>(job.weight_decay) * weight;
        let step = bitcast<f32>(job.momentum) * float_at(job.momenta + element) + gradient;
        set_float(job.momenta + element, step);
        set_float(job.parameters + element, weight - now.learning_rate * step);
    }
}
