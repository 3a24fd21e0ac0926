//! The vector back-ends of x86-64.
//!
//! Safety: the vector types are private to this module, and values of them are made only by tasks that run inside
//! [`run_avx2`] or [`run_avx512`]. Those two are reached only through a [`Backend`](super::Backend), which exists
//! only after [`has_avx2`] or [`has_avx512`] has found the instructions on this processor. Hence each intrinsic
//! below runs on a processor that has it. The loads and stores check the lengths of their slices; no other memory
//! is touched through pointers.

mod avx2;
mod avx512;
mod products;

use super::Kernel;

pub(super) fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

/// With the narrower vectors, which do what does not fill the wide ones.
pub(super) fn has_avx512() -> bool {
    has_avx2()
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
}

pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    debug_assert!(has_avx2());
    kernel.start::<avx2::Avx2>()
}

pub(super) fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    debug_assert!(has_avx512());
    kernel.start::<avx512::Avx512>()
}
