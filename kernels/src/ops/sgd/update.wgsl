// A step of SGD: gradients clipped by their global norm, weight decay, momentum. Where the norm is no number nothing is changed,
// and the loss of the step becomes none.

var<workgroup> squares: array<f32, WORKGROUP>;
var<workgroup> large_squares: array<f32, WORKGROUP>;

const NOT_A_NUMBER: u32 = 0x7fc00000u;

// By its bits: compilers may take it that there are only numbers.
fn is_number(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    if now.images == 0u {
        return;
    }
    var sum = 0.0;
    var large_sum = 0.0;
    for (var run = local; run < job.runs; run += WORKGROUP) {
        sum += float_at(job.squares + 2u * run);
        large_sum += float_at(job.squares + 2u * run + 1u);
    }
    squares[local] = sum;
    large_squares[local] = large_sum;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            squares[local] += squares[local + half];
            large_squares[local] += large_squares[local + half];
        }
    }
    workgroupBarrier();
    let all = large_squares[0] + squares[0] * LARGE_SCALE * LARGE_SCALE;
    let norm = select(sqrt(squares[0]), sqrt(all) / LARGE_SCALE, large_squares[0] != 0.0);
    if !is_number(all) {
        if group.x == 0u && local == 0u {
            set_word(job.metrics + now.row * job.heads * 2u, NOT_A_NUMBER);
        }
        return;
    }
    let factor = min(1.0, bitcast<f32>(job.grad_clip) / (norm + 1e-6));
    let end = min((group.x + 1u) * job.run, job.elements);
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        let weight = float_at(job.parameters + element);
        let gradient = float_at(job.gradients + element) * factor + bitcast<f32>(job.weight_decay) * weight;
        let step = bitcast<f32>(job.momentum) * float_at(job.momenta + element) + gradient;
        set_float(job.momenta + element, step);
        set_float(job.parameters + element, weight - now.learning_rate * step);
    }
}
