// Copies one buffer to another: as fast as memory can be.

@group(0) @binding(0) var<storage, read> from_here: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> to_there: array<vec4<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) place: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var index = place.x; index < arrayLength(&from_here); index += groups.x * 256u) {
        to_there[index] = from_here[index];
    }
}
