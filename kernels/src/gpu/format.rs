//! How what shaders read and write lies in memory, in numbers that all of this machine shares.

/// Most trainings that share dispatches.
pub const PACKED: usize = 64;

/// Bytes of the records of one step, one of 48 bytes for each training: a multiple of 256, the offset alignment of uniform
/// buffers.
pub(super) const STEP_STRIDE: u64 = 48 * PACKED as u64;

/// Words of one channel of a normalisation: a, b, mean, 1/deviation, A, B, C and one unused.
pub(crate) const NORM_RECORD: usize = 8;

/// Texels of a row of a texture.
pub(crate) const ROW: u32 = 4096;

/// How activations lie in memory, and the state with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Format {
    /// Whether activations have 16 bits.
    pub(crate) half_precision: bool,
    /// Whether quads of lanes, and the words of the state, are texels of textures instead of elements of buffers.
    pub(crate) textured: bool,
}

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// The words of the state.
    State,
    /// A page of other words.
    Words,
    /// A page of quads of lanes.
    Lanes {
        /// Of 16 bits a lane.
        half_precision: bool,
    },
}

impl Holds {
    /// Format of its texels where it is a texture.
    pub(crate) fn texel(self) -> wgpu::TextureFormat {
        match self {
            Self::State | Self::Words => wgpu::TextureFormat::R32Uint,
            Self::Lanes { half_precision: false } => wgpu::TextureFormat::Rgba32Float,
            Self::Lanes { half_precision: true } => wgpu::TextureFormat::Rg32Uint,
        }
    }

    /// Bytes of such a texel.
    pub(crate) fn texel_bytes(self) -> u64 {
        match self {
            Self::State | Self::Words => 4,
            Self::Lanes { half_precision: true } => 8,
            Self::Lanes { half_precision: false } => 16,
        }
    }
}

/// What the elements of a slot are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SlotKind {
    /// Activations, four lanes an element.
    Lanes,
    /// Sums of 32 bits, which lie among activations: where these have 16, four lanes are two elements.
    Sums,
    /// 32-bit words.
    Words,
}

/// Timestamps in a set of them, and bytes of one.
pub(super) const IN_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize;
pub(super) const STAMP_BYTES: u64 = wgpu::QUERY_SIZE as u64;
