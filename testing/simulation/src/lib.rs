//! Whole nodes in one process, on virtual time and a seeded simulated network.
