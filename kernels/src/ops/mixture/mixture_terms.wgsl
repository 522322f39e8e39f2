// The gradient of a weight from one term, an invocation: the sum of its partial sums, left in the first of them.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let term = item_index(group, local);
    if term >= job.terms || now.images == 0u {
        return;
    }
    let entry = job.table + 2u * job.rows + 3u * term;
    let first = job.partials + word_at(entry + 1u);
    let count = word_at(entry + 2u);
    var sum = 0.0;
    for (var i = 0u; i < count; i++) {
        sum += float_at(first + i);
    }
    set_float(first, sum);
}
