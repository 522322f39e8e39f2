// The weights of a mixture as draws of Dirichlet's distribution, a row an invocation: what dirichlet.rs has, in 32 bits.

const TRIES = 16u;
const TRY_BITS = 4u;
const LEAST = 1e-30;
const TERMS = 200u;
const SMALL = 1e-7;

// -ln of a uniform number of a word.
fn minus_log(word: u32) -> f32 {
    // 1 - x is uniform as x is, and its logarithm is exact near 1 too.
    return exponential(1.0 - (f32(word >> 9u) + 0.5) * (1.0 / 8388608.0));
}

fn gamma(job: Job, now: Step, number: u32, shape: f32) -> f32 {
    let image = word_at(job.order + now.first);
    let d = select(shape, shape + 1.0, shape < 1.0) - 1.0 / 3.0;
    let c = 1.0 / sqrt(9.0 * d);
    for (var attempt = 0u; attempt < TRIES; attempt++) {
        let sub = (job.mixture << 16u) | (number << TRY_BITS) | attempt;
        let words = random(now.seed, MIXTURE, sub, now.epoch, image);
        let angle = (f32(words.y >> 9u) + 0.5) * (1.0 / 8388608.0);
        let normal = sqrt(2.0 * minus_log(words.x)) * cos(6.2831853 * angle);
        let root = 1.0 + c * normal;
        let v = root * root * root;
        if v > 0.0 {
            if -minus_log(words.z) < 0.5 * normal * normal + d - d * v + d * log(v) {
                var lowered = 1.0;
                if shape < 1.0 {
                    lowered = exp(-minus_log(words.w) / shape);
                }
                return max(d * v * lowered, LEAST);
            }
        }
    }
    return shape;
}

fn gamma_slope(shape: f32, x: f32) -> f32 {
    let logarithm = log(x);
    if x > shape + 4.0 * sqrt(shape) + 4.0 {
        var sum = 1.0;
        var sum_slope = 0.0;
        var term = 1.0;
        var term_slope = 0.0;
        for (var k = 1u; k < TERMS; k++) {
            let factor = (shape - f32(k)) / x;
            if abs(factor) >= 1.0 {
                break;
            }
            term_slope = term_slope * factor + term / x;
            term *= factor;
            sum += term;
            sum_slope += term_slope;
        }
        return sum * (logarithm - digamma(shape)) + sum_slope;
    }
    var term = x / shape;
    var psi = digamma(shape + 1.0);
    var sum = 0.0;
    for (var n = 1u; n < TERMS; n++) {
        sum += term * (psi - logarithm);
        if term < SMALL * (1.0 + abs(sum)) && f32(n) > x - shape {
            break;
        }
        let next = shape + f32(n);
        term *= x / next;
        psi += 1.0 / next;
    }
    return sum;
}

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let row = item_index(group, local);
    if row >= job.rows || now.images == 0u {
        return;
    }
    let first = row * job.choices;
    var total = 0.0;
    for (var choice = first; choice < first + job.choices; choice++) {
        let a = float_at(job.numbers + choice);
        let shape = shape_of(a);
        var value = shape;
        var slope = min(shape, 1.0);
        if DRAWN {
            value = gamma(job, now, choice, shape);
            slope *= gamma_slope(shape, value);
        }
        total += value;
        set_float(job.weights + choice, value);
        set_float(job.slopes + choice, slope);
    }
    for (var choice = first; choice < first + job.choices; choice++) {
        set_float(job.weights + choice, float_at(job.weights + choice) / total);
        set_float(job.slopes + choice, float_at(job.slopes + choice) / total);
    }
}
