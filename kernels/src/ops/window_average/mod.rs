//! Averages over a grid of windows: global average pooling (one window) and the pooling of the auxiliary head
//! (two by two).
//!
//! Backward: every pixel of a window gets `dy / pixels of the window`; windows may overlap.

mod cpu;
mod gpu;
mod onnx;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod typical;

#[cfg(test)]
pub(super) use gpu::SHADERS;
#[cfg(test)]
pub(super) use tests::examples;
pub(super) use typical::typical;

use crate::error::Error;
use crate::graph::{Graph, Operation, Tape, ValueId};
use crate::program::{Access, Accesses, Declare, Input, Placement, Sink, Tensor};
use crate::shape::Shape;

/// A run of rows (or columns), from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Window {
    start: usize,
    length: usize,
}

#[derive(Clone, Debug)]
struct WindowAverage {
    input: Input,
    output: Tensor,
    /// Rows of each output row.
    rows: Vec<Window>,
    /// Columns of each output column.
    columns: Vec<Window>,
}

/// Forward.
#[derive(Debug)]
struct Forward {
    op: WindowAverage,
}

/// Gradient of the input.
#[derive(Debug)]
struct Backward {
    op: WindowAverage,
    gradient: Tensor,
    sink: Sink,
}

impl Operation for WindowAverage {
    fn inputs(&self) -> Vec<Input> {
        vec![self.input]
    }

    fn output(&self) -> Option<Tensor> {
        Some(self.output)
    }

    fn elementwise_flops(&self) -> u64 {
        let sum = |windows: &[Window]| windows.iter().map(|w| w.length).sum::<usize>();
        (self.output.shape.channels * sum(&self.rows) * sum(&self.columns)) as u64
    }

    fn forward(&self, tape: &mut Tape) {
        tape.push(Forward { op: self.clone() });
    }

    fn backward(&self, tape: &mut Tape) {
        let Some(gradient) = tape.gradient(self.output, None) else { return };
        if let Some(sink) = tape.sink(self.input) {
            tape.push(Backward { op: self.clone(), gradient: gradient.tensor, sink });
        }
    }
}

impl Declare for Forward {
    fn kind(&self) -> &'static str {
        "window average"
    }

    fn accesses(&self) -> Vec<Access> {
        Accesses::default().reads_input(self.op.input).writes_tensor(self.op.output).list()
    }
}

impl Declare for Backward {
    fn kind(&self) -> &'static str {
        "window average: backward"
    }

    fn accesses(&self) -> Vec<Access> {
        let list = Accesses::default().reads_tensor(self.gradient).reads_input(self.op.input);
        list.gives(self.sink).list()
    }

    fn placement(&self) -> Placement {
        Placement::Late
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
        let output = self.tensor(shape);
        let input = self.read(input, relu);
        self.push_value(WindowAverage { input, output, rows, columns }, output)
    }
}
