//! Does nothing. An example is built with what tests depend on, and so with the features of dependencies that tests have: what was
//! built for these is then used again. `.ci/fuzz` asks for it.

fn main() {}
