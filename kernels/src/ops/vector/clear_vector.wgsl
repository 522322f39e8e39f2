// `of = 0`, a run of `job.run` numbers a workgroup.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    if steps[job.training].images == 0u {
        return;
    }
    let end = min((group.x + 1u) * job.run, job.elements);
    for (var element = group.x * job.run + local; element < end; element += WORKGROUP) {
        set_float(job.result + element, 0.0);
    }
}
