// A step of SGD or Adam: gradients clipped by their global norm, weight decay, moments. Where the norm is no number nothing is
// changed, and the loss of the step becomes none.

const NOT_A_NUMBER: u32 = 0x7fc00000u;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    if now.images == 0u {
        return;
    }
    let gradients = norm_of(job.products, job.runs, local);
    if !gradients.is_number {
        let skips = FLOAT_BITS == 16u && float_at(job.loss_scale + 2u) != 0.0;
        if group.x == 0u && local == 0u && !skips {
            set_word(job.metrics + now.row * job.heads * 2u, NOT_A_NUMBER);
        }
        return;
    }
    let factor = min(1.0, bitcast<f32>(job.grad_clip) / (gradients.norm + 1e-6));
    let rates = job.rates + now.row * job.rates_a_row;
    let end = min((group.x + 1u) * job.run, job.elements);
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        let weight = float_at(job.parameters + element);
        let gradient = float_at(job.gradients + element) * factor + bitcast<f32>(job.weight_decay) * weight;
        let momentum = bitcast<f32>(job.momentum);
        if ADAM {
            let beta2 = bitcast<f32>(job.beta2);
            let first = momentum * float_at(job.momenta + element) + (1.0 - momentum) * gradient;
            let second = beta2 * float_at(job.second + element) + (1.0 - beta2) * gradient * gradient;
            set_float(job.momenta + element, first);
            set_float(job.second + element, second);
            let deviation = sqrt(second) * float_at(rates + 2u) + bitcast<f32>(job.epsilon);
            set_float(job.parameters + element, weight - float_at(rates + 1u) * first / deviation);
        } else {
            let step = momentum * float_at(job.momenta + element) + gradient;
            set_float(job.momenta + element, step);
            set_float(job.parameters + element, weight - float_at(rates) * step);
        }
    }
}
