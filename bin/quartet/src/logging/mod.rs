//! Logs: to standard error and, if the operator wants, to a file, as lines of text or of JSON.

mod rotation;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use rotation::{FileLimits, Rotating};

/// Libraries that log their own details at info, or what clients do at warn.
const QUIET: &str = "libp2p=warn,quinn=warn,libp2p_gossipsub=error,libp2p_request_response=error,soketto=error,jsonrpsee_server=error";

/// Lines that wait for the log file's disk, some hundred bytes each; more are left out of it rather than waited for.
const LINES_WAITING: usize = 16_384;

/// What is logged, how and where to.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogArgs {
    /// How much to log: error, warn, info, debug, trace, or a filter like `info,quartet_network=debug`.
    #[arg(
        long = "log",
        value_name = "LEVEL",
        default_value = "info",
        env = "QUARTET_LOG"
    )]
    level: String,

    /// Lines of text, or a JSON object each.
    #[arg(
        long = "log-format",
        value_name = "FORMAT",
        default_value = "text",
        env = "QUARTET_LOG_FORMAT"
    )]
    format: LogFormat,

    /// Log to this file as well. A disk that is full or slow costs lines of it and nothing else.
    #[arg(long = "log-file", value_name = "FILE", env = "QUARTET_LOG_FILE")]
    file: Option<PathBuf>,

    /// Size in MiB at which the log file is set aside, as FILE.1, and a new one is begun.
    #[arg(
        long = "log-file-size",
        value_name = "MIB",
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..),
        env = "QUARTET_LOG_FILE_SIZE"
    )]
    file_size: u16,

    /// How many files that were set aside are kept, the newest.
    #[arg(
        long = "log-file-keep",
        value_name = "N",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(0..=1_000),
        env = "QUARTET_LOG_FILE_KEEP"
    )]
    file_keep: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// To be held as long as something may be logged: waiting lines are written to the log file when it is dropped.
#[derive(Debug)]
pub(crate) struct LogGuard(#[expect(dead_code, reason = "held for its drop")] Option<WorkerGuard>);

impl LogArgs {
    /// Starts to log.
    ///
    /// # Errors
    /// When the filter is none, the file cannot be opened, or something logs already.
    pub(crate) fn start(&self) -> anyhow::Result<LogGuard> {
        let level = self.filter();
        let filter = EnvFilter::try_new(format!("{QUIET},{level}"))
            .with_context(|| format!("--log {level}: neither a level nor a filter"))?;
        let (file, guard) = self.open_file()?.unzip();
        let has_colours = io::stderr().is_terminal();
        tracing_subscriber::registry()
            .with(filter)
            .with(self.layer(io::stderr, has_colours))
            .with(file.map(|file| self.layer(file, false)))
            .try_init()
            .map_err(|error| anyhow!("cannot start to log: {error}"))?;
        Ok(LogGuard(guard))
    }

    /// `RUST_LOG`, where it is set, has the last word.
    fn filter(&self) -> String {
        std::env::var("RUST_LOG")
            .ok()
            .filter(|filter| !filter.is_empty())
            .unwrap_or_else(|| self.level.clone())
    }

    /// The file, written by a thread of its own: no service ever waits for its disk.
    fn open_file(&self) -> anyhow::Result<Option<(NonBlocking, WorkerGuard)>> {
        let Some(path) = &self.file else {
            return Ok(None);
        };
        let limits = FileLimits {
            bytes: u64::from(self.file_size) << 20,
            keep: self.file_keep,
        };
        let file = Rotating::open(path, limits)
            .with_context(|| format!("--log-file {}: cannot be opened", path.display()))?;
        let thread = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(LINES_WAITING)
            .thread_name("log file");
        Ok(Some(thread.finish(file)))
    }

    fn layer<S, W>(&self, writer: W, has_colours: bool) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
    {
        // Else what cannot be written is told to standard error, and a standard error that cannot be written to, on a full
        // disk, is a panic.
        let layer = fmt::layer()
            .with_writer(writer)
            .with_ansi(has_colours)
            .log_internal_errors(false);
        match self.format {
            LogFormat::Text => layer.with_target(false).boxed(),
            LogFormat::Json => layer.json().flatten_event(true).with_ansi(false).boxed(),
        }
    }
}
