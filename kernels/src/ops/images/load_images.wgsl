// Fills the input from resident 8-bit images: crop, flip, antialiased resize, normalise, cutout. An invocation makes one
// pixel of one channel of four images.

fn source_byte(image: u32, offset: u32, job: Job) -> u32 {
    let page = image / job.images_per_page;
    let byte = (image - page * job.images_per_page) * SOURCE_ELEMENTS + offset;
    var word = 0u;
    switch page {
        case 0u: { word = load_images0(byte >> 2u); }
        case 1u: { word = load_images1(byte >> 2u); }
        case 2u: { word = load_images2(byte >> 2u); }
        default: { word = load_images3(byte >> 2u); }
    }
    return (word >> ((byte & 3u) * 8u)) & 255u;
}

fn pixel_of(image: u32, channel: u32, row: u32, column: u32, job: Job, now: Step) -> f32 {
    var crop = vec2<i32>(0, 0);
    var flip = false;
    if AUGMENT {
        let words = random(now.seed, CROP, 0u, now.epoch, image);
        let offsets = 2u * CROP_PADDING + 1u;
        crop = vec2<i32>(i32(below(words.x, offsets)), i32(below(words.y, offsets))) - i32(CROP_PADDING);
        flip = (words.z >> 31u) == 1u;
    }
    if CUTOUT > 0u {
        let words = random(now.seed, CUT, 0u, now.epoch, image);
        let center = vec2<i32>(i32(below(words.x, SIZE)), i32(below(words.y, SIZE)));
        let from_center = vec2<i32>(i32(row), i32(column)) - center + i32(CUTOUT / 2u);
        if all(from_center >= vec2<i32>(0)) && all(from_center < vec2<i32>(i32(CUTOUT))) {
            return 0.0;
        }
    }
    let first_row = word_at(job.rows + row);
    let first_column = word_at(job.columns + column);
    var sum = 0.0;
    for (var i = 0u; i < ROW_TAPS; i++) {
        let y = i32(first_row + i) + crop.x;
        if y < 0 || y >= i32(SOURCE_HEIGHT) {
            continue;
        }
        var line = 0.0;
        for (var k = 0u; k < COLUMN_TAPS; k++) {
            var x = i32(first_column + k);
            if flip {
                x = i32(SOURCE_WIDTH) - 1 - x;
            }
            x += crop.y;
            if x >= 0 && x < i32(SOURCE_WIDTH) {
                let offset = (channel * SOURCE_HEIGHT + u32(y)) * SOURCE_WIDTH + u32(x);
                line += float_at(job.column_weights + column * COLUMN_TAPS + k) * f32(source_byte(image, offset, job));
            }
        }
        sum += float_at(job.row_weights + row * ROW_TAPS + i) * line;
    }
    return (sum / 255.0 - float_at(job.mean + channel)) / float_at(job.deviation + channel);
}

fn invoke(group: vec3<u32>, local: u32) {
    let job = job_at(group.z);
    let now = steps[job.training];
    let channel = group.y;
    let item = item_index(group, local);
    let quad = item % 4u;
    let pixel = (item / 4u) % (SIZE * SIZE);
    let block = item / (4u * SIZE * SIZE);
    if block >= active_blocks(now.images) || now.image_set != job.image_set {
        return;
    }
    var values = vec4<f32>(0.0);
    for (var lane = 0u; lane < 4u; lane++) {
        let position = block * 16u + quad * 4u + lane;
        if position < now.images {
            let image = word_at(job.order + now.first + position);
            values[lane] = pixel_of(image, channel, pixel / SIZE, pixel % SIZE, job, now);
        }
    }
    store_y(job.y + block * job.y_block + (channel * SIZE * SIZE + pixel) * 4u + quad, values);
}
