// Draws the drop-path scale of every edge and image of the batch: 0 or 1 / keep probability.

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let item = item_index(group, local);
    let edge = item / job.lanes;
    let position = item % job.lanes;
    if edge >= job.edges {
        return;
    }
    var scale = 0.0;
    if position < now.images {
        let image = word_at(job.order + now.first + position);
        if unit(random(now.seed, DROP_PATH, edge, now.epoch, image).x) >= now.drop_path {
            scale = 1.0 / (1.0 - now.drop_path);
        }
    }
    set_float(job.drops + item, scale);
}
