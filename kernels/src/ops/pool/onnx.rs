//! Poolings in an ONNX file, over the pixels inside the image.

use super::{Pool, PoolKind};
use crate::error::Error;
use crate::onnx::{Attribute, Export, Writer};

impl Export for Pool {
    fn export(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let value = writer.read(self.input)?;
        let mut attributes = vec![
            Attribute::ints("kernel_shape", &[self.spec.kernel; 2]),
            Attribute::ints("strides", &[self.spec.stride; 2]),
            Attribute::ints("pads", &[self.spec.padding; 4]),
        ];
        let op_type = match self.spec.kind {
            PoolKind::Max => "MaxPool",
            PoolKind::Average => {
                attributes.push(Attribute::int("count_include_pad", 0));
                "AveragePool"
            }
        };
        let made = writer.node(None, op_type, &[value], attributes);
        writer.write(self.output, made);
        Ok(())
    }
}
