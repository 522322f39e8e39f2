//! What bounds a training on this processor: multiply-adds in registers, and copies through memory.

use std::hint::black_box;
use std::thread;

/// Enough chains of dependent additions to hide the latency of one, few enough to stay in registers.
const CHAINS: usize = 10;
/// Multiply-adds of each lane of each chain in one measurement.
const ROUNDS: usize = 1 << 20;
/// Far more than the caches hold.
const COPY_BYTES: usize = 1 << 28;

/// Does 32-bit fused multiply-adds in registers, two FLOPs each, on so many threads at once, with the instructions that
/// the CPU backend would choose. Returns how many FLOPs they were.
pub fn multiply_adds(threads: usize) -> u64 {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| black_box(multiply_add(black_box(0.5), black_box(0.25))));
        }
    });
    (threads * flops()) as u64
}

/// Memory to copy from and to.
#[derive(Debug)]
pub struct Copying {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Default for Copying {
    fn default() -> Self {
        Self { from: vec![1; COPY_BYTES], to: vec![0; COPY_BYTES] }
    }
}

impl Copying {
    /// Copies from memory to memory on one thread. Returns how many bytes, counted once.
    pub fn copy(&mut self) -> u64 {
        self.to.copy_from_slice(black_box(&self.from));
        black_box(&mut self.to);
        self.to.len() as u64
    }
}

/// FLOPs of one call of [`multiply_add`].
fn flops() -> usize {
    2 * ROUNDS * CHAINS * lanes()
}

#[cfg(target_arch = "x86_64")]
fn lanes() -> usize {
    if is_x86_feature_detected!("avx512f") { 16 } else { 8 }
}

#[cfg(not(target_arch = "x86_64"))]
fn lanes() -> usize {
    8
}

/// The instructions that the CPU backend would choose.
#[cfg(target_arch = "x86_64")]
fn multiply_add(x: f32, y: f32) -> f32 {
    #[target_feature(enable = "avx512f,fma")]
    fn avx512(x: f32, y: f32) -> f32 {
        use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps};
        let (x, y) = (_mm512_set1_ps(x), _mm512_set1_ps(y));
        let mut sums = [y; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, x, y);
            }
        }
        sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2(x: f32, y: f32) -> f32 {
        use std::arch::x86_64::{_mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps};
        let (x, y) = (_mm256_set1_ps(x), _mm256_set1_ps(y));
        let mut sums = [y; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, x, y);
            }
        }
        sums.into_iter().map(|sum| _mm256_cvtss_f32(sum)).sum()
    }

    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the instructions that the function is compiled for.
        unsafe { avx512(x, y) }
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: as above.
        unsafe { avx2(x, y) }
    } else {
        plain(x, y)
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_add(x: f32, y: f32) -> f32 {
    plain(x, y)
}

/// What the compiler makes of it. A multiplication and an addition, as the CPU backend's portable kernels have it.
fn plain(x: f32, y: f32) -> f32 {
    let mut sums = [[y; 8]; CHAINS];
    for _ in 0..ROUNDS {
        for sum in sums.as_flattened_mut() {
            *sum = *sum * x + y;
        }
    }
    sums.as_flattened().iter().sum()
}
