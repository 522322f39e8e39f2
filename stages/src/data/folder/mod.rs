//! Pictures in a folder, in any usual format and of any size: decoded into memory, all of one size, or streamed.

mod augment;
mod check;
mod decode;
mod drawn;
mod files;
mod index;
mod lists;
mod resample;
mod streamed;
#[cfg(test)]
mod tests;

use std::path::Path;

use rayon::prelude::*;

use self::files::{File, Files, listed};
use self::index::{Depth, digest_of, facts};
use super::{Dataset, Images, Limits, Raw, Reading, ReadingObserver, ReadingStep, Unreadable};
use crate::Error;

pub use self::check::FolderCheck;
pub use self::drawn::DrawnTest;
pub(super) use self::files::is_here;
pub use self::streamed::{Augmentation, Seen, Streamed, evaluation_side};

/// Mean and standard deviation of ImageNet's training images, as DARTS, torchvision and most others normalise pictures.
const NORMALISATION: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

/// The pictures that a reading takes of a folder.
fn taken(folder: &Path, reading: &Reading, observer: &dyn ReadingObserver) -> Result<(Files, bool), Error> {
    let mut files = Files::find(folder, reading.test_share, observer)?;
    let limits = reading.limits;
    let all = (files.train.len(), files.test.len());
    files.train.truncate(limits.train.unwrap_or(usize::MAX));
    files.test.truncate(limits.test.unwrap_or(usize::MAX));
    let is_part = all != (files.train.len(), files.test.len());
    Ok((files, is_part))
}

/// What a set of pictures is called. Its folder's name is no part of it, so that it may be moved.
fn name(kind: &str, is_part: bool, files: &Files) -> String {
    let (train, test) = (files.train.len(), files.test.len());
    if is_part { format!("{kind}-first-{train}-{test}") } else { format!("{kind}-{train}") }
}

/// Decodes all pictures into memory, the shorter side resized to `reading.resolution` pixels, and the middle taken.
///
/// # Errors
/// When they would take more memory than `reading.memory_mib`, or some cannot be decoded and are not to be skipped.
pub(super) fn read(
    folder: &Path,
    reading: &Reading,
    observer: &dyn ReadingObserver,
) -> Result<Dataset, Error> {
    let (mut files, is_part) = taken(folder, reading, observer)?;
    let size = reading.resolution;
    let image_bytes = 3 * size * size;
    let bytes = (files.train.len() + files.test.len()).saturating_mul(image_bytes) as u64;
    if bytes > reading.memory_mib << 20 {
        let (mib, most) = (bytes.div_ceil(1 << 20), reading.memory_mib);
        return Err(Error::Data {
            path: folder.into(),
            problem: format!("its pictures take {mib} MiB at {size} × {size} pixels, more than {most}"),
            remedy: "stream them (`stream:DIR`, data.set = \"stream\"), lower data.resolution, or raise data.memory_mib"
                .into(),
        });
    }
    let decoded = |files: &[File]| -> Vec<Result<Vec<u8>, String>> {
        let one = |file: &File| -> Result<Vec<u8>, String> {
            let bytes =
                std::fs::read(&file.path).map_err(|source| format!("it cannot be read ({source})"))?;
            let mut planes = vec![0; image_bytes];
            decode::decode(&bytes)?.centre(size, size)?.write_planes(&mut planes);
            Ok(planes)
        };
        files.par_iter().map(one).inspect(|_| observer.picture()).collect()
    };
    observer.begun(ReadingStep::Decoding, Some((files.train.len() + files.test.len()) as u64));
    let (train, test) = (decoded(&files.train), decoded(&files.test));
    let problems = |found: &[Result<Vec<u8>, String>]| -> Vec<Option<String>> {
        found.iter().map(|found| found.as_ref().err().cloned()).collect()
    };
    keep_usable(folder, &mut files, [problems(&train), problems(&test)], reading.unreadable)?;
    let images = |pixels: Vec<Result<Vec<u8>, String>>, files: &[File]| {
        let pixels: Vec<u8> = pixels.into_iter().flatten().flatten().collect();
        Images::new(pixels, files.iter().map(|file| file.label).collect())
    };
    let raw = Raw {
        name: name(&format!("folder-{size}x{size}"), is_part, &files),
        shape: [3, size, size],
        classes: std::mem::take(&mut files.classes),
        normalisation: Some(NORMALISATION),
        train: images(train, &files.train),
        test: images(test, &files.test),
    };
    let Files { drawn_test, notes, .. } = files;
    Ok(Dataset { drawn_test, notes, ..Dataset::new(raw, Limits::default()) })
}

/// Looks at all pictures of a folder, to stream them.
///
/// # Errors
/// When some cannot be used and are not to be skipped.
pub(super) fn stream(
    folder: &Path,
    reading: &Reading,
    observer: &dyn ReadingObserver,
) -> Result<Dataset, Error> {
    let (mut files, is_part) = taken(folder, reading, observer)?;
    // Which ones are skipped must be known before the first epoch.
    let depth = match reading.unreadable {
        Unreadable::Refuse => Depth::Header,
        Unreadable::Skip => Depth::Whole,
    };
    let pictures = files.train.iter().chain(&files.test);
    let mut found = facts(folder, pictures, depth, reading.index.as_deref(), observer);
    let test = found.split_off(files.train.len());
    let problems = |found: &[index::Facts]| found.iter().map(|facts| facts.problem.clone()).collect();
    keep_usable(folder, &mut files, [problems(&found), problems(&test)], reading.unreadable)?;
    let digests = |found: Vec<index::Facts>| {
        found.into_iter().filter(|facts| facts.problem.is_none()).map(|facts| facts.digest).collect()
    };
    let name = name("stream", is_part, &files);
    Ok(streamed::dataset(name, files, [digests(found), digests(test)], NORMALISATION))
}

/// Takes out the pictures of the training and the test images that have a problem, and notes which; or refuses the set.
fn keep_usable(
    folder: &Path,
    files: &mut Files,
    problems: [Vec<Option<String>>; 2],
    unreadable: Unreadable,
) -> Result<(), Error> {
    let [train, test] = problems;
    let named: Vec<String> = (files.train.iter().zip(&train).chain(files.test.iter().zip(&test)))
        .filter_map(|(file, problem)| problem.as_ref().map(|problem| format!("{} ({problem})", file.name)))
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let count = match named.len() {
        1 => "1 picture cannot be used".to_owned(),
        count => format!("{count} pictures cannot be used"),
    };
    let said = format!("{count}: {}", listed(named.iter().map(String::as_str)));
    if unreadable == Unreadable::Refuse {
        return Err(Error::Data {
            path: folder.into(),
            problem: said,
            remedy: "remove or replace what is named, or skip it (data.unreadable = \"skip\")".into(),
        });
    }
    for (files, problems) in [(&mut files.train, train), (&mut files.test, test)] {
        let mut problems = problems.into_iter();
        files.retain(|_| problems.next().flatten().is_none());
    }
    let mut left = vec![0_usize; files.classes.len()];
    files.train.iter().for_each(|file| left[usize::from(file.label)] += 1);
    if let Some(class) = left.iter().position(|&count| count == 0) {
        return Err(Error::Data {
            path: folder.into(),
            problem: format!("of the class {} no training image is left; {said}", files.classes[class]),
            remedy: "put pictures of it there that can be decoded, or remove the class".into(),
        });
    }
    if files.test.is_empty() {
        return Err(Error::Data {
            path: folder.into(),
            problem: format!("no test image is left; {said}"),
            remedy: "put test images there that can be decoded".into(),
        });
    }
    files.notes.push(format!("skipped: {said}"));
    Ok(())
}
