//! The files that a devnet hands to a node: config, validators, nodes, node key.
