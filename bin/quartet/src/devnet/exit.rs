//! Exit codes that mean something beyond success and failure.

/// What a shell says of a program that Ctrl-C has ended.
pub(super) const INTERRUPTED: u8 = 130;
