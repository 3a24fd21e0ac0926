//! The embedded database that keeps blocks on disk.
