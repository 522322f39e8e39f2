// The affine map of a normalisation from its running statistics.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let channel = group.x * WORKGROUP + local;
    if channel >= job.channels {
        return;
    }
    let scale = float_at(job.scale + channel) / sqrt(float_at(job.running_var + channel) + EPSILON);
    let record = job.record + RECORD * channel;
    set_float(record, scale);
    set_float(record + 1u, float_at(job.shift + channel) - scale * float_at(job.running_mean + channel));
}
