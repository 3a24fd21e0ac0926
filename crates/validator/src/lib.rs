//! The validator service: proposes at the start of a slot and attests a quarter into it.
