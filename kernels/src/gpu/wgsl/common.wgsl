// What every kernel shares: the state's words, the place of an invocation, and which images of the batch are there.
// `job_at`, `steps`, `word_at`, `set_word` and the slots are declared by the runtime, and so is the entry point, which calls a kernel's `invoke`
// for a workgroup and an invocation of it. A kernel looks its job up by its place along z, and the step that the job's training
// is at by the job's `training`: 0 images when it rests.

// The texel that holds an element, where memory is a texture.
fn texel_at(index: u32) -> vec2<u32> {
    return vec2<u32>(index % ROW, index / ROW);
}

fn float_at(index: u32) -> f32 {
    return bitcast<f32>(word_at(index));
}

fn set_float(index: u32, value: f32) {
    set_word(index, bitcast<u32>(value));
}

// A parameter as it is used in arithmetic.
fn weight_at(index: u32) -> f32 {
    let value = float_at(index);
    if FLOAT_BITS == 16u {
        return unpack2x16float(pack2x16float(vec2<f32>(value, 0.0))).x;
    }
    return value;
}

// Workgroups lie along x over items (quads of lanes of pixels), along y over tiles of channels, along z over jobs.
fn item_index(group: vec3<u32>, local: u32) -> u32 {
    return group.x * WORKGROUP + local;
}

// Which strips of neighbouring pixels of one block an invocation makes: one, or, where it `walks`, every n-th of the block's, so
// that what invocations side by side read next lies behind what they have read.
struct Strips {
    quad: u32,
    block: u32,
    first: u32,
    step: u32,
    count: u32,
}

// Those of an item, of `count` strips a block.
fn strips_of(item: u32, count: u32, walks: bool) -> Strips {
    let step = select(count, WORKGROUP / 4u, walks);
    return Strips(item % 4u, item / (4u * step), (item / 4u) % step, step, count);
}

// A place in an image by a stride or a width: a processor divides integers lane by lane. Exact below 2^23 / 5 even where division
// strays by 2.5 units in the last place; images have at most 2^20 pixels.
fn quotient(place: u32, divisor: u32) -> u32 {
    return u32((f32(place) + 0.5) / f32(divisor));
}

// Whether a place lies in an image, and which pixel of it is read instead where it does not. What is read there is dropped
// again: behind a branch a GPU would not ask for the next pixel before this one is there.
fn is_inside(y: i32, x: i32, height: u32, width: u32) -> bool {
    return y >= 0 && x >= 0 && y < i32(height) && x < i32(width);
}

fn nearest_pixel(y: i32, x: i32, height: u32, width: u32) -> u32 {
    return u32(clamp(y, 0, i32(height) - 1)) * width + u32(clamp(x, 0, i32(width) - 1));
}

// Row and column of a pixel of an image of so many columns.
fn row_and_column(pixel: u32, width: u32) -> vec2<u32> {
    let row = quotient(pixel, width);
    return vec2<u32>(row, pixel - row * width);
}

// Blocks that hold one of `images` images; a last batch that is not full has fewer.
fn active_blocks(images: u32) -> u32 {
    return (images + 15u) / 16u;
}

// A walk over some of the quads of a batch, from one to the next without a division: so many are `left`.
struct Walk {
    block: u32,
    place: u32,
    blocks_a_step: u32,
    places_a_step: u32,
    places: u32,
    left: u32,
}

// Every `step`-th quad from `first` on, at most `most`, of blocks of `places` quads.
fn walk(first: u32, step: u32, most: u32, places: u32, blocks: u32) -> Walk {
    let all = places * blocks;
    let left = min(most, (max(all, first) - first + step - 1u) / step);
    return Walk(first / places, first % places, step / places, step % places, places, left);
}

// What an invocation of a workgroup reads that goes through all blocks of a channel: blocks from `first` on, in each every
// WORKGROUP-th quad from `place` on. Where a block has fewer quads, the workgroup reads `step` blocks side by side.
struct Blocks {
    first: u32,
    step: u32,
    end: u32,
    place: u32,
}

fn blocks_of(local: u32, places: u32, blocks: u32) -> Blocks {
    let abreast = max(WORKGROUP / places, 1u);
    let first = local / places;
    return Blocks(first, abreast, select(0u, blocks, first < abreast), local % places);
}

// Which of a number of parts of a sum an invocation makes, for which of the tiles. So many parts go side by side through the
// batch: those of a workgroup, through a stretch of their own, one tile after the other.
struct Part {
    part: u32,
    tile: u32,
    abreast: u32,
}

fn part_of(index: u32, parts: u32, tiles: u32) -> Part {
    let abreast = min(parts, WORKGROUP);
    return Part(index / (abreast * tiles) * abreast + index % abreast, index / abreast % tiles, abreast);
}

// The quads of one of so many parts.
fn walk_part(here: Part, parts: u32, places: u32, blocks: u32) -> Walk {
    let most = (places * blocks + parts - 1u) / parts;
    let first = here.part / here.abreast * here.abreast * most + here.part % here.abreast;
    return walk(first, here.abreast, most, places, blocks);
}

fn advance(here: ptr<function, Walk>) {
    (*here).left -= 1u;
    (*here).block += (*here).blocks_a_step;
    (*here).place += (*here).places_a_step;
    if (*here).place >= (*here).places {
        (*here).place -= (*here).places;
        (*here).block += 1u;
    }
}

// Which of the four lanes of a quad hold one of `images` images.
fn lanes_there(images: u32, block: u32, quad: u32) -> vec4<bool> {
    return vec4<u32>(block * 16u + quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(images);
}
