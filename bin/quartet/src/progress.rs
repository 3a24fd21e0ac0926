//! The progress of long work: a bar in a terminal, elsewhere a line every few seconds.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use quartet_clock::Stopwatch;

/// Between two lines, whatever they are about.
const PAUSE: Duration = Duration::from_secs(5);

/// A piece of work under way. Several threads may report progress.
#[derive(Debug)]
pub(crate) struct Work {
    what: String,
    /// Where standard error is a terminal.
    bar: Option<ProgressBar>,
    total: AtomicU64,
    done: AtomicU64,
    since: Stopwatch,
}

impl Work {
    /// Some work, called `what`, of `total` steps.
    pub(crate) fn start(what: impl Into<String>, total: u64) -> Self {
        let what = what.into();
        let bar = io::stderr().is_terminal().then(|| bar(&what, total));
        // From the beginning of the first work on.
        let _ = said();
        Self {
            what,
            bar,
            total: AtomicU64::new(total),
            done: AtomicU64::new(0),
            since: Stopwatch::start(),
        }
    }

    /// This many steps are done.
    pub(crate) fn at(&self, done: u64, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(done, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            None => self.say(),
        }
    }

    /// This many more steps are done.
    pub(crate) fn add(&self, steps: u64) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None => self.say(),
        }
    }

    /// It is over.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn say(&self) {
        let mut last = said().lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < PAUSE {
            return;
        }
        *last = Stopwatch::start();
        let (done, total) = (&self.done, &self.total);
        let (done, total) = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
        let line = line(&self.what, done, total, self.since.elapsed());
        // A closed standard error is no reason to stop.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// When the last line was said. One for all: many short works after each other are to be heard of, too.
fn said() -> &'static Mutex<Stopwatch> {
    static SAID: OnceLock<Mutex<Stopwatch>> = OnceLock::new();
    SAID.get_or_init(|| Mutex::new(Stopwatch::start()))
}

fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let share = done as f64 / total.max(1) as f64;
    let left = elapsed.as_secs_f64() * (1.0 - share) / share;
    let left = if left.is_finite() {
        format!(", some {left:.0} s left")
    } else {
        String::new()
    };
    format!("{what}: {:.0} %{left}", share * 100.0)
}

fn bar(what: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = "{prefix} {wide_bar} {percent:>3} %  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_line_says_how_far_the_work_is_and_how_long_it_takes() {
        let second = Duration::from_secs(1);
        assert_eq!(line("keys", 1, 4, second), "keys: 25 %, some 3 s left");
        assert_eq!(line("keys", 4, 4, second), "keys: 100 %, some 0 s left");
        assert_eq!(line("keys", 0, 4, second), "keys: 0 %");
        assert_eq!(line("keys", 0, 0, second), "keys: 0 %");
    }
}
