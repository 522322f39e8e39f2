// Sums of squares of a run of `job.run` numbers, one run a workgroup: of usual ones, and of ones whose squares, or a sum of
// them, could be too large for 32 bits, made smaller by `LARGE_SCALE` (Blue, 1978). What is no number is among the latter.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let end = min((group.x + 1u) * job.run, job.elements);
    var sum = 0.0;
    var large_sum = 0.0;
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        let number = float_at(job.numbers + element);
        // By its bits, in which what is no number is large.
        let is_usual = (bitcast<u32>(number) & 0x7fffffffu) < LARGE_BITS;
        let small = number * LARGE_SCALE;
        sum += select(0.0, number * number, is_usual);
        large_sum += select(small * small, 0.0, is_usual);
    }
    add_up(local, vec2<f32>(sum, large_sum));
    if local == 0u {
        set_float(job.products + 2u * group.x, totals[0].x);
        set_float(job.products + 2u * group.x + 1u, totals[0].y);
    }
}
