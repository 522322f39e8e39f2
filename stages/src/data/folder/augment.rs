//! How a training image is seen in an epoch: a random part of it, resized, in other colours, perhaps mirrored. The ImageNet
//! recipe of DARTS, by torchvision's definitions (`RandomResizedCrop`, `ColorJitter`,
//! `RandomHorizontalFlip`).
//!
//! All that is drawn is a function of seed, epoch and the image's number.

use kernels::{Purpose, below, random, unit};

use super::decode::Picture;
use super::resample::Part;
use crate::portable::{exp, ln};

/// Share of the image's area that a part may have.
const SCALE: (f64, f64) = (0.08, 1.0);
/// Width by height of a part.
const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);
/// Draws of a part before the middle is taken.
const ATTEMPTS: u32 = 10;
/// How far the factors of brightness, contrast and saturation go from 1.
const JITTER: f32 = 0.4;
/// How far the hue goes from 0, in turns.
const HUE: f32 = 0.2;
/// Words of [`Purpose::Crop`] behind those of the attempts, and the one that devices draw by.
const FLIP: u32 = ATTEMPTS + 1;
const COLOURS: u32 = ATTEMPTS + 2;
/// Weights of red, green and blue in an image's grey (ITU-R 601).
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

/// What is drawn for an image.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::data) struct View {
    part: Part,
    flip: bool,
    /// Changes of colour, in their order.
    colours: [Colour; 4],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Colour {
    Brightness(f32),
    Contrast(f32),
    Saturation(f32),
    Hue(f32),
}

impl View {
    /// Draws for the image `image` of `height` × `width` pixels in `epoch`.
    pub(in crate::data) fn draw(seed: u64, epoch: u32, image: u32, (height, width): (usize, usize)) -> Self {
        let words = |sub: u32| random(seed, Purpose::Crop, sub, epoch, image);
        let part = (1..=ATTEMPTS).find_map(|attempt| part(words(attempt), (height, width)));
        let [flip, order, ..] = words(FLIP);
        let factor = |word: u32, most: f32| most * (2.0 * unit(word) - 1.0);
        let [brightness, contrast, saturation, hue] = words(COLOURS);
        let mut colours = [
            Colour::Brightness(1.0 + factor(brightness, JITTER)),
            Colour::Contrast(1.0 + factor(contrast, JITTER)),
            Colour::Saturation(1.0 + factor(saturation, JITTER)),
            Colour::Hue(factor(hue, HUE)),
        ];
        // One of the 24 orders, digit by digit (Fisher and Yates).
        let mut left = below(order, 24);
        for last in (1..4).rev() {
            colours.swap(last as usize, (left % (last + 1)) as usize);
            left /= last + 1;
        }
        Self { part: part.unwrap_or_else(|| middle(height, width)), flip: flip >> 31 == 1, colours }
    }

    /// The image as it is seen, `size` × `size` pixels.
    ///
    /// # Errors
    /// As [`Picture::resized`].
    pub(in crate::data) fn of(&self, picture: &Picture, size: usize) -> Result<Picture, String> {
        let mut seen = picture.resized(self.part, (size, size))?;
        if self.flip {
            for row in seen.rgb.chunks_exact_mut(3 * size) {
                let (pixels, _) = row.as_chunks_mut::<3>();
                pixels.reverse();
            }
        }
        let mut pixels: Vec<[f32; 3]> =
            seen.rgb.as_chunks::<3>().0.iter().map(|pixel| pixel.map(f32::from)).collect();
        self.colours.iter().for_each(|colour| colour.change(&mut pixels));
        for (to, pixel) in seen.rgb.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
            *to = pixel.map(|value| value.round() as u8);
        }
        Ok(seen)
    }
}

/// A part by one attempt, if it lies in the image.
fn part(words: [u32; 4], (height, width): (usize, usize)) -> Option<Part> {
    let between = |word: u32, (low, high): (f64, f64)| low + (high - low) * f64::from(unit(word));
    let area = (height * width) as f64 * between(words[0], SCALE);
    let ratio = exp(between(words[1], (ln(RATIO.0), ln(RATIO.1))));
    let side = |square: f64| square.sqrt().round_ties_even() as usize;
    let (part_width, part_height) = (side(area * ratio), side(area / ratio));
    let lies_inside = (1..=width).contains(&part_width) && (1..=height).contains(&part_height);
    let place = |word: u32, room: usize| below(word, room as u32 + 1) as usize;
    lies_inside.then(|| Part {
        left: place(words[2], width - part_width),
        top: place(words[3], height - part_height),
        width: part_width,
        height: part_height,
    })
}

/// The largest part in the middle whose ratio is allowed.
fn middle(height: usize, width: usize) -> Part {
    let ratio = width as f64 / height as f64;
    let (part_height, part_width) = if ratio < RATIO.0 {
        ((width as f64 / RATIO.0).round_ties_even() as usize, width)
    } else if ratio > RATIO.1 {
        (height, (height as f64 * RATIO.1).round_ties_even() as usize)
    } else {
        (height, width)
    };
    let (part_height, part_width) = (part_height.clamp(1, height), part_width.clamp(1, width));
    Part {
        left: (width - part_width) / 2,
        top: (height - part_height) / 2,
        width: part_width,
        height: part_height,
    }
}

fn grey(pixel: &[f32; 3]) -> f32 {
    GREY[0] * pixel[0] + GREY[1] * pixel[1] + GREY[2] * pixel[2]
}

/// From `other` to `value` and as far beyond as the factor is above 1, cut to what a pixel can be.
fn blend(value: f32, other: f32, factor: f32) -> f32 {
    (other + factor * (value - other)).clamp(0.0, 255.0)
}

impl Colour {
    fn change(self, pixels: &mut [[f32; 3]]) {
        match self {
            Self::Brightness(factor) => {
                pixels.as_flattened_mut().iter_mut().for_each(|value| *value = blend(*value, 0.0, factor));
            }
            Self::Contrast(factor) => {
                let sum: f64 = pixels.iter().map(|pixel| f64::from(grey(pixel))).sum();
                let mean = (sum / pixels.len() as f64) as f32;
                pixels.as_flattened_mut().iter_mut().for_each(|value| *value = blend(*value, mean, factor));
            }
            Self::Saturation(factor) => {
                for pixel in pixels {
                    let grey = grey(pixel);
                    *pixel = pixel.map(|value| blend(value, grey, factor));
                }
            }
            Self::Hue(turn) => pixels.iter_mut().for_each(|pixel| *pixel = turned(*pixel, turn)),
        }
    }
}

/// A pixel whose hue is turned by a part of a whole turn; what is brightest and what is darkest of it stays.
fn turned([red, green, blue]: [f32; 3], turn: f32) -> [f32; 3] {
    let most = red.max(green).max(blue);
    let range = most - red.min(green).min(blue);
    if range == 0.0 {
        return [red, green, blue];
    }
    // Of six sectors.
    let hue = if most == red {
        (green - blue) / range
    } else if most == green {
        2.0 + (blue - red) / range
    } else {
        4.0 + (red - green) / range
    };
    let hue = hue + 6.0 * turn;
    let channel = |offset: f32| {
        let place = hue + offset;
        let place = place - 6.0 * (place / 6.0).floor();
        most - range * place.min(4.0 - place).clamp(0.0, 1.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let (width, height) = (40, 30);
        let rgb = (0..width * height).flat_map(|place| [place % 251, place % 83, place / 5]);
        Picture { width, height, rgb: rgb.map(|value| value as u8).collect() }
    }

    #[test]
    fn parts_have_the_scales_and_ratios_of_the_recipe_and_depend_on_every_counter() {
        let (height, width) = (300, 400);
        let views: Vec<View> = (0..2000).map(|image| View::draw(5, 3, image, (height, width))).collect();
        let mut areas = 0.0;
        for View { part, .. } in &views {
            assert!(part.left + part.width <= width && part.top + part.height <= height, "{part:?}");
            let area = (part.width * part.height) as f64 / (width * height) as f64;
            let ratio = part.width as f64 / part.height as f64;
            assert!((0.078..=1.0).contains(&area) && (0.73..=1.36).contains(&ratio), "{part:?}");
            areas += area / views.len() as f64;
        }
        // A part of ratio r fits an image of 4:3 up to the share ¾r, so that of a draw (m² - 0.08²) / 2(m - 0.08) is left on
        // average, m = min(1, ¾r): 0.435, and not the 0.54 of a square's.
        assert!((0.42..0.45).contains(&areas), "{areas}");
        let flipped = views.iter().filter(|view| view.flip).count();
        assert!((850..1150).contains(&flipped), "{flipped}");
        let firsts = views.iter().filter(|view| matches!(view.colours[0], Colour::Hue(_))).count();
        assert!((400..600).contains(&firsts), "{firsts}");
        let size = (height, width);
        let one = View::draw(5, 3, 7, size);
        assert_eq!(one, View::draw(5, 3, 7, size));
        for other in [View::draw(6, 3, 7, size), View::draw(5, 4, 7, size), View::draw(5, 3, 8, size)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_fits_no_part_is_seen_in_its_middle() {
        let view = View::draw(1, 0, 0, (1, 1000));
        assert_eq!((view.part.height, view.part.width), (1, 1));
        assert_eq!(middle(90, 30), Part { left: 0, top: 25, width: 30, height: 40 });
        assert_eq!(middle(1, 1), Part { left: 0, top: 0, width: 1, height: 1 });
    }

    #[test]
    fn colours_change_as_their_names_say() {
        let change = |colour: Colour, pixels: &[[f32; 3]]| {
            let mut pixels = pixels.to_vec();
            colour.change(&mut pixels);
            pixels
        };
        let pixels = [[200.0, 100.0, 0.0], [10.0, 20.0, 30.0]];
        assert_eq!(change(Colour::Brightness(1.5), &pixels), [[255.0, 150.0, 0.0], [15.0, 30.0, 45.0]]);
        let flat = change(Colour::Contrast(0.0), &pixels);
        assert!(flat.as_flattened().iter().all(|&value| (value - flat[0][0]).abs() < 1e-3));
        let grey = change(Colour::Saturation(0.0), &pixels)[0];
        assert!(grey.iter().all(|value| (value - 118.5).abs() < 1e-3), "{grey:?}");
        let near = |found: [f32; 3], wanted: [f32; 3]| {
            assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.01), "{found:?}, {wanted:?}");
        };
        // Red, a third of a turn on, is green; and a turn of nothing changes nothing.
        near(turned([200.0, 0.0, 0.0], 1.0 / 3.0), [0.0, 200.0, 0.0]);
        near(turned([200.0, 0.0, 0.0], -1.0 / 3.0), [0.0, 0.0, 200.0]);
        near(turned([10.0, 20.0, 30.0], 0.5), [30.0, 20.0, 10.0]);
        for pixel in [[1.0, 2.0, 3.0], [90.0, 20.0, 40.0], [7.0, 7.0, 7.0], [0.0, 255.0, 100.0]] {
            near(turned(pixel, 0.0), pixel);
        }
    }

    #[test]
    fn a_flip_mirrors() {
        let plain = [Colour::Brightness(1.0); 4];
        let part = Part { left: 0, top: 0, width: 40, height: 30 };
        let seen = |flip| View { part, flip, colours: plain }.of(&picture(), 20).unwrap().rgb;
        let (straight, mirrored) = (seen(false), seen(true));
        assert_ne!(straight, mirrored);
        assert_eq!(straight[..3], mirrored[57..60]);
    }
}
