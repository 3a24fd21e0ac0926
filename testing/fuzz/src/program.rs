//! A target as a program: libFuzzer's, or one that replays the files that it is given.

use std::{env, fs, process::ExitCode};

use crate::Target;

/// Makes a program of the target in the module of that name.
#[macro_export]
macro_rules! program {
    ($target:ident) => {
        #[cfg(any(fuzzing, feature = "libfuzzer"))]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$target::run(data));

        #[cfg(not(any(fuzzing, feature = "libfuzzer")))]
        fn main() -> std::process::ExitCode {
            $crate::replay($crate::$target::run)
        }
    };
}

/// Runs a target on the files that the command line names.
#[allow(clippy::print_stdout)]
pub fn replay(target: Target) -> ExitCode {
    for path in env::args_os().skip(1) {
        match fs::read(&path) {
            Ok(input) => target(&input),
            Err(error) => {
                println!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
        println!("{}: nothing found", path.display());
    }
    ExitCode::SUCCESS
}
