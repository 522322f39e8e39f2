//! Shape rule of sliding windows.

use crate::error::Error;
use crate::shape::{Shape, window_output};

/// Largest stride: kernels keep a tile of stride × stride pixels.
const STRIDE_MAX: usize = 16;

/// Largest padding: kernels keep rows with it.
const PADDING_MAX: usize = 64;

/// Shape of what windows of `extent` pixels, a height and a width, give with `stride` pixels from one to the next and `padding`
/// above and below the input, and left and right.
///
/// # Errors
/// When the window or the stride is 0, the stride or the padding is larger than there is a use for, or the window is larger than
/// the padded input.
pub(super) fn windowed(
    op: &'static str,
    name: &str,
    input: Shape,
    extent: [usize; 2],
    stride: usize,
    padding: [usize; 2],
) -> Result<Shape, Error> {
    let [height, width] = extent;
    let [above, left] = padding;
    if extent.contains(&0) || !(1..=STRIDE_MAX).contains(&stride) || above.max(left) > PADDING_MAX {
        let problem = format!(
            "its window is {height}×{width} pixels, its stride {stride} and its padding {above}×{left}; the window is at \
             least 1×1, the stride 1 to {STRIDE_MAX}, the padding 0 to {PADDING_MAX} on a side"
        );
        return Err(Error::BadSize { op, name: name.to_owned(), problem });
    }
    let side = |size, side: usize| window_output(size, extent[side], stride, padding[side]);
    match (side(input.height, 0), side(input.width, 1)) {
        (Some(height), Some(width)) => Ok(Shape { height, width, ..input }),
        _ => Err(Error::WindowTooLarge { op, name: name.to_owned(), window: extent, input, padding }),
    }
}
