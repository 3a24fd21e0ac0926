//! Which version this is.

/// The version of the release.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that it was built from, or `unknown`.
pub(crate) const COMMIT: &str = env!("QUARTET_COMMIT");
/// Both, for `--version`.
pub(crate) const LONG: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("QUARTET_COMMIT"), ")");
