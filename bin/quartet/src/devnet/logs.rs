//! `quartet devnet logs`.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::sleep;

use super::{control::locate, description::Description, process::log_tail, which::Which};

/// The log of a devnet in the background.
pub(super) const DEVNET_LOG: &str = "devnet.log";

/// Lines that are shown unless asked for others. No more are read than fill 8 KiB.
const LINES: usize = 20;
/// How often a log that is followed is looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes that are copied at a time.
const PIECE: u64 = 64 * 1024;

/// The arguments of `quartet devnet logs`.
#[derive(Debug, clap::Args)]
pub(super) struct LogsArgs {
    /// Its name, like quartet_0 [default: what the devnet itself says, in the background]
    node: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Show what is added, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Last lines to show, as far as they fit in 8 KiB
    #[arg(long, value_name = "N", default_value_t = LINES)]
    lines: usize,
}

impl LogsArgs {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let devnet = locate(self.which.data_dir.as_deref())?;
        let path = log(&devnet, self.node.as_deref())?;
        let mut followed = Followed::at_end(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let mut stdout = io::stdout().lock();
        for line in log_tail(&path, self.lines) {
            writeln!(stdout, "{line}")?;
        }
        if !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            stdout.flush()?;
            sleep(PAUSE).await;
            stdout.write_all(&followed.more(&path)?)?;
        }
    }
}

/// The log of a node, or of the devnet.
fn log(devnet: &Path, node: Option<&str>) -> Result<PathBuf> {
    let Some(name) = node else {
        let path = devnet.join(DEVNET_LOG);
        ensure!(
            path.exists(),
            "the devnet in {} says what it says in its terminal: name a node, like quartet_0",
            devnet.display()
        );
        return Ok(path);
    };
    let nodes = Description::read(devnet)?.nodes;
    match nodes.iter().find(|node| node.name == name) {
        Some(node) => Ok(node.log.clone()),
        None => {
            let names: Vec<_> = nodes.iter().map(|node| node.name.as_str()).collect();
            bail!("no node is called {name:?}; there are {}", names.join(", "))
        }
    }
}

/// A file that grows.
#[derive(Debug)]
pub(super) struct Followed {
    position: u64,
}

impl Followed {
    /// From its end on.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn at_end(path: &Path) -> io::Result<Self> {
        let position = path.metadata()?.len();
        Ok(Self { position })
    }

    /// What has been added since the last look, a piece at most; from its beginning where it has become shorter.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn more(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        if length < self.position {
            self.position = 0;
        }
        file.seek(SeekFrom::Start(self.position))?;
        let mut more = Vec::new();
        file.take(PIECE).read_to_end(&mut more)?;
        self.position += more.len() as u64;
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn lines_that_are_added_are_seen_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        assert!(Followed::at_end(&path).is_err());
        fs::write(&path, "old\n").unwrap();
        let mut followed = Followed::at_end(&path).unwrap();
        assert_eq!(followed.more(&path).unwrap(), b"");
        fs::write(&path, "old\nnew\n").unwrap();
        assert_eq!(followed.more(&path).unwrap(), b"new\n");
        fs::write(&path, "anew\n").unwrap();
        assert_eq!(followed.more(&path).unwrap(), b"anew\n");
    }
}
