//! Vectors of images: the few instructions that the kernels need, for AVX-512, AVX2 and portable code.
//!
//! All implementations give the same bits: multiply-adds are fused, and a block of 16 lanes is summed in one
//! order. What works on vectors is a function that is always inlined, never a closure: a compiler may leave a closure
//! where it is, and then it has none of these instructions.

use crate::shape::BLOCK;

/// A register (or a few) of `LANES` images.
///
/// # Safety
/// All methods of an implementation may be called only where the processor has its instructions; loads and
/// stores only where `LANES` elements may be read or written.
pub(crate) trait Simd: Copy {
    /// Lanes of one vector; divides [`BLOCK`].
    const LANES: usize;
    /// Vectors of one block of images.
    const PER_BLOCK: usize = BLOCK / Self::LANES;
    /// Whether a vector is one register: then kernels are unrolled into them as far as they go.
    const IS_REGISTER: bool = true;

    /// Runs work in a function of its own that is compiled with the vector's instructions.
    unsafe fn outlined(work: impl Work<Self>);
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Loads binary16.
    unsafe fn load_half(from: *const u16) -> Self;
    /// Stores binary16, rounded to nearest even.
    unsafe fn store_half(self, to: *mut u16);
    /// Loads bytes as numbers.
    unsafe fn load_bytes(from: *const u8) -> Self;
    /// Stores whole numbers up to 255 as bytes.
    unsafe fn store_bytes(self, to: *mut u8);
    /// `self · b + c`, rounded once.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// The larger one; `other` where either is not a number.
    unsafe fn max(self, other: Self) -> Self;
    /// `yes` where `self > other`, else `no`.
    unsafe fn select_greater(self, other: Self, yes: Self, no: Self) -> Self;
    /// `yes` where `self == other`, else 0.
    unsafe fn select_equal(self, other: Self, yes: Self) -> Self;
    /// Sum of the lanes of a block: halves are added to each other until one lane is left.
    unsafe fn sum_block(block: &[Self]) -> f32;
    /// The same of four blocks: `PER_BLOCK` vectors each.
    #[inline(always)]
    unsafe fn sum_blocks(blocks: [&[Self]; 4]) -> [f32; 4] {
        // SAFETY: the caller's promise.
        blocks.map(|block| unsafe { Self::sum_block(block) })
    }
}

/// A kernel, or a part of one that is large by itself. Several in one function take minutes to compile, and have fewer
/// registers each.
pub(crate) trait Work<V> {
    /// Does it; always inlined.
    ///
    /// # Safety
    /// As [`Simd`], and what the work's fields say.
    unsafe fn run(self);
}

/// An element of an activation in memory.
pub(crate) trait Element: Copy + Send + Sync {
    /// Whether what is stored is rounded.
    const ROUNDS: bool;

    /// Loads a vector.
    ///
    /// # Safety
    /// As [`Simd::load`].
    unsafe fn load<V: Simd>(from: *const Self) -> V;
    /// Stores a vector.
    ///
    /// # Safety
    /// As [`Simd::store`].
    unsafe fn store<V: Simd>(value: V, to: *mut Self);
}

impl Element for f32 {
    const ROUNDS: bool = false;

    #[inline(always)]
    unsafe fn load<V: Simd>(from: *const Self) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load(from) }
    }

    #[inline(always)]
    unsafe fn store<V: Simd>(value: V, to: *mut Self) {
        // SAFETY: the caller's promise.
        unsafe { value.store(to) }
    }
}

/// A binary16 number in memory.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Half(u16);

impl Element for Half {
    const ROUNDS: bool = true;

    #[inline(always)]
    unsafe fn load<V: Simd>(from: *const Self) -> V {
        // SAFETY: the caller's promise; `Half` is transparent.
        unsafe { V::load_half(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store<V: Simd>(value: V, to: *mut Self) {
        // SAFETY: the caller's promise; `Half` is transparent.
        unsafe { value.store_half(to.cast()) }
    }
}

/// One block in plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; BLOCK]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Simd for Portable {
    const LANES: usize = BLOCK;
    const IS_REGISTER: bool = false;

    #[inline(never)]
    unsafe fn outlined(work: impl Work<Self>) {
        // SAFETY: the caller's promise.
        unsafe { work.run() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; BLOCK])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; BLOCK]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; BLOCK]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn load_half(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; BLOCK]>().read_unaligned() };
        Self(bits.map(|b| half::f16::from_bits(b).to_f32()))
    }

    #[inline(always)]
    unsafe fn store_half(self, to: *mut u16) {
        let bits = self.0.map(|v| half::f16::from_f32(v).to_bits());
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[u16; BLOCK]>().write_unaligned(bits) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[u8; BLOCK]>().read() }.map(f32::from))
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[u8; BLOCK]>().write(self.0.map(|v| v as u8)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(b.0[i], c.0[i])))
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn select_greater(self, other: Self, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] > other.0[i] { yes.0[i] } else { no.0[i] }))
    }

    #[inline(always)]
    unsafe fn select_equal(self, other: Self, yes: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] == other.0[i] { yes.0[i] } else { 0.0 }))
    }

    #[inline(always)]
    unsafe fn sum_block(block: &[Self]) -> f32 {
        let mut lanes = block[0].0;
        let mut width = BLOCK / 2;
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
            width /= 2;
        }
        lanes[0]
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};
