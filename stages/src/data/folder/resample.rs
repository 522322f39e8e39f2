//! Cutting a part out of a picture and resizing it: antialiased bilinear, as Pillow and torchvision do it.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::decode::Picture;

/// A rectangle of pixels in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) struct Part {
    pub(in crate::data) left: usize,
    pub(in crate::data) top: usize,
    pub(in crate::data) width: usize,
    pub(in crate::data) height: usize,
}

impl Picture {
    /// All of it.
    fn whole(&self) -> Part {
        Part { left: 0, top: 0, width: self.width, height: self.height }
    }

    /// A part, resized to `height` × `width`; pixels around it have no part in it.
    ///
    /// # Errors
    /// When the part does not lie in the picture, or is to have no pixels, as text.
    pub(in crate::data) fn resized(
        &self,
        part: Part,
        (height, width): (usize, usize),
    ) -> Result<Picture, String> {
        let mut rgb = vec![0; 3 * height * width];
        let failed = |error: &dyn std::fmt::Display| format!("it cannot be resized ({error})");
        let from = TypedImageRef::<U8x3>::from_buffer(self.width as u32, self.height as u32, &self.rgb)
            .map_err(|error| failed(&error))?;
        let [left, top, part_width, part_height] =
            [part.left, part.top, part.width, part.height].map(|side| side as u32);
        let from = TypedCroppedImage::from_ref(&from, left, top, part_width, part_height)
            .map_err(|error| failed(&error))?;
        let mut to = TypedImage::<U8x3>::from_buffer(width as u32, height as u32, &mut rgb)
            .map_err(|error| failed(&error))?;
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false);
        Resizer::new().resize_typed(&from, &mut to, &options).map_err(|error| failed(&error))?;
        Ok(Picture { width, height, rgb })
    }

    /// Resized so that its shorter side is `shorter`, then the `size` × `size` pixels in the middle.
    ///
    /// # Errors
    /// As [`Picture::resized`].
    pub(in crate::data) fn centre(&self, shorter: usize, size: usize) -> Result<Picture, String> {
        let least = self.width.min(self.height).max(1);
        // Cut as torchvision does, so that the longer side has the same pixels.
        let scaled = |side: usize| (side * shorter / least).max(size);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let resized = if (width, height) == (self.width, self.height) {
            None
        } else {
            Some(self.resized(self.whole(), (height, width))?)
        };
        let from = resized.as_ref().unwrap_or(self);
        // Halves are rounded to even numbers, as Python does it.
        let first = |side: usize| ((side - size) as f64 / 2.0).round_ties_even() as usize;
        let (left, top) = (first(width), first(height));
        let mut rgb = Vec::with_capacity(3 * size * size);
        for row in from.rgb.chunks_exact(3 * width).skip(top).take(size) {
            rgb.extend_from_slice(&row[3 * left..3 * (left + size)]);
        }
        Ok(Picture { width: size, height: size, rgb })
    }

    /// Writes its pixels channel by channel, `[channel][row][column]`.
    pub(in crate::data) fn write_planes(&self, to: &mut [u8]) {
        let plane = self.width * self.height;
        for (channel, plane) in to.chunks_exact_mut(plane).enumerate() {
            for (to, pixel) in plane.iter_mut().zip(self.rgb.chunks_exact(3)) {
                *to = pixel[channel];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: usize, height: usize) -> Picture {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        Picture { width, height, rgb }
    }

    #[test]
    fn halving_averages_antialiased_and_what_lies_around_a_part_has_no_part_in_it() {
        let picture = Picture { width: 4, height: 2, rgb: [0, 80, 200, 200].repeat(2).repeat(3) };
        let mut picture = picture;
        picture.rgb = [0u8, 80, 200, 200].repeat(2).into_iter().flat_map(|value| [value; 3]).collect();
        let whole = picture.resized(picture.whole(), (1, 2)).unwrap();
        // The kernel [1, 3, 3, 1] / 8 without what lies outside: (3·0 + 3·80 + 200) / 7.
        assert_eq!(whole.rgb[0], 63);
        let part = Part { left: 0, top: 0, width: 2, height: 2 };
        assert_eq!(picture.resized(part, (1, 1)).unwrap().rgb, [40; 3]);
        let outside = Part { left: 3, top: 0, width: 2, height: 2 };
        assert!(picture.resized(outside, (1, 1)).is_err());
    }

    #[test]
    fn the_middle_is_taken_and_planes_are_written() {
        let middle = ramp(10, 5).centre(5, 4).unwrap();
        assert_eq!((middle.rgb[0], middle.rgb[1]), (3, 0));
        let mut planes = vec![0; 48];
        middle.write_planes(&mut planes);
        assert_eq!(planes[..4], [3, 4, 5, 6]);
        assert_eq!(planes[16..24], [0, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(planes[32..], [7; 16]);
        // One pixel becomes as many as are asked for.
        assert_eq!(ramp(1, 1).centre(9, 8).unwrap().rgb, [0, 0, 7].repeat(64));
    }
}
