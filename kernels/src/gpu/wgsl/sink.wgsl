// Where a gradient goes: into memory of its own, or on top of what other readers of the same tensor gave. `place` counts quads
// from the start of the block's tensor.

fn give(job: Job, block: u32, place: u32, gradient: vec4<f32>) {
    let sink = job.sink + block * job.sink_block + place;
    var value = gradient;
    if ACCUMULATE {
        value += load_sink(sink);
    }
    store_sink(sink, value);
}
