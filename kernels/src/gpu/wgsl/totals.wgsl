// Two sums over the invocations of a workgroup, by halves.

var<workgroup> totals: array<vec2<f32>, WORKGROUP>;

// Every invocation gives its part. The first has them in `totals[0]` then, the others behind a barrier.
fn add_up(local: u32, sums: vec2<f32>) {
    totals[local] = sums;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            totals[local] += totals[local + half];
        }
    }
}
