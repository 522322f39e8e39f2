//! Both cells of an architecture as a picture (SVG), for light and for dark pages.

use std::fmt::Write;

use super::layout::{Layout, Part, Placed};
use crate::architecture::{CellGraph, Cells, Primitive};
use crate::genotype::INPUTS;

/// Widths of columns of nodes and of operations, and of the room between them for lines, in pixels.
const NODE_WIDTH: f64 = 44.0;
const OPERATION_WIDTH: f64 = 116.0;
const BETWEEN: f64 = 46.0;
/// Empty room at the border, and the height of a heading.
const MARGIN: f64 = 24.0;
const HEADING: f64 = 36.0;

/// Colours of a page, of parts by their kind and of what is written on them; those of dark pages after them.
const STYLE: &str = "\
svg { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; font-size: 13px }
.page { fill: #ffffff } text { fill: #1b1f24; text-anchor: middle }
.heading { font-family: system-ui, 'DejaVu Sans', Arial, sans-serif; font-size: 16px; font-weight: 600; text-anchor: start }
.line { fill: none; stroke: #8c959f; stroke-width: 1.6 } .small { font-size: 11px }
.state, .operation { stroke-width: 1.2 } .state { fill: #eaeef2; stroke: #57606a }
.sep { fill: #ddf4ff; stroke: #218bff } .dil { fill: #dafbe1; stroke: #2da44e }
.pool { fill: #fff1e5; stroke: #e16f24 } .conv { fill: #fbefff; stroke: #a475f9 } .skip { fill: #f6f8fa; stroke: #8c959f }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } text { fill: #e6edf3 } .line { stroke: #6e7681 }
.state { fill: #21262d; stroke: #8b949e } .sep { fill: #0c2d6b; stroke: #388bfd }
.dil { fill: #033a16; stroke: #2ea043 } .pool { fill: #5a1e02; stroke: #db6d28 }
.conv { fill: #3c1e70; stroke: #a371f7 } .skip { fill: #161b22; stroke: #6e7681 }
}";

/// The picture of two cells.
pub(super) fn svg(cells: &Cells) -> String {
    let drawn = [("Normal cell", &cells.normal), ("Reduction cell", &cells.reduce)];
    let drawn = drawn.map(|(heading, cell)| (heading, Drawing::new(cell)));
    let width = drawn.iter().map(|(_, drawing)| drawing.width).fold(0.0, f64::max) + 2.0 * MARGIN;
    let heights: f64 = drawn.iter().map(|(_, drawing)| HEADING + drawing.layout.height() + MARGIN).sum();
    let height = heights + MARGIN;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>The cells of an architecture</title>\n<desc>{cells}</desc>\n\
         <style>\n{STYLE}\n</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n"
    );
    let mut top = MARGIN;
    for (heading, drawing) in &drawn {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "<text class=\"heading\" x=\"{MARGIN}\" y=\"{:.0}\">{heading}</text>",
            top + HEADING / 2.0
        );
        top += HEADING;
        drawing.write(&mut text, top + drawing.layout.height() / 2.0);
        top += drawing.layout.height() + MARGIN;
    }
    text.push_str("</svg>\n");
    text
}

struct Drawing {
    layout: Layout,
    /// Left and right side of each column.
    columns: Vec<(f64, f64)>,
    width: f64,
}

impl Drawing {
    fn new(cell: &CellGraph) -> Self {
        let layout = Layout::new(cell);
        let mut columns = Vec::with_capacity(layout.columns.len());
        let mut left = 0.0;
        for column in &layout.columns {
            let is_operation = |&part: &usize| matches!(layout.parts[part].part, Part::Operation(_));
            let width = if column.iter().any(is_operation) { OPERATION_WIDTH } else { NODE_WIDTH };
            columns.push((left, left + width));
            left += width + BETWEEN;
        }
        Self { layout, columns, width: left - BETWEEN }
    }

    /// Adds it, with its middle at a height.
    fn write(&self, text: &mut String, middle: f64) {
        let _ = writeln!(text, "<g transform=\"translate({MARGIN} {middle:.0})\">");
        for &(from, to) in &self.layout.lines {
            let (from, to) = (self.layout.parts[from], self.layout.parts[to]);
            let (start, end) = (self.columns[from.column].1, self.columns[to.column].0);
            let bend = f64::midpoint(start, end);
            let _ = writeln!(
                text,
                "<path class=\"line\" d=\"M{start:.0} {0:.1}C{bend:.0} {0:.1} {bend:.0} {1:.1} {end:.0} {1:.1}\"/>",
                from.y, to.y
            );
        }
        self.layout.parts.iter().for_each(|placed| self.write_part(text, placed));
        text.push_str("</g>\n");
    }

    fn write_part(&self, text: &mut String, &Placed { part, column, y }: &Placed) {
        let (left, right) = self.columns[column];
        let (middle, width, height) = (f64::midpoint(left, right), right - left, part.height());
        let (class, label, corner) = match part {
            Part::Passage => {
                let _ = writeln!(text, "<path class=\"line\" d=\"M{left:.0} {y:.1}H{right:.0}\"/>");
                return;
            }
            Part::Operation(primitive) => {
                (format!("operation {}", family(primitive)), primitive.to_string(), 6.0)
            }
            Part::State(input) if input < INPUTS => {
                ("state".to_owned(), of_cell(&format!("k-{}", INPUTS - input)), height / 2.0)
            }
            Part::State(node) => ("state".to_owned(), (node - INPUTS).to_string(), height / 2.0),
            Part::Output => ("state".to_owned(), of_cell("k"), height / 2.0),
        };
        let _ = writeln!(
            text,
            "<rect class=\"{class}\" x=\"{left:.0}\" y=\"{:.1}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             rx=\"{corner:.0}\"/>\n<text x=\"{middle:.0}\" y=\"{:.1}\">{label}</text>",
            y - height / 2.0,
            y + 4.5
        );
    }
}

/// The output of a cell, by its number.
fn of_cell(number: &str) -> String {
    format!("<tspan class=\"small\">c[{number}]</tspan>")
}

/// Operations of one kind have one colour.
fn family(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Separable(_) => "sep",
        Primitive::Dilated(_) => "dil",
        Primitive::MaxPool(_) | Primitive::AveragePool(_) => "pool",
        Primitive::Convolution(_) | Primitive::Factorised(_) => "conv",
        Primitive::Skip | Primitive::None => "skip",
    }
}
