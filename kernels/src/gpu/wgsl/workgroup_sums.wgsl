// Sums over the invocations of a workgroup, which leave what they found in memory of the workgroup.

// So many sums of each invocation at a time: half of those of a tile.
var<workgroup> products: array<f32, AT_ONCE * WORKGROUP>;

// All invocations' sums of one element: each adds another invocation's at a time, so that no two want one bank of memory.
fn added_up(element: u32) -> u32 {
    var sum = 0.0;
    for (var other = 0u; other < WORKGROUP; other++) {
        sum += products[element * WORKGROUP + (other + element) % WORKGROUP];
    }
    return bitcast<u32>(sum);
}
