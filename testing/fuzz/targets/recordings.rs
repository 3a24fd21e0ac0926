//! libFuzzer's program for the target of this name.
#![cfg_attr(any(fuzzing, feature = "libfuzzer"), no_main)]

quartet_fuzz::program!(recordings);
