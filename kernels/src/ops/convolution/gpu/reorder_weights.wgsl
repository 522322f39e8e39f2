// Weights put into quads of neighbouring channels, `[tile][quad of the tile][element]`; where a tile's last quad has no more
// channels it is filled up with zeros.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    if now.images == 0u {
        return;
    }
    let quads = (job.tile + 3u) / 4u;
    for (var item = job.first + item_index(group, local); item < job.end; item += GROUPS * WORKGROUP) {
        let element = item % job.elements;
        let tile = item / job.elements / quads;
        let first = item / job.elements % quads * 4u;
        let place = job.weight + tile * job.tile * job.channel + element / job.run * job.row + element % job.run;
        var weights = vec4<f32>(0.0);
        for (var i = 0u; i < 4u; i++) {
            if first + i < job.tile {
                weights[i] = float_at(place + (first + i) * job.channel);
            }
        }
        store_w(job.w + item, weights);
    }
}
