//! Learning curves as event files, which `TensorBoard` shows. A file is a row of records (length, bytes, and a checksum
//! of each), a record an `Event` message with the numbers of its fields as TensorFlow's `event.proto` and
//! `summary.proto` have them.

use std::path::PathBuf;

use prost::Message;

use crate::engine::explain::short;
use crate::engine::logged::{LoggedEpoch, LoggedTraining};

/// The name of every file: readers know event files by the word in the middle, and sort those of a folder by the time
/// behind it, which says nothing here, for a folder has one file.
const FILE_NAME: &str = "events.out.tfevents.0000000000.nas-pipeline";
/// What the first record of a file says of the format.
const FILE_VERSION: &str = "brain.Event:2";
/// The folder of trainings of which it is not known which node asked for them.
const NO_NODE: &str = "unfinished";

#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    /// In seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    /// One of a `oneof`: written also where it is 0.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// A checksum as records hold it: rotated and shifted, so that that of data which holds checksums is a good one too.
fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Adds a record to a file.
fn push_record(file: &mut Vec<u8>, event: &Event) {
    let bytes = event.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    file.extend_from_slice(&length);
    file.extend_from_slice(&masked_checksum(&length).to_le_bytes());
    file.extend_from_slice(&bytes);
    file.extend_from_slice(&masked_checksum(&bytes).to_le_bytes());
}

/// The file of a training's learning curve, relative to the folder of all, and its bytes: loss and score accuracy by
/// epoch, counted from 1. When an epoch ended is not known; they are spread evenly over the training's time.
pub(crate) fn event_file(training: &LoggedTraining) -> (PathBuf, Vec<u8>) {
    let node = training.nodes.first().map_or(NO_NODE, String::as_str);
    let path = [node, &short(&training.key), FILE_NAME].iter().collect();
    let ended = training.created_unix_ms as f64 / 1000.0;
    let seconds = training.elapsed_ms as f64 / 1000.0;
    let epochs = &training.result.epochs;
    let mut file = Vec::new();
    let begun = Event {
        wall_time: ended - seconds,
        step: 0,
        file_version: Some(FILE_VERSION.to_owned()),
        summary: None,
    };
    push_record(&mut file, &begun);
    for (place, &LoggedEpoch { loss, score_accuracy }) in epochs.iter().enumerate() {
        let scalar = |tag: &str, value: f64| Scalar { tag: tag.to_owned(), simple_value: Some(value as f32) };
        let mut value = vec![scalar("loss", loss)];
        value.extend(score_accuracy.map(|accuracy| scalar("score_accuracy", accuracy)));
        let share = (place + 1) as f64 / epochs.len() as f64;
        let event = Event {
            wall_time: ended - seconds * (1.0 - share),
            step: place as i64 + 1,
            file_version: None,
            summary: Some(Summary { value }),
        };
        push_record(&mut file, &event);
    }
    (path, file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_masked_as_tensorflow_masks_them() {
        // The length of the first record of any file, 24, and its checksum, as TensorFlow's writer has them.
        assert_eq!(masked_checksum(&24_u64.to_le_bytes()).to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn a_value_of_zero_is_written() {
        let scalar = |simple_value| Scalar { tag: String::new(), simple_value };
        assert_ne!(scalar(Some(0.0)).encode_to_vec(), scalar(None).encode_to_vec());
    }
}
