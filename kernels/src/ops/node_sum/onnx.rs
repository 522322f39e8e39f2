//! Sums in an ONNX file. Of one value it is the value, of none a map of zeros.

use super::NodeSum;
use crate::error::Error;
use crate::onnx::{Attribute, Export, Writer, unwritten};
use crate::shape::Shape;

impl Export for NodeSum {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        if self.edges.iter().any(|edge| edge.mixed.is_some()) {
            let problem = "its terms have weights of a mixture, which no architecture has";
            return Err(unwritten("sum", "node", problem));
        }
        let terms: Vec<String> =
            self.edges.iter().map(|edge| writer.read(edge.input)).collect::<Result<_, _>>()?;
        let sum = match terms.as_slice() {
            [] => zeros(writer, self.output.shape),
            [term] => term.clone(),
            [_, _] => writer.node(None, "Add", &terms, Vec::new()),
            _ => writer.node(None, "Sum", &terms, Vec::new()),
        };
        writer.write(self.output, sum);
        Ok(())
    }
}

/// Zeros for as many images as are read.
fn zeros(writer: &mut Writer<'_>, shape: Shape) -> String {
    let images = Writer::images();
    let batch = vec![Attribute::int("start", 0), Attribute::int("end", 1)];
    let batch = writer.node(None, "Shape", &[images], batch);
    let sides = writer.list(&[shape.channels, shape.height, shape.width].map(|side| side as i64));
    let sides = writer.node(None, "Concat", &[batch, sides], vec![Attribute::int("axis", 0)]);
    writer.node(None, "ConstantOfShape", &[sides], Vec::new())
}
