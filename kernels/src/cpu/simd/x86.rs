//! Vectors of x86 processors: one register of AVX-512, or one of AVX2.

use std::arch::x86_64::{
    __m128, __m256, __m512, _CMP_EQ_OQ, _CMP_GT_OQ, _MM_FROUND_TO_NEAREST_INT, _mm_add_ps, _mm_add_ss,
    _mm_cvtss_f32, _mm_loadl_epi64, _mm_loadu_si128, _mm_movehl_ps, _mm_movelh_ps, _mm_packus_epi16,
    _mm_packus_epi32, _mm_setzero_ps, _mm_shuffle_ps, _mm_storel_epi64, _mm_storeu_ps, _mm_storeu_si128,
    _mm256_add_ps, _mm256_and_ps, _mm256_blendv_ps, _mm256_castps256_ps128, _mm256_castsi256_si128,
    _mm256_cmp_ps, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32, _mm256_cvtph_ps, _mm256_cvtps_epi32,
    _mm256_cvtps_ph, _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_max_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm256_storeu_si256,
    _mm256_sub_ps, _mm512_add_ps, _mm512_castps512_ps128, _mm512_castps512_ps256, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtph_ps, _mm512_cvtps_epi32,
    _mm512_cvtps_ph, _mm512_extractf32x8_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_blend_ps,
    _mm512_maskz_compress_ps, _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_permute_ps,
    _mm512_set1_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps, _mm512_sub_ps,
};

use super::{Simd, Work};

/// Eight lanes.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

/// Sixteen lanes.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

/// Sums of the lanes four apart.
#[inline(always)]
unsafe fn sum8_by_halves(v: __m256) -> __m128 {
    // SAFETY: only register instructions; the caller's processor has AVX.
    unsafe { _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v)) }
}

/// Sums of the lanes two apart of both: of the first in the lower half.
#[inline(always)]
unsafe fn sum4_by_halves(a: __m128, b: __m128) -> __m128 {
    // SAFETY: as above.
    unsafe { _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a)) }
}

/// Sums of the lanes eight apart of both: of the first in the lower half.
#[inline(always)]
unsafe fn sum16_by_halves(a: __m512, b: __m512) -> __m512 {
    // SAFETY: only register instructions; the caller's processor has AVX-512.
    unsafe {
        let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
        let high = _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b);
        _mm512_add_ps(low, high)
    }
}

/// Sum of eight lanes by halves.
#[inline(always)]
unsafe fn sum8(v: __m256) -> f32 {
    // SAFETY: only register instructions; the caller's processor has AVX.
    unsafe {
        let four = sum8_by_halves(v);
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<0b01>(two, two)))
    }
}

// SAFETY (every block below): the trait's contract, that the processor has the instructions and that the
// memory may be accessed, is the instructions' whole contract: unaligned forms are used throughout.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
impl Simd for Avx2 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn outlined(work: impl Work<Self>) {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn call(work: impl Work<Avx2>) {
            unsafe { work.run() }
        }
        unsafe { call(work) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm256_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn load_half(from: *const u16) -> Self {
        unsafe { Self(_mm256_cvtph_ps(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_half(self, to: *mut u16) {
        unsafe { _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0)) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        unsafe { Self(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        unsafe {
            let whole = _mm256_cvtps_epi32(self.0);
            let (low, high) = (_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            let words = _mm_packus_epi32(low, high);
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        unsafe { Self(_mm256_fmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm256_sub_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm256_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn select_greater(self, other: Self, yes: Self, no: Self) -> Self {
        unsafe { Self(_mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0))) }
    }
    #[inline(always)]
    unsafe fn select_equal(self, other: Self, yes: Self) -> Self {
        unsafe { Self(_mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0), yes.0)) }
    }
    #[inline(always)]
    unsafe fn sum_block(block: &[Self]) -> f32 {
        unsafe { sum8(_mm256_add_ps(block[0].0, block[1].0)) }
    }
    #[inline(always)]
    unsafe fn sum_blocks(blocks: [&[Self]; 4]) -> [f32; 4] {
        unsafe {
            let mut fours = [_mm_setzero_ps(); 4];
            for (four, block) in fours.iter_mut().zip(blocks) {
                *four = sum8_by_halves(_mm256_add_ps(block[0].0, block[1].0));
            }
            let [a, b, c, d] = fours;
            let (ab, cd) = (sum4_by_halves(a, b), sum4_by_halves(c, d));
            let even = _mm_shuffle_ps::<0b10_00_10_00>(ab, cd);
            let odd = _mm_shuffle_ps::<0b11_01_11_01>(ab, cd);
            let mut sums = [0.0; 4];
            _mm_storeu_ps(sums.as_mut_ptr(), _mm_add_ps(even, odd));
            sums
        }
    }
}

// SAFETY (every block below): as above.
#[allow(clippy::undocumented_unsafe_blocks, reason = "one reason for all, above")]
impl Simd for Avx512 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn outlined(work: impl Work<Self>) {
        #[inline(never)]
        #[target_feature(enable = "avx512f,avx512dq,avx2,fma,f16c")]
        unsafe fn call(work: impl Work<Avx512>) {
            unsafe { work.run() }
        }
        unsafe { call(work) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm512_loadu_ps(from)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn load_half(from: *const u16) -> Self {
        unsafe { Self(_mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_half(self, to: *mut u16) {
        unsafe {
            _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0));
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(self.0))) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(self.0, b.0, c.0)) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm512_max_ps(self.0, other.0)) }
    }
    #[inline(always)]
    unsafe fn select_greater(self, other: Self, yes: Self, no: Self) -> Self {
        unsafe { Self(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0), no.0, yes.0)) }
    }
    #[inline(always)]
    unsafe fn select_equal(self, other: Self, yes: Self) -> Self {
        unsafe { Self(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0), yes.0)) }
    }
    #[inline(always)]
    unsafe fn sum_block(block: &[Self]) -> f32 {
        unsafe {
            let v = block[0].0;
            sum8(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v)))
        }
    }
    #[inline(always)]
    unsafe fn sum_blocks(blocks: [&[Self]; 4]) -> [f32; 4] {
        // Halves of two blocks side by side, then quarters of all four: fewer steps than four sums, in the same order.
        unsafe {
            let [a, b, c, d] = blocks;
            let (ab, cd) = (sum16_by_halves(a[0].0, b[0].0), sum16_by_halves(c[0].0, d[0].0));
            let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd);
            let odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd);
            let four = _mm512_add_ps(even, odd);
            let two = _mm512_add_ps(four, _mm512_permute_ps::<0b01_00_11_10>(four));
            let one = _mm512_add_ps(two, _mm512_permute_ps::<0b10_11_00_01>(two));
            let mut sums = [0.0; 4];
            let firsts = _mm512_maskz_compress_ps(0b0001_0001_0001_0001, one);
            _mm_storeu_ps(sums.as_mut_ptr(), _mm512_castps512_ps128(firsts));
            sums
        }
    }
}
