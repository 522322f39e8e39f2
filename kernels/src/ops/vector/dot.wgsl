// Sums of products of two runs of `job.run` numbers, one a workgroup.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let end = min((group.x + 1u) * job.run, job.elements);
    var sum = 0.0;
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        sum += float_at(job.left + element) * float_at(job.right + element);
    }
    add_up(local, vec2<f32>(sum, 0.0));
    if local == 0u {
        set_float(job.products + group.x, totals[0].x);
    }
}
