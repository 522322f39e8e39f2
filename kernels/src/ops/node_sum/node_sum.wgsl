// The sum of up to five edges, each through its normalisation and ReLU and times its drop-path scale and its weight. Bit e of
// `NORMS`, `RELUS`, `DROPS` and `WEIGHTS` says whether edge e has one.

// The affine map of an edge's normalisation.
fn edge_map(edge: u32, record: u32, channel: u32) -> vec2<f32> {
    if ((NORMS >> edge) & 1u) == 1u {
        return vec2<f32>(float_at(record + RECORD * channel), float_at(record + RECORD * channel + 1u));
    }
    return vec2<f32>(1.0, 0.0);
}

// Its drop-path scales.
fn edge_scale(edge: u32, drop: u32, block: u32, quad: u32) -> vec4<f32> {
    if ((DROPS >> edge) & 1u) == 1u {
        let first = drop + block * 16u + quad * 4u;
        return vec4<f32>(float_at(first), float_at(first + 1u), float_at(first + 2u), float_at(first + 3u));
    }
    return vec4<f32>(1.0);
}

// The weight of a mixture.
fn edge_weight(edge: u32, weight: u32) -> f32 {
    if ((WEIGHTS >> edge) & 1u) == 1u {
        return float_at(weight);
    }
    return 1.0;
}

// What is read of an edge without a weight may be any number, and counts as 0.
fn edge_value(value: vec4<f32>, edge: u32, map: vec2<f32>, scale: vec4<f32>, weight: f32) -> vec4<f32> {
    let normalised = select(value, value * map.x + map.y, ((NORMS >> edge) & 1u) == 1u);
    let closed = (normalised < vec4<f32>(0.0)) & vec4<bool>(((RELUS >> edge) & 1u) == 1u);
    let read = select(normalised, vec4<f32>(0.0), closed);
    let scaled = select(read, read * (scale * weight), (((DROPS | WEIGHTS) >> edge) & 1u) == 1u);
    return select(scaled, vec4<f32>(0.0), weight == 0.0);
}

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let strips = strips_of(item_index(group, local), job.pixels / TILE, WALK);
    let quad = strips.quad;
    let block = strips.block;
    if channel >= job.channels || block >= active_blocks(now.images) {
        return;
    }
    let map_0 = edge_map(0u, job.e0_record, channel);
    let map_1 = edge_map(1u, job.e1_record, channel);
    let map_2 = edge_map(2u, job.e2_record, channel);
    let map_3 = edge_map(3u, job.e3_record, channel);
    let map_4 = edge_map(4u, job.e4_record, channel);
    let scale_0 = edge_scale(0u, job.e0_drop, block, quad);
    let weight_0 = edge_weight(0u, job.e0_weight);
    let scale_1 = edge_scale(1u, job.e1_drop, block, quad);
    let weight_1 = edge_weight(1u, job.e1_weight);
    let scale_2 = edge_scale(2u, job.e2_drop, block, quad);
    let weight_2 = edge_weight(2u, job.e2_weight);
    let scale_3 = edge_scale(3u, job.e3_drop, block, quad);
    let weight_3 = edge_weight(3u, job.e3_weight);
    let scale_4 = edge_scale(4u, job.e4_drop, block, quad);
    let weight_4 = edge_weight(4u, job.e4_weight);
    for (var strip = strips.first; strip < strips.count; strip += strips.step) {
        let pixel = strip * TILE;
        for (var t = 0u; t < TILE; t++) {
            let place = (channel * job.pixels + pixel + t) * 4u + quad;
            var sum = vec4<f32>(0.0);
            if ACCUMULATE {
                sum = load_sum(job.sum + block * job.y_block + place);
            }
            if EDGES > 0u {
                sum += edge_value(load_e0(job.e0 + block * job.e0_block + place), 0u, map_0, scale_0, weight_0);
            }
            if EDGES > 1u {
                sum += edge_value(load_e1(job.e1 + block * job.e1_block + place), 1u, map_1, scale_1, weight_1);
            }
            if EDGES > 2u {
                sum += edge_value(load_e2(job.e2 + block * job.e2_block + place), 2u, map_2, scale_2, weight_2);
            }
            if EDGES > 3u {
                sum += edge_value(load_e3(job.e3 + block * job.e3_block + place), 3u, map_3, scale_3, weight_3);
            }
            if EDGES > 4u {
                sum += edge_value(load_e4(job.e4 + block * job.e4_block + place), 4u, map_4, scale_4, weight_4);
            }
            if ROUNDED {
                store_y(job.y + block * job.y_block + place, sum);
            } else {
                store_sum(job.sum + block * job.y_block + place, sum);
            }
        }
    }
}
