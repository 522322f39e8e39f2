//! The launch that loads images.

use super::LoadImages;
use crate::gpu::{Arguments, IMAGE_PAGES, Kernel, Lowering, Page, RNG, SetWords, Shader, launch, quads};
use crate::preprocess::CROP_PADDING;
use crate::rng::Purpose;

const LOAD_IMAGES: Shader =
    Shader { name: "load_images", workgroup: 64, files: &[RNG, include_str!("load_images.wgsl")] };

#[cfg(test)]
pub(in crate::ops) const SHADERS: &[&Shader] = &[&LOAD_IMAGES];

impl Kernel for LoadImages {
    fn lower(&self, lowering: &mut Lowering<'_>) {
        let view = lowering.places.tensor(self.output);
        let training = lowering.is_training();
        let preprocess = &lowering.settings.preprocess;
        let state = lowering.places.state;
        for (set, (images, split)) in lowering.sets.iter().zip(lowering.splits).enumerate() {
            let SetWords { rows, columns, .. } = state.sets[set];
            let shape = images.shape();
            let mut arguments = Arguments::default()
                .view("y", "y_block", view)
                .flag("AUGMENT", training && preprocess.augment)
                .constant("CUTOUT", if training { preprocess.cutout } else { 0 })
                .constant("CROP_PADDING", CROP_PADDING)
                .constant("CROP", Purpose::Crop as usize)
                .constant("CUT", Purpose::Cutout as usize)
                .constant("SIZE", preprocess.image_size)
                .constant("SOURCE_HEIGHT", shape.height)
                .constant("SOURCE_WIDTH", shape.width)
                .constant("SOURCE_ELEMENTS", shape.elements())
                .constant("ROW_TAPS", rows.taps)
                .constant("COLUMN_TAPS", columns.taps)
                .field("order", state.order)
                .field("image_set", set)
                .field("images_per_page", split.images_per_page)
                .field("rows", rows.first)
                .field("row_weights", rows.weights)
                .field("columns", columns.first)
                .field("column_weights", columns.weights)
                .field("mean", state.mean)
                .field("deviation", state.deviation);
            for (name, index) in ["images0", "images1", "images2", "images3"].into_iter().zip(0..IMAGE_PAGES)
            {
                let page = index.min(split.pages.saturating_sub(1));
                arguments = arguments.words(name, Page::Images { set, page });
            }
            let launch = launch(
                &LOAD_IMAGES,
                arguments,
                quads(self.output.shape, lowering.settings.batch_size),
                shape.channels,
            );
            lowering.push_for_set(0, Some(set), launch);
        }
    }
}
