//! Shape rule of sliding windows.

use crate::error::Error;
use crate::shape::{Shape, window_output};

/// Largest stride: kernels keep a tile of stride × stride pixels.
const STRIDE_MAX: usize = 16;

/// Largest padding: kernels keep rows with it.
const PADDING_MAX: usize = 64;

/// Shape of what windows of `extent` pixels give, with `stride` pixels from one to the next and `padding` around the input.
///
/// # Errors
/// When the window or the stride is 0, the stride or the padding is larger than there is a use for, or the window is larger than
/// the padded input.
pub(super) fn windowed(
    op: &'static str,
    name: &str,
    input: Shape,
    extent: usize,
    stride: usize,
    padding: usize,
) -> Result<Shape, Error> {
    if extent == 0 || !(1..=STRIDE_MAX).contains(&stride) || padding > PADDING_MAX {
        let problem = format!(
            "its window is {extent} pixels wide, its stride {stride} and its padding {padding}; the window is at least 1, \
             the stride 1 to {STRIDE_MAX}, the padding 0 to {PADDING_MAX}"
        );
        return Err(Error::BadSize { op, name: name.to_owned(), problem });
    }
    let side = |size| window_output(size, extent, stride, padding);
    match (side(input.height), side(input.width)) {
        (Some(height), Some(width)) => Ok(Shape { height, width, ..input }),
        _ => Err(Error::WindowTooLarge { op, name: name.to_owned(), window: extent, input, padding }),
    }
}
