//! `quartet devnet --detach`: starts another process that runs the devnet, and leaves once its nodes are there.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    path::Path,
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    process::{Child, Command},
    time::sleep,
};

use super::{
    args::DevnetArgs,
    control::{Reply, Request, Status, ask},
    directory::Directory,
    logs::{DEVNET_LOG, Followed},
    process::describe,
    terminal::note,
};
use crate::signals::Signals;

/// How often the starting devnet is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs a devnet in the background. Its output until it is ready is shown.
///
/// # Errors
/// When it does not get there.
pub(super) async fn run(args: &DevnetArgs) -> Result<ExitCode> {
    let mut signals = Signals::take_over(false).context("signals cannot be handled")?;
    // Locked no longer than it takes to see that it can be used: the other process locks it again.
    let directory = match (args.resume, &args.data_dir) {
        (true, Some(path)) => Directory::resume(path)?,
        (_, path) => Directory::open(path.as_deref())?,
    };
    let devnet = directory.path().to_owned();
    drop(directory);
    let log = devnet.join(DEVNET_LOG);
    let mut child = spawn(args, &devnet, &log)?;
    let mut told = Followed::at_end(Path::new("/dev/null"))?;
    loop {
        let _ = io::stderr().write_all(&told.more(&log)?);
        if let Some(status) = child.try_wait()? {
            let _ = io::stderr().write_all(&told.more(&log)?);
            bail!("the devnet {}", describe(&Ok(status)));
        }
        if let Ok(Reply::Status(status)) = ask(&devnet, &Request::Status).await {
            // It may have said more since.
            let _ = io::stderr().write_all(&told.more(&log)?);
            greet(&devnet, &status);
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            biased;
            () = signals.next() => end(&mut child)?,
            () = sleep(PAUSE) => {}
        }
    }
}

fn spawn(args: &DevnetArgs, devnet: &Path, log: &Path) -> Result<Child> {
    let unwritable = || format!("{} cannot be written", log.display());
    let output = File::create(log).with_context(unwritable)?;
    let errors = output.try_clone().with_context(unwritable)?;
    let program = env::current_exe().context("this program's own file cannot be found")?;
    let mut command = Command::new(program);
    command
        .args(arguments(env::args_os().skip(1)))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    if args.data_dir.is_none() {
        command.arg("--data-dir").arg(devnet);
    }
    command.spawn().context("the devnet cannot be run")
}

/// The arguments of the process in the background.
fn arguments(own: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let others = own.filter(|word| word != "--detach");
    others.chain([OsString::from("--detached")]).collect()
}

/// Leaves the terminal, as the process in the background.
pub(super) fn leave_terminal() {
    // An error means that the process has no terminal.
    let _ = rustix::process::setsid();
}

fn greet(devnet: &Path, status: &Status) {
    note(format_args!(
        "\nrunning in the background, process {}; to look at it, and to end it:\n  \
         quartet devnet status --data-dir {dir}\n  quartet devnet stop --data-dir {dir}",
        status.pid,
        dir = devnet.display()
    ));
}

/// Has the devnet end in order.
fn end(child: &mut Child) -> Result<()> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
        rustix::process::kill_process(id, rustix::process::Signal::TERM)
            .context("the devnet cannot be stopped")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_process_has_the_same_arguments_and_does_not_detach_again() {
        let own = ["devnet", "--detach", "--nodes", "2"].map(OsString::from);
        let others = arguments(own.into_iter());
        assert_eq!(others, ["devnet", "--nodes", "2", "--detached"]);
    }
}
