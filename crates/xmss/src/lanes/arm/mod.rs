//! The vector back-end of 64-bit ARM.
//!
//! Safety: as for x86-64. The vector types are private to this module, and values of them are made only by tasks
//! that run inside [`run_neon`], which is reached only through a [`Backend`](super::Backend) that exists only
//! after [`has_neon`] has found the instructions on this processor.

mod neon;

use super::Kernel;

pub(super) fn has_neon() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
}

pub(super) fn run_neon<K: Kernel>(kernel: K) -> K::Output {
    debug_assert!(has_neon());
    kernel.start::<neon::Neon>()
}
