// Cross-entropy of a head with label smoothing, by one workgroup for the batch: its sum and the number of right answers into
// the step's row of metrics, and in training the gradient of the logits.

// Neighbouring classes' logits: all are asked for before one is used, for each takes as long to come as many classes to add up.
fn logits_at(base: u32) -> array<vec4<f32>, LOGITS> {
    var values: array<vec4<f32>, LOGITS>;
    for (var i = 0u; i < LOGITS; i++) {
        values[i] = load_x(base + i * 4u);
    }
    return values;
}

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    if now.images == 0u {
        return;
    }
    let smoothing = bitcast<f32>(job.smoothing);
    var scale = bitcast<f32>(job.weight) / f32(now.images);
    if BACKWARD && FLOAT_BITS == 16u {
        scale *= float_at(job.loss_scale);
    }
    let quads = active_blocks(now.images) * 4u;
    var loss = 0.0;
    var hit = 0.0;
    for (var item = local; item < quads; item += WORKGROUP) {
        let block = item / 4u;
        let quad = item % 4u;
        let lanes = lanes_there(now.images, block, quad);
        let base = job.x + block * job.x_block + quad;
        var labels = vec4<u32>(0u);
        for (var lane = 0u; lane < 4u; lane++) {
            if lanes[lane] {
                let image = word_at(job.order + now.first + block * 16u + quad * 4u + lane);
                labels[lane] = (word_at(now.labels + image / 2u) >> ((image % 2u) * 16u)) & 65535u;
            }
        }
        var largest = load_x(base);
        var answers = vec4<u32>(0u);
        var total = vec4<f32>(0.0);
        var chosen = vec4<f32>(0.0);
        for (var c = 0u; c < job.classes; c += LOGITS) {
            let values = logits_at(base + c * 4u);
            for (var i = 0u; i < LOGITS; i++) {
                let larger = values[i] > largest;
                largest = select(largest, values[i], larger);
                answers = select(answers, vec4<u32>(c + i), larger);
            }
        }
        var sum = vec4<f32>(0.0);
        for (var c = 0u; c < job.classes; c += LOGITS) {
            let values = logits_at(base + c * 4u);
            for (var i = 0u; i < LOGITS; i++) {
                let value = values[i] - largest;
                total += exp(value);
                sum += value;
                chosen = select(chosen, value, labels == vec4<u32>(c + i));
            }
        }
        let logarithm = log(total);
        let each = logarithm - (1.0 - smoothing) * chosen - smoothing / f32(job.classes) * sum;
        loss += dot(select(vec4<f32>(0.0), each, lanes), vec4<f32>(1.0));
        let right = lanes & (labels == answers) & (chosen == chosen);
        hit += dot(select(vec4<f32>(0.0), vec4<f32>(1.0), right), vec4<f32>(1.0));
        if BACKWARD {
            for (var c = 0u; c < job.classes; c += LOGITS) {
                let values = logits_at(base + c * 4u);
                for (var i = 0u; i < LOGITS; i++) {
                    let value = exp(values[i] - largest) / total;
                    let one = select(vec4<f32>(0.0), vec4<f32>(1.0 - smoothing), labels == vec4<u32>(c + i));
                    let slope = (value - one - smoothing / f32(job.classes)) * scale;
                    give(job, block, c + i, (c + i) * 4u + quad, select(vec4<f32>(0.0), slope, lanes));
                }
            }
        }
    }
    add_up(local, vec2<f32>(loss, hit));
    if local == 0u {
        let row = job.metrics + (now.row * job.heads + job.head) * 2u;
        set_float(row, totals[0].x);
        set_float(row + 1u, totals[0].y);
    }
}
