//! The block tree, the votes and their weights, the head and the safe target.
