// Gradient of what softmaxes are of, a row an invocation: w (dw - sum of w dw), where dw is the sum over the row's
// terms (mixture_sums.wgsl). Where one choice is drawn only that one has a dw.

fn drawn(job: Job, choice: u32, gradient: f32) -> f32 {
    if ONE_HOT {
        return select(0.0, gradient, float_at(job.weights + choice) != 0.0);
    }
    return gradient;
}

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
    var at = begin;
    for (var choice = first; choice < first + job.choices; choice++) {
        let sum = sum_of(job, choice, at, end);
        at = sum.at;
        mean += float_at(job.concrete + choice) * drawn(job, choice, sum.value);
    }
    var slope = 1.0;
    if DRAWN {
        slope = 1.0 / now.temperature;
    }
    at = begin;
    for (var choice = first; choice < first + job.choices; choice++) {
        let sum = sum_of(job, choice, at, end);
        at = sum.at;
        let change = drawn(job, choice, sum.value) - mean;
        set_float(job.gradient + choice, slope * float_at(job.concrete + choice) * change);
    }
}
