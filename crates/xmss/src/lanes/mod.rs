//! Several field elements side by side: what the vectorised hashing is written in.
//!
//! [`Lanes`] is one vector register's worth of Montgomery elements, [`Words`] the same for the 64-bit words of Keccak.
//! A [`Kernel`] is a piece of work written once over both; [`Backend::run`] compiles it for each instruction set and
//! calls the one chosen. Whatever a kernel calls must be `#[inline(always)]`, or it would be compiled without the
//! instruction set of its caller; what shall not be copied into every kernel is a [`Task`].
//!
//! A back-end says what single instructions do ([`Vector`]), and how it multiplies; the arithmetic on top of that
//! is [`Lanes`]' own. Nothing here knows what is hashed.

#![allow(unsafe_code, reason = "instructions that not every processor has")]

#[macro_use]
mod intrinsics;

#[cfg(target_arch = "aarch64")]
mod arm;
mod backend;
mod one;
mod rows;
#[cfg(test)]
mod tests;
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use backend::Backend;
pub(crate) use one::Scalar;
pub(crate) use rows::{Row, all_to_montgomery, broadcast, gather, load_rows, scatter, store_rows};
pub(crate) use vector::{Kernel, Lanes, MAX_WIDTH, Octet, OctetWork, Task, Vector, Words};
