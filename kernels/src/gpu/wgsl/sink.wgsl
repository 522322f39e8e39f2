// Where a gradient goes: into memory of its own, or on top of what other readers of the same tensor gave. With 16 bits
// these add to a sum of 32, and the last of them leaves what is made of it. `place` counts quads from the start of the
// block's tensor.

fn give(job: Job, block: u32, channel: u32, place: u32, gradient: vec4<f32>) {
    let near = block * job.sink_block + place;
    var value = gradient;
    if ACCUMULATE {
        value += load_sum(job.sum + near);
    }
    put(job, channel, near, value);
}

// Whether the gradient of a channel is whole then, and lies apart from its sum.
fn is_whole(job: Job, channel: u32) -> bool {
    return ROUNDED && channel >= job.whole_first && channel - job.whole_first < job.whole_count;
}

// `near` counts quads from the start of the tensor.
fn put(job: Job, channel: u32, near: u32, value: vec4<f32>) {
    if is_whole(job, channel) {
        store_sink(job.sink + near, value);
    } else {
        store_sum(job.sum + near, value);
    }
}
