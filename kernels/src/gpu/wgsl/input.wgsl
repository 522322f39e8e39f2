// How an operation reads its input: the affine map of a normalisation, then ReLU.

fn input_map(record: u32, channel: u32) -> vec2<f32> {
    if NORM {
        return vec2<f32>(float_at(record + RECORD * channel), float_at(record + RECORD * channel + 1u));
    }
    return vec2<f32>(1.0, 0.0);
}

fn mapped(value: vec4<f32>, map: vec2<f32>) -> vec4<f32> {
    var result = value;
    if NORM {
        result = result * map.x + map.y;
    }
    if RELU {
        result = max(result, vec4<f32>(0.0));
    }
    return result;
}

// What passes back through the ReLU: the gradient where the mapped value is positive.
fn gated(gradient: vec4<f32>, value: vec4<f32>, map: vec2<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), gradient, value * map.x + map.y > vec4<f32>(0.0));
}
