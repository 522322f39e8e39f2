// `to = from`, or 0 where nothing is copied, a run of `job.run` numbers a workgroup.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    if steps[job.training].images == 0u {
        return;
    }
    let end = min((group.x + 1u) * job.run, job.elements);
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        var value = 0.0;
        if COPIES {
            value = float_at(job.source + element);
        }
        set_float(job.result + element, value);
    }
}
