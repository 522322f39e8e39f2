// Sum of squares of a run of `job.run` gradients, one run a workgroup.

var<workgroup> squares: array<f32, WORKGROUP>;

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let end = min((group.x + 1u) * job.run, job.elements);
    var sum = 0.0;
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        let gradient = float_at(job.gradients + element);
        sum += gradient * gradient;
    }
    squares[local] = sum;
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if local < half {
            squares[local] += squares[local + half];
        }
    }
    if local == 0u {
        set_float(job.squares + group.x, squares[0]);
    }
}
