//! The protocol's SSZ containers, constants, slots and genesis.
