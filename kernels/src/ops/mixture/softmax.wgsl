// The weights of a mixture: softmaxes, a row an invocation.

// What the softmax is of.
fn logit(job: Job, now: Step, number: u32) -> f32 {
    let a = float_at(job.numbers + number);
    if DRAWN {
        return (a + gumbel(job, now, number)) / now.temperature;
    }
    return a;
}

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let row = item_index(group, local);
    if row >= job.rows || now.images == 0u {
        return;
    }
    let first = row * job.choices;
    var largest = logit(job, now, first);
    var drawn = 0u;
    for (var choice = 1u; choice < job.choices; choice++) {
        let a = logit(job, now, first + choice);
        if a > largest {
            largest = a;
            drawn = choice;
        }
    }
    var sum = 0.0;
    for (var choice = 0u; choice < job.choices; choice++) {
        sum += exp(logit(job, now, first + choice) - largest);
    }
    for (var choice = 0u; choice < job.choices; choice++) {
        let weight = exp(logit(job, now, first + choice) - largest) / sum;
        set_float(job.concrete + first + choice, weight);
        if ONE_HOT {
            set_float(job.weights + first + choice, select(0.0, 1.0, choice == drawn));
        }
    }
}
