//! The state transition function, from a state and a block to the next state.
