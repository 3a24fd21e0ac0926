//! The vector back-ends of x86-64, and all the `unsafe` of this crate.
//!
//! Safety: the vector types are private to this module's back-ends, and values of them are made only by code
//! that runs inside [`run_avx2`] or [`run_avx512`]. Those two are reached only through a
//! [`Backend`](super::Backend), which exists only after [`has_avx2`] or [`has_avx512`] has found the instructions
//! on this processor. Hence each intrinsic below runs on a processor that has it. The loads and stores check
//! the lengths of their slices; no other memory is touched through pointers.

mod avx2;
mod avx512;
mod single;

use super::Kernel;

pub(super) fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

pub(super) fn has_avx512() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
}

pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    debug_assert!(has_avx2());
    // SAFETY: see the module's comment; the caller holds an AVX2 back-end.
    unsafe { avx2::run(kernel) }
}

pub(super) fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    debug_assert!(has_avx512());
    // SAFETY: see the module's comment; the caller holds an AVX-512 back-end.
    unsafe { avx512::run(kernel) }
}
