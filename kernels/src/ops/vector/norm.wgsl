// The norm of numbers whose sums of squares `squares.wgsl` left.

// By its bits: compilers may take it that there are only numbers.
fn is_number(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

struct Norm {
    norm: f32,
    is_number: bool,
}

// Every invocation of a workgroup asks for it.
fn norm_of(products: u32, runs: u32, local: u32) -> Norm {
    var sum = 0.0;
    var large_sum = 0.0;
    for (var run = local; run < runs; run += WORKGROUP) {
        sum += float_at(products + 2u * run);
        large_sum += float_at(products + 2u * run + 1u);
    }
    add_up(local, vec2<f32>(sum, large_sum));
    workgroupBarrier();
    let squares = totals[0].x;
    let large_squares = totals[0].y;
    let all = large_squares + squares * LARGE_SCALE * LARGE_SCALE;
    let norm = select(sqrt(squares), sqrt(all) / LARGE_SCALE, large_squares != 0.0);
    return Norm(norm, is_number(all));
}
