//! What operations read through a ReLU, shown when a step has ended.

use super::CpuBackend;
use super::simd::{Element, Half, Portable, Simd};
use super::steps::Now;
use crate::backend::{Rectified, Show};
use crate::shape::{BLOCK, blocks};

impl CpuBackend {
    /// Shows what the last step's program kept, of the first `images` of its batch.
    pub(super) fn show_rectified(&self, images: usize, show: &mut Show<'_>) {
        if self.train.memory.half_precision {
            self.show_as::<Half>(images, show);
        } else {
            self.show_as::<f32>(images, show);
        }
    }

    fn show_as<E: Element>(&self, images: usize, show: &mut Show<'_>) {
        let memory = &self.train.memory;
        let cx = self.context(memory, &Now::evaluation(0, &[]));
        for &input in &self.train.kept {
            let shape = input.tensor.shape;
            let (elements, pixels) = (shape.elements(), shape.pixels());
            let mut values = vec![0.0; images * elements];
            for block in 0..blocks(images) {
                let from: *const E = memory.tensor(input.tensor, block);
                for element in 0..elements {
                    let mut lanes = [0.0; BLOCK];
                    // SAFETY: no kernel runs now; the step wrote the value and the map of its normalisation, and nothing that
                    // was written later lies there. Portable vectors hold a block and need no instructions.
                    unsafe {
                        let reading = cx.reading::<Portable>(input, element / pixels);
                        reading
                            .apply(E::load::<Portable>(from.add(element * BLOCK)))
                            .store(lanes.as_mut_ptr());
                    }
                    for (lane, value) in lanes.into_iter().enumerate().take(images - block * BLOCK) {
                        values[(block * BLOCK + lane) * elements + element] = value;
                    }
                }
            }
            show(Rectified { shape, values: &values });
        }
    }
}
