//! What an edge of a cell can compute, in any space: the operations of the DARTS space and those of its neighbours.

use std::fmt;

use crate::genotype::Operation;

/// Largest kernel of a primitive.
const KERNEL_MAX: u8 = 7;

/// An operation of an edge. Each but [`Skip`](Self::Skip) and [`None`](Self::None) ends in a batch normalisation, and each
/// convolution begins with a ReLU; `k` is the height and width of a window. The order is that in which the edges of a node
/// from one input are built; the DARTS operations stand in it as in [`Operation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Primitive {
    /// Max pooling (`max_pool_kxk`). With `k` = 2 it halves, and is for edges of stride 2 only.
    MaxPool(u8),
    /// Average pooling over the pixels inside the image (`avg_pool_kxk`).
    AveragePool(u8),
    /// Identity; of stride 2 a factorised reduction (`skip_connect`).
    Skip,
    /// Two depthwise separable convolutions, of which the first has the stride (`sep_conv_kxk`).
    Separable(u8),
    /// One depthwise separable convolution of dilation 2 (`dil_conv_kxk`).
    Dilated(u8),
    /// A plain convolution (`conv_kxk`).
    Convolution(u8),
    /// A 1×k convolution and then a k×1 one, between which nothing stands (`conv_kx1_1xk`). Of stride 2 the second halves both
    /// sides: the same function as with a stride for each of both.
    Factorised(u8),
    /// No connection (`none`).
    None,
}

/// What names of a kind begin with, its primitive of a kernel, and whether a kernel of two pixels is allowed.
type Kind = (&'static str, fn(u8) -> Primitive, bool);

/// The kinds that have a kernel.
const KINDS: [Kind; 5] = [
    ("max_pool_", Primitive::MaxPool, true),
    ("avg_pool_", Primitive::AveragePool, true),
    ("sep_conv_", Primitive::Separable, false),
    ("dil_conv_", Primitive::Dilated, false),
    ("conv_", Primitive::Convolution, false),
];

impl Primitive {
    /// Every one that a name can say, for messages and the space of all cells.
    pub fn all() -> impl Iterator<Item = Self> {
        let kernels = || 1..=KERNEL_MAX;
        let named = KINDS.iter().flat_map(move |(.., make, _)| kernels().map(make));
        [Self::Skip, Self::None]
            .into_iter()
            .chain(named)
            .chain(kernels().map(Self::Factorised))
            .filter(|primitive| Self::from_name(&primitive.to_string()) == Some(*primitive))
    }

    /// The primitive of a name such as `sep_conv_7x7`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "skip_connect" => return Some(Self::Skip),
            "none" => return Some(Self::None),
            _ => {}
        }
        if let Some((high, wide)) = name.strip_prefix("conv_").and_then(|rest| rest.split_once('_')) {
            let kernel = high.strip_suffix("x1").and_then(kernel).filter(|kernel| *kernel >= 3)?;
            return (wide == format!("1x{kernel}") && kernel % 2 == 1).then_some(Self::Factorised(kernel));
        }
        KINDS.iter().find_map(|(prefix, make, halves)| {
            let (height, width) = name.strip_prefix(prefix)?.split_once('x')?;
            let size = kernel(height).filter(|_| height == width)?;
            // A pooling of one pixel is none, and a convolution of even width has no middle.
            let least = if *prefix == "conv_" { 1 } else { 2 };
            let fits = size >= least && (size % 2 == 1 || (*halves && size == 2));
            fits.then(|| make(size))
        })
    }
}

/// A kernel as a name writes it.
fn kernel(text: &str) -> Option<u8> {
    let size = text.parse::<u8>().ok().filter(|size| (1..=KERNEL_MAX).contains(size))?;
    (size.to_string() == text).then_some(size)
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MaxPool(k) => write!(f, "max_pool_{k}x{k}"),
            Self::AveragePool(k) => write!(f, "avg_pool_{k}x{k}"),
            Self::Skip => f.write_str("skip_connect"),
            Self::Separable(k) => write!(f, "sep_conv_{k}x{k}"),
            Self::Dilated(k) => write!(f, "dil_conv_{k}x{k}"),
            Self::Convolution(k) => write!(f, "conv_{k}x{k}"),
            Self::Factorised(k) => write!(f, "conv_{k}x1_1x{k}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl From<Operation> for Primitive {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::MaxPool3x3 => Self::MaxPool(3),
            Operation::AvgPool3x3 => Self::AveragePool(3),
            Operation::SkipConnect => Self::Skip,
            Operation::SepConv3x3 => Self::Separable(3),
            Operation::SepConv5x5 => Self::Separable(5),
            Operation::DilConv3x3 => Self::Dilated(3),
            Operation::DilConv5x5 => Self::Dilated(5),
            Operation::None => Self::None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_nothing_else_is_one() {
        let all: Vec<Primitive> = Primitive::all().collect();
        assert_eq!(all.len(), 2 + 4 + 4 + 3 + 3 + 4 + 3);
        for operation in Operation::ALL {
            assert_eq!(Primitive::from_name(operation.name()), Some(operation.into()));
            assert!(all.contains(&operation.into()));
        }
        assert_eq!(Primitive::from_name("conv_7x1_1x7"), Some(Primitive::Factorised(7)));
        for name in [
            "sep_conv_4x4",
            "sep_conv_3x5",
            "sep_conv_9x9",
            "sep_conv_1x1",
            "sep_conv_03x03",
            "max_pool_1x1",
            "conv_2x2",
            "conv_1x1_1x1",
            "conv_7x1_1x5",
            "conv_",
            "conv_x_",
            "skip",
            "sep_conv_3x3 ",
            "",
        ] {
            assert_eq!(Primitive::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn operations_of_darts_keep_their_order() {
        let operations = Operation::ALL.map(Primitive::from);
        assert!(operations.is_sorted());
    }
}
