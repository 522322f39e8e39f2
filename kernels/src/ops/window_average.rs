//! Averages over a grid of windows: global average pooling (one window) and the pooling of the auxiliary head
//! (two by two).
//!
//! Backward: every pixel of a window gets `dy / pixels of the window`; windows may overlap.

use crate::Error;
use crate::graph::{Graph, Input, Tensor, ValueId};
use crate::shape::Shape;

/// A run of rows (or columns), from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub(crate) start: usize,
    pub(crate) length: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct WindowAverage {
    pub(crate) input: Input,
    pub(crate) output: Tensor,
    /// Rows of each output row.
    pub(crate) rows: Vec<Window>,
    /// Columns of each output column.
    pub(crate) columns: Vec<Window>,
}

impl WindowAverage {
    pub(crate) fn flops(&self) -> u64 {
        let sum = |windows: &[Window]| windows.iter().map(|w| w.length).sum::<usize>();
        (self.output.shape.channels * sum(&self.rows) * sum(&self.columns)) as u64
    }
}

impl Graph {
    /// Mean over all pixels.
    pub fn global_average(&mut self, input: ValueId) -> ValueId {
        let shape = self.shape(input);
        let rows = vec![Window { start: 0, length: shape.height }];
        let columns = vec![Window { start: 0, length: shape.width }];
        self.window_average(input, false, rows, columns)
    }

    /// ReLU and average pooling to 2×2 as the auxiliary head does it: windows of 5 pixels and stride `size -
    /// 5` on maps 7 or 8 wide, otherwise adaptive windows (`floor(i·size/2) .. ceil((i+1)·size/2)`).
    ///
    /// # Errors
    /// When the map is empty.
    pub fn auxiliary_pool(&mut self, name: &str, input: ValueId) -> Result<ValueId, Error> {
        let shape = self.shape(input);
        let windows = |size: usize| -> Vec<Window> {
            if size == 7 || size == 8 {
                (0..2).map(|i| Window { start: i * (size - 5), length: 5 }).collect()
            } else {
                let window = |i: usize| Window {
                    start: i * size / 2,
                    length: ((i + 1) * size).div_ceil(2) - i * size / 2,
                };
                (0..2).map(window).collect()
            }
        };
        if shape.pixels() == 0 {
            let problem = format!("cannot pool an empty map of {shape}");
            return Err(Error::BadSize { op: "auxiliary pool", name: name.to_owned(), problem });
        }
        Ok(self.window_average(input, true, windows(shape.height), windows(shape.width)))
    }

    fn window_average(
        &mut self,
        input: ValueId,
        relu: bool,
        rows: Vec<Window>,
        columns: Vec<Window>,
    ) -> ValueId {
        let shape = Shape::new(self.shape(input).channels, rows.len(), columns.len());
        let output = Tensor { storage: self.storage(shape), channel: 0, shape };
        let input = self.read(input, relu);
        self.push_window_average(WindowAverage { input, output, rows, columns })
    }
}
