//! From the bytes of a picture to its pixels.
//!
//! Which format it is its first bytes say, not its name. What a picture has beside red, green and blue (alpha, colour
//! profiles) is dropped, 16 bits become 8, CMYK becomes RGB, and of an animation the first frame counts, as in torchvision.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

/// Version of what decoding gives. It is part of the digests of streamed sets: raise it when the same file would give other
/// pixels, which another release of a decoder may do.
pub(in crate::data) const DECODING: u64 = 1;

/// Most pixels of a picture. A larger one is refused before anything is decoded, for a small file can claim any size.
const PIXELS_MAX: u64 = 1 << 26;
/// Bytes that decoding one may take: 8 a pixel with 16 bits and alpha, and as much again for what a format needs.
const BYTES_MAX: u64 = 16 * PIXELS_MAX;
/// Second bytes of markers in a JPEG file, whose first is `0xff`: where coded pixels begin, and where the image ends.
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// A picture as it should be looked at, in 8-bit RGB.
pub(in crate::data) struct Picture {
    /// Pixels from left to right.
    pub(in crate::data) width: usize,
    /// Pixels from top to bottom.
    pub(in crate::data) height: usize,
    /// `[row][column][channel]`.
    pub(in crate::data) rgb: Vec<u8>,
}

/// Decodes a picture and turns it as its Exif record says.
///
/// # Errors
/// Why it cannot be used, as text.
pub(in crate::data) fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = opened(bytes)?;
    // Where that is damaged the picture stays as it lies.
    let orientation = decoder.orientation().ok();
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| problem(&error))?;
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    let image = image.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Picture { width, height, rgb: image.into_raw() })
}

/// Looks at what begins a picture, and ends a JPEG file: whether it is one, and not too large.
///
/// # Errors
/// Why it cannot be used, as text.
pub(in crate::data) fn check_header(bytes: &[u8]) -> Result<(), String> {
    opened(bytes).map(|_| ())
}

fn opened(bytes: &[u8]) -> Result<impl ImageDecoder, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    let Some(format) = reader.format() else {
        return Err("it is no JPEG, PNG, GIF, WebP, BMP, TIFF or PNM file".to_owned());
    };
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(BYTES_MAX);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| problem(&error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(format!("it has {width} × {height} pixels"));
    }
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        let most = PIXELS_MAX / 1_000_000;
        return Err(format!("it has {width} × {height} pixels, more than {most} million"));
    }
    if format == ImageFormat::Jpeg && is_cut(bytes) {
        return Err("it is cut: the end of the image is missing".to_owned());
    }
    Ok(decoder)
}

fn problem(error: &ImageError) -> String {
    match error {
        ImageError::Limits(_) => format!("it needs more than {} MiB to be decoded", BYTES_MAX >> 20),
        error => format!("it cannot be decoded ({error})"),
    }
}

/// Whether a JPEG file does not come to the end of its image: its decoder fills up with grey what is missing. What lies
/// behind that end (padding, the film of a motion photo) says nothing, and neither does the end of a thumbnail, which
/// is in a segment of the header: so the markers are walked through as a decoder does.
fn is_cut(bytes: &[u8]) -> bool {
    // Behind the marker that begins an image.
    let (mut place, mut is_scan) = (2, false);
    while let Some(marker) = next_marker(bytes, &mut place) {
        match marker {
            END_OF_IMAGE => return false,
            _ if has_segment(marker) => {
                let length = bytes
                    .get(place..place + 2)
                    .map_or(0, |two| usize::from(two[0]) << 8 | usize::from(two[1]));
                let end = place + length;
                // Coded pixels that are damaged can look like a segment that is longer than the file.
                if !is_scan || end <= bytes.len() {
                    place = end;
                }
                is_scan |= marker == START_OF_SCAN;
            }
            _ => {}
        }
    }
    true
}

/// The second byte of the next marker at or behind a place, which then is behind it. Among coded pixels `0xff` is
/// followed by 0, and any marker may have more of them before it.
fn next_marker(bytes: &[u8], place: &mut usize) -> Option<u8> {
    let rest = bytes.get(*place..)?;
    let found = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff))?;
    *place += found + 2;
    Some(rest[found + 1])
}

/// Whether a marker is followed by a segment, which begins with its own length: tables, what begins a frame or a scan,
/// notes of programs. Those that begin or end an image or count its restarts stand alone, and reserved ones are damage.
const fn has_segment(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf | 0xda..=0xef | 0xfe)
}
