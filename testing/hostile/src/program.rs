//! Where the program is whose nodes are attacked.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// The command that builds the program.
const BUILD: &str = "cargo build --release -p quartet";

/// The `quartet` beside this executable. Run by cargo, it is built first, so that no stale one is attacked.
///
/// # Errors
/// When it is not there, or cannot be built.
pub fn beside_this_one() -> Result<PathBuf> {
    let own = env::current_exe().context("this program's own file cannot be found")?;
    let directory = own.parent().unwrap_or(Path::new("."));
    if let (Some(cargo), Some(_)) = (env::var_os("CARGO"), env::var_os("CARGO_MANIFEST_DIR")) {
        let mut build = Command::new(cargo);
        build.args(["build", "--package", "quartet"]);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().context("cargo cannot be run")?;
        if !status.success() {
            bail!("quartet cannot be built: `{BUILD}` says why");
        }
    }
    let program = directory.join(format!("quartet{}", env::consts::EXE_SUFFIX));
    if !program.is_file() {
        bail!(
            "{} is not there: build it with `{BUILD}`",
            program.display()
        );
    }
    Ok(program)
}
