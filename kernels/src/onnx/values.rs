//! How operations read and write values: slices of channels of storages become slices and concatenations of named values.

use super::messages::Attribute;
use super::writer::{Writer, Written, unwritten};
use crate::error::Error;
use crate::program::{Input, NormId, Tensor};

/// The axis of channels.
const CHANNELS: i64 = 1;

impl Writer<'_> {
    /// Says that a map is what lies in a tensor.
    pub(crate) fn write(&mut self, tensor: Tensor, map: String) {
        self.written.push(Written { tensor, name: map, is_row: false });
    }

    /// Says that a row is what lies in a tensor of one pixel.
    pub(crate) fn write_row(&mut self, tensor: Tensor, row: String) {
        self.written.push(Written { tensor, name: row, is_row: true });
    }

    /// Says that a map is what a normalisation makes of a tensor.
    pub(crate) fn write_normalised(&mut self, norm: NormId, tensor: Tensor, map: String) {
        self.normalised.insert(norm, Written { tensor, name: map, is_row: false });
    }

    /// What an operation reads, as a map.
    ///
    /// # Errors
    /// When it was not written.
    pub(crate) fn read(&mut self, input: Input) -> Result<String, Error> {
        let map = match input.norm {
            None => self.read_raw(input.tensor)?,
            Some(norm) => match self.normalised.get(&norm).cloned() {
                Some(whole) => self.part(&whole, input.tensor.channel, input.tensor.shape.channels),
                None => return Err(not_there()),
            },
        };
        Ok(self.rectified(map, input.relu))
    }

    /// What an operation reads of one pixel, as a row.
    ///
    /// # Errors
    /// When it was not written.
    pub(crate) fn read_row(&mut self, input: Input) -> Result<String, Error> {
        let is_it = |written: &&Written| written.is_row && written.tensor == input.tensor;
        if input.norm.is_none()
            && let Some(row) = self.written.iter().find(is_it).map(|written| written.name.clone())
        {
            return Ok(self.rectified(row, input.relu));
        }
        let map = self.read(input)?;
        Ok(self.derived("Flatten", &[map], vec![Attribute::int("axis", 1)]))
    }

    /// What lies in a tensor, as it was produced, as a map.
    ///
    /// # Errors
    /// When it was not written.
    pub(crate) fn read_raw(&mut self, tensor: Tensor) -> Result<String, Error> {
        let overlaps = |written: &&Written| written.tensor.overlaps(tensor);
        let mut parts: Vec<Written> = self.written.iter().filter(overlaps).cloned().collect();
        parts.sort_by_key(|part| part.tensor.channel);
        let end = tensor.channel + tensor.shape.channels;
        let (mut next, mut maps) = (tensor.channel, Vec::with_capacity(parts.len()));
        for part in &parts {
            let first = part.tensor.channel.max(tensor.channel);
            if first != next {
                return Err(not_there());
            }
            next = end.min(part.tensor.channel + part.tensor.shape.channels);
            maps.push(self.part(part, first, next - first));
        }
        if next != end {
            return Err(not_there());
        }
        match maps.as_slice() {
            [map] => Ok(map.clone()),
            _ => Ok(self.derived("Concat", &maps, vec![Attribute::int("axis", CHANNELS as usize)])),
        }
    }

    /// `count` channels of a value from `first` on, counted in its storage, as a map.
    fn part(&mut self, whole: &Written, first: usize, count: usize) -> String {
        let mut map = whole.name.clone();
        if whole.is_row {
            let axes = self.list(&[2, 3]);
            map = self.derived("Unsqueeze", &[map, axes], Vec::new());
        }
        if count == whole.tensor.shape.channels {
            return map;
        }
        let from = first - whole.tensor.channel;
        self.cut(map, CHANNELS, from..from + count)
    }

    /// A part of a value along one axis.
    pub(crate) fn cut(&mut self, value: String, axis: i64, range: std::ops::Range<usize>) -> String {
        let bounds = [range.start as i64, range.end as i64, axis].map(|number| self.list(&[number]));
        let [start, end, axis] = bounds;
        self.derived("Slice", &[value, start, end, axis], Vec::new())
    }

    fn rectified(&mut self, value: String, relu: bool) -> String {
        if relu { self.derived("Relu", &[value], Vec::new()) } else { value }
    }
}

fn not_there() -> Error {
    unwritten("network", "evaluation", "it reads what is there in training only, or nothing wrote")
}
