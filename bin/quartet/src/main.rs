//! A lean-consensus node.
fn main() {}
