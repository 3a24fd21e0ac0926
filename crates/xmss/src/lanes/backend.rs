//! Which instruction set does the hashing, decided once when the program runs.
//!
//! Plonky3 chooses its packings when it is compiled; here every back-end is compiled, so that one release build
//! is fast where the processor allows it and still starts where it does not.

use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use super::arm;
#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{Kernel, Scalar};

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Backend {
    /// The reference, one element at a time; every machine has it.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The names of all there are, on whatever machine; for tests to say which of them they leave out.
    #[doc(hidden)]
    pub const NAMES: [&'static str; 4] = ["scalar", "avx2", "avx512", "neon"];

    /// The widest back-end that the processor has.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Backend> = OnceLock::new();
        *BEST.get_or_init(|| Self::all().pop().unwrap_or(Self::SCALAR))
    }

    /// Every back-end that the processor has, the narrowest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        [Self::SCALAR].into_iter().chain(Self::vectors()).collect()
    }

    #[cfg(target_arch = "x86_64")]
    fn vectors() -> impl Iterator<Item = Self> {
        let avx2 = x86::has_avx2().then_some(Self(Kind::Avx2));
        let avx512 = x86::has_avx512().then_some(Self(Kind::Avx512));
        avx2.into_iter().chain(avx512)
    }

    #[cfg(target_arch = "aarch64")]
    fn vectors() -> impl Iterator<Item = Self> {
        arm::has_neon().then_some(Self(Kind::Neon)).into_iter()
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn vectors() -> impl Iterator<Item = Self> {
        std::iter::empty()
    }

    /// Its name, as metrics and benchmarks show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
        }
    }

    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Scalar => kernel.start::<Scalar>(),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => x86::run_avx2(kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => x86::run_avx512(kernel),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => arm::run_neon(kernel),
        }
    }
}
