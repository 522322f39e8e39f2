//! Averages over windows in an ONNX file: of the whole map one node, of a grid one of each window, put together.

use super::{Window, WindowAverage};
use crate::error::Error;
use crate::onnx::{Attribute, Export, Writer};

/// Axes of rows and columns.
const ROWS: usize = 2;
const COLUMNS: usize = 3;

impl Export for WindowAverage {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let value = writer.read(self.input)?;
        let shape = self.input.tensor.shape;
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let band = part(writer, value.clone(), ROWS, row, shape.height);
            let mut averages = Vec::with_capacity(self.columns.len());
            for column in &self.columns {
                let window = part(writer, band.clone(), COLUMNS, column, shape.width);
                averages.push(writer.node(None, "GlobalAveragePool", &[window], Vec::new()));
            }
            rows.push(together(writer, averages, COLUMNS));
        }
        let made = together(writer, rows, ROWS);
        writer.write(self.output, made);
        Ok(())
    }
}

/// A window of an axis that is so long.
fn part(writer: &mut Writer<'_>, value: String, axis: usize, window: &Window, side: usize) -> String {
    if window.length == side {
        return value;
    }
    writer.cut(value, axis as i64, window.start..window.start + window.length)
}

fn together(writer: &mut Writer<'_>, mut values: Vec<String>, axis: usize) -> String {
    if values.len() == 1 {
        return values.remove(0);
    }
    writer.node(None, "Concat", &values, vec![Attribute::int("axis", axis)])
}
