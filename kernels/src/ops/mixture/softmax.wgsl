// The weights of a mixture: softmaxes, a row an invocation.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let row = item_index(group, local);
    if row >= job.rows {
        return;
    }
    let first = row * job.choices;
    var largest = float_at(job.numbers + first);
    for (var choice = 1u; choice < job.choices; choice++) {
        largest = max(largest, float_at(job.numbers + first + choice));
    }
    var sum = 0.0;
    for (var choice = 0u; choice < job.choices; choice++) {
        sum += exp(float_at(job.numbers + first + choice) - largest);
    }
    for (var choice = 0u; choice < job.choices; choice++) {
        let weight = exp(float_at(job.numbers + first + choice) - largest) / sum;
        set_float(job.weights + first + choice, weight);
    }
}
