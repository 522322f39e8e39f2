// Gradients of the weights of a row: sums over its terms.

// The sum over the terms of a weight, which stand side by side from `at` to before `end`.
struct Sum {
    value: f32,
    at: u32,
}

fn sum_of(job: Job, weight: u32, begin: u32, end: u32) -> Sum {
    var sum = Sum(0.0, begin);
    while sum.at < end {
        let entry = job.table + 2u * job.rows + 3u * sum.at;
        if word_at(entry) != weight {
            break;
        }
        sum.value += float_at(job.partials + word_at(entry + 1u));
        sum.at += 1u;
    }
    return sum;
}
