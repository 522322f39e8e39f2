//! ResNet-18 for small images, and with squeeze and excitation.

use kernels::{Error, Graph, ValueId};

use super::{Features, conv, conv_norm};

/// Channels of each two blocks. All but the first two halve the image.
const WIDTHS: [usize; 4] = [64, 128, 256, 512];
/// Channels for each that squeeze and excitation leaves between its layers.
const REDUCTION: usize = 16;

/// Eight residual blocks of two 3×3 convolutions behind a stem that keeps the size.
pub(super) struct ResNet {
    /// Whether channels are weighed by what all of them say of the image.
    pub(super) squeezes: bool,
}

impl Features for ResNet {
    fn build(&self, graph: &mut Graph, image: ValueId) -> Result<ValueId, Error> {
        let stem = conv_norm(graph, "stem", image, conv(WIDTHS[0], 3, 1))?;
        let mut map = graph.relu(stem);
        for block in 0..2 * WIDTHS.len() {
            let stride = if block > 0 && block % 2 == 0 { 2 } else { 1 };
            map = self.block(graph, &format!("blocks.{block}"), map, WIDTHS[block / 2], stride)?;
        }
        Ok(map)
    }
}

impl ResNet {
    fn block(
        &self,
        graph: &mut Graph,
        name: &str,
        input: ValueId,
        channels: usize,
        stride: usize,
    ) -> Result<ValueId, Error> {
        let first = conv_norm(graph, &format!("{name}.first"), input, conv(channels, 3, stride))?;
        let first = graph.relu(first);
        let mut main = conv_norm(graph, &format!("{name}.second"), first, conv(channels, 3, 1))?;
        let shortcut = if stride == 1 && graph.shape(input).channels == channels {
            input
        } else {
            conv_norm(graph, &format!("{name}.shortcut"), input, conv(channels, 1, stride))?
        };
        if self.squeezes {
            let mean = graph.global_average(main);
            let squeezed = graph.linear(&format!("{name}.squeeze"), mean, channels / REDUCTION, false)?;
            let excited = graph.linear(&format!("{name}.excite"), squeezed, channels, true)?;
            let weights = graph.sigmoid(excited);
            main = graph.scale_channels(name, main, weights)?;
        }
        let sum = graph.sum(name, &[main, shortcut])?;
        Ok(graph.relu(sum))
    }
}
