//! Networks that are not made of cells and are called by name.

use std::fmt;

use super::published::same_name;

/// A network of people's design, in its form for small images or, where there is one, for large ones
/// ([`Skeleton`](crate::recipe::Skeleton)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NamedNetwork {
    /// Eight residual blocks (He et al., CVPR 2016).
    ResNet18,
    /// The same with squeeze and excitation (Hu et al., CVPR 2018).
    SeResNet18,
    /// DenseNet-BC of growth 12 (Huang et al., CVPR 2017).
    DenseNet,
    /// Seventeen inverted residuals (Sandler et al., CVPR 2018).
    MobileNetV2,
    /// Sixteen shuffle units of twice the width (Ma et al., ECCV 2018).
    ShuffleNetV2,
}

impl NamedNetwork {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ResNet18, Self::SeResNet18, Self::DenseNet, Self::MobileNetV2, Self::ShuffleNetV2];

    /// Its name in texts and keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResNet18 => "ResNet-18",
            Self::SeResNet18 => "SENet-18",
            Self::DenseNet => "DenseNet-BC",
            Self::MobileNetV2 => "MobileNetV2",
            Self::ShuffleNetV2 => "ShuffleNetV2",
        }
    }

    /// The one that a name means.
    pub(crate) fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|network| same_name(network.name(), name))
    }
}

impl fmt::Display for NamedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
