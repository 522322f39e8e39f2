//! Shape rule of sliding windows.

use crate::error::Error;
use crate::shape::{Shape, window_output};

/// Shape of what windows of `extent` pixels give, with `stride` pixels from one to the next and `padding` around the input.
///
/// # Errors
/// When the window or the stride is 0, or the window is larger than the padded input.
pub(super) fn windowed(
    op: &'static str,
    name: &str,
    input: Shape,
    extent: usize,
    stride: usize,
    padding: usize,
) -> Result<Shape, Error> {
    if extent == 0 || stride == 0 {
        let problem = format!("its window is {extent} pixels wide, its stride {stride}; neither can be 0");
        return Err(Error::BadSize { op, name: name.to_owned(), problem });
    }
    let side = |size| window_output(size, extent, stride, padding);
    match (side(input.height), side(input.width)) {
        (Some(height), Some(width)) => Ok(Shape { height, width, ..input }),
        _ => Err(Error::WindowTooLarge { op, name: name.to_owned(), window: extent, input, padding }),
    }
}
