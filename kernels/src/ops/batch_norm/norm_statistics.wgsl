// Batch statistics of one channel by one workgroup, in a fixed order: each invocation sums around its own first value, then
// means and squared deviations are combined pairwise (Chan, Golub, LeVeque), so that a large mean cancels nothing.

var<workgroup> counts: array<f32, WORKGROUP>;
var<workgroup> means: array<f32, WORKGROUP>;
var<workgroup> squares: array<f32, WORKGROUP>;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.x;
    if channel >= job.channels || now.images == 0u {
        return;
    }
    let blocks = active_blocks(now.images);
    var count = 0.0;
    var shift = 0.0;
    var sum = vec4<f32>(0.0);
    var square = vec4<f32>(0.0);
    let places = job.pixels * 4u;
    let own = blocks_of(local, places, blocks);
    for (var block = own.first; block < own.end; block += own.step) {
        let lanes = lanes_there(now.images, block, local % 4u);
        if !lanes.x {
            continue;
        }
        let weight = select(vec4<f32>(0.0), vec4<f32>(1.0), lanes);
        let base = job.x + block * job.x_block + channel * places;
        for (var first = own.place; first < places; first += 4u * WORKGROUP) {
            // Four at a time are asked for before one is used.
            var values: array<vec4<f32>, 4>;
            for (var i = 0u; i < 4u; i++) {
                values[i] = load_x(base + min(first + i * WORKGROUP, places - 1u));
            }
            shift = select(shift, values[0].x, count == 0.0);
            for (var i = 0u; i < 4u; i++) {
                let there = first + i * WORKGROUP < places;
                let deviation = select(vec4<f32>(0.0), values[i] - shift, lanes & vec4<bool>(there));
                count += select(0.0, dot(weight, vec4<f32>(1.0)), there);
                sum += deviation;
                square += deviation * deviation;
            }
        }
    }
    let total = dot(sum, vec4<f32>(1.0));
    let mean = total / max(count, 1.0);
    counts[local] = count;
    means[local] = shift + mean;
    squares[local] = max(dot(square, vec4<f32>(1.0)) - total * mean, 0.0);
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            let other = counts[local + half];
            let both = counts[local] + other;
            if other > 0.0 {
                let difference = means[local + half] - means[local];
                squares[local] += squares[local + half] + difference * difference * counts[local] * other / both;
                means[local] += difference * other / both;
                counts[local] = both;
            }
        }
    }
    if local == 0u {
        let number = counts[0];
        let variance = squares[0] / number;
        let scale = float_at(job.scale + channel) / sqrt(variance + EPSILON);
        let record = job.record + RECORD * channel;
        set_float(record, scale);
        set_float(record + 1u, float_at(job.shift + channel) - scale * means[0]);
        set_float(record + 2u, means[0]);
        set_float(record + 3u, 1.0 / sqrt(variance + EPSILON));
        if now.keeps_running != 0u {
            return;
        }
        let unbiased = squares[0] / max(number - 1.0, 1.0);
        let old_mean = float_at(job.running_mean + channel);
        let old_variance = float_at(job.running_var + channel);
        set_float(job.running_mean + channel, old_mean * (1.0 - MOMENTUM) + means[0] * MOMENTUM);
        set_float(job.running_var + channel, old_variance * (1.0 - MOMENTUM) + unbiased * MOMENTUM);
    }
}
