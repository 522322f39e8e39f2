// Gradient of what Dirichlet draws depend on, a row an invocation: slope (dw - sum of w dw), where dw is the sum over the
// row's terms, and that of the divergence from the uniform distribution. mixture_sums.wgsl has the sums.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let row = item_index(group, local);
    if row >= job.rows || now.images == 0u {
        return;
    }
    let begin = word_at(job.table + 2u * row);
    let end = word_at(job.table + 2u * row + 1u);
    let first = row * job.choices;
    var mean = 0.0;
    var total = 0.0;
    var at = begin;
    for (var choice = first; choice < first + job.choices; choice++) {
        let sum = sum_of(job, choice, at, end);
        at = sum.at;
        mean += float_at(job.weights + choice) * sum.value;
        total += shape_of(float_at(job.numbers + choice));
    }
    let of_sum = (total - f32(job.choices)) * trigamma(total);
    at = begin;
    for (var choice = first; choice < first + job.choices; choice++) {
        let sum = sum_of(job, choice, at, end);
        at = sum.at;
        let shape = shape_of(float_at(job.numbers + choice));
        let divergence = min(shape, 1.0) * ((shape - 1.0) * trigamma(shape) - of_sum);
        let scale = bitcast<f32>(job.divergence);
        set_float(job.gradient + choice, float_at(job.slopes + choice) * (sum.value - mean) + scale * divergence);
    }
}
