//! The IDX layout of MNIST and its relatives: a big-endian header, then bytes; plain or gzip.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::idx_names::{Kind, Part, Set};
use super::{Images, Raw};
use crate::Error;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Images of a set may take this much once unpacked, so that a small malicious file cannot fill the memory.
const LARGEST_BYTES: u64 = 1 << 32;

/// The contents of one IDX file of unsigned bytes.
struct Idx {
    dimensions: Vec<usize>,
    bytes: Vec<u8>,
}

/// Reads the four files of a set.
pub(super) fn read(set: &Set) -> Result<Raw, Error> {
    let load = |part: Part| {
        let (images, labels) = (set.file(part, Kind::Images)?, set.file(part, Kind::Labels)?);
        images_of((&images, &bytes(&images)?), (&labels, &bytes(&labels)?))
    };
    let (shape, train) = load(Part::Train)?;
    let (test_shape, test) = load(Part::Test)?;
    let largest = train.labels.iter().copied().max().unwrap_or(0);
    let error = |problem: String| Error::Data {
        path: set.folder().to_path_buf(),
        problem,
        remedy: "use training and test files of one set".into(),
    };
    if shape != test_shape {
        let sizes = |[_, height, width]: [usize; 3]| format!("{height}×{width}");
        return Err(error(format!(
            "test images of {}, but the training images are {}",
            sizes(test_shape),
            sizes(shape)
        )));
    }
    if let Some(label) = test.labels.iter().find(|&&label| label > largest) {
        return Err(error(format!("a test label {label}, but the training labels end at {largest}")));
    }
    let [_, height, width] = shape;
    Ok(Raw {
        name: format!("idx-{height}x{width}-{}", train.count),
        shape,
        classes: (0..=largest).map(|class| class.to_string()).collect(),
        normalisation: None,
        train,
        test,
    })
}

fn bytes(file: &Path) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(|source| Error::Data {
        path: file.into(),
        problem: format!("cannot read the file ({source})"),
        remedy: "check that it is a file and may be read".into(),
    })
}

/// Images and labels out of the bytes of two files; the paths are for messages.
pub(super) fn images_of(
    (image_path, image_file): (&Path, &[u8]),
    (label_path, label_file): (&Path, &[u8]),
) -> Result<([usize; 3], Images), Error> {
    let images = parse(image_path, image_file, 3)?;
    let labels = parse(label_path, label_file, 1)?;
    let &[count, height, width] = images.dimensions.as_slice() else {
        return Err(malformed(image_path, "not three dimensions".into()));
    };
    if count == 0 || height == 0 || width == 0 {
        return Err(malformed(image_path, format!("{count} images of {height}×{width} pixels")));
    }
    if labels.bytes.len() != count {
        return Err(malformed(label_path, format!("{} labels for {count} images", labels.bytes.len())));
    }
    Ok(([1, height, width], Images::new(images.bytes, labels.bytes.into_iter().map(u16::from).collect())))
}

fn malformed(path: &Path, problem: String) -> Error {
    Error::Data {
        path: path.into(),
        problem,
        remedy: "download the file again, or write it in IDX layout".into(),
    }
}

fn parse(path: &Path, file: &[u8], rank: usize) -> Result<Idx, Error> {
    let error = |problem: String| malformed(path, problem);
    let mut unpacked = Vec::new();
    let file = if file.starts_with(&GZIP_MAGIC) {
        let size = MultiGzDecoder::new(file).take(LARGEST_BYTES + 1).read_to_end(&mut unpacked);
        size.map_err(|source| error(format!("the gzip data is damaged ({source})")))?;
        &unpacked
    } else {
        file
    };
    if file.len() as u64 > LARGEST_BYTES {
        return Err(error(format!("more than {LARGEST_BYTES} bytes")));
    }
    let header_bytes = 4 + 4 * rank;
    let Some((header, bytes)) = file.split_at_checked(header_bytes) else {
        return Err(error(format!("{} bytes, shorter than an IDX header ({header_bytes})", file.len())));
    };
    let magic = [0, 0, 8, rank as u8];
    if header[..4] != magic {
        return Err(error(format!(
            "starts with {:02x?}, expected {magic:02x?} (IDX, unsigned bytes, {rank} dimensions)",
            &header[..4]
        )));
    }
    let dimensions: Vec<usize> = header[4..]
        .chunks_exact(4)
        .map(|word| word.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)))
        .collect();
    let expected = dimensions.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if expected != Some(bytes.len()) {
        let sizes: Vec<String> = dimensions.iter().map(usize::to_string).collect();
        let found = bytes.len();
        return Err(error(format!("{found} bytes after the header, but it announces {}", sizes.join(" × "))));
    }
    Ok(Idx { dimensions, bytes: bytes.to_vec() })
}
