//! A node as a process of its own: started, watched, stopped.
//!
//! Each node of our own holds the reading end of a pipe as its standard input and ends when that closes. So closing
//! it is how a node is told to stop, and it closes by itself should the devnet be killed: no node outlives
//! it, whatever happens. Guests know nothing of that: they are told to stop by a signal, and on a leash. Nodes are in process groups of their own, so that Ctrl-C in a terminal reaches
//! the devnet alone.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use quartet_config::StopSignal;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{guests::Launch, layout::NodeLayout};

/// How long a node may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(6);

/// Orders that may wait for a node to take them.
const MAX_ORDERS: usize = 8;
/// How long a node may take for it.
const ORDER_TIME: Duration = Duration::from_secs(1);

/// How much of a log's end is looked at.
const TAIL_BYTES: u64 = 8 * 1024;

/// Tells a node to end when its standard input does.
const EXIT_WITH_PARENT: &str = "--exit-with-parent";

/// The death of a node that was not told to end.
#[derive(Debug)]
pub(super) struct Death {
    /// The node's position.
    pub(super) index: usize,
    /// Its process, which may have been followed by another.
    pub(super) pid: u32,
    /// How it ended.
    pub(super) status: io::Result<ExitStatus>,
}

/// A started node. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct NodeProcess {
    /// Its process id.
    pub(super) pid: u32,
    stop: CancellationToken,
    kill: CancellationToken,
    orders: mpsc::Sender<String>,
    watcher: JoinHandle<()>,
}

impl NodeProcess {
    /// Starts the `index`-th node. If it ends by itself, that is sent to `deaths`.
    ///
    /// # Errors
    /// When its log cannot be made or the program cannot be run.
    pub(super) fn start(
        index: usize,
        node: &NodeLayout,
        launch: Launch,
        deaths: mpsc::Sender<Death>,
    ) -> io::Result<Self> {
        fs::create_dir_all(&node.directory)?;
        let log = File::options().create(true).append(true).open(node.log())?;
        let mut command = Command::new(launch.program);
        command.args(launch.arguments).envs(launch.environment);
        if launch.stops_on.is_none() {
            command.arg(EXIT_WITH_PARENT);
        } else {
            // Our own nodes create theirs.
            fs::create_dir_all(node.data())?;
        }
        command
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let ended = || io::Error::other("the process ended at once");
        let pid = child.id().ok_or_else(ended)?;
        let lifeline = child.stdin.take().ok_or_else(ended)?;
        let stop = CancellationToken::new();
        let kill = CancellationToken::new();
        let (orders, taken) = mpsc::channel(MAX_ORDERS);
        let watcher = tokio::spawn(watch(Watched {
            index,
            pid,
            child,
            lifeline,
            stops_on: launch.stops_on,
            orders: taken,
            stop: stop.clone(),
            kill: kill.clone(),
            deaths,
        }));
        Ok(Self {
            pid,
            stop,
            kill,
            orders,
            watcher,
        })
    }

    /// Whether it has not ended.
    pub(super) fn is_running(&self) -> bool {
        !self.watcher.is_finished()
    }

    /// Tells it to end; [`NodeProcess::ended`] waits for that.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until it has ended; of one that has, at once, however often. After [`NodeProcess::stop`] that takes no longer than
    /// the grace time.
    pub(super) async fn ended(&mut self) {
        if !self.is_running() {
            return;
        }
        // An error would mean that the watcher panicked, and then its child has been killed.
        let _ = (&mut self.watcher).await;
    }

    /// Kills it as a crash would; [`NodeProcess::ended`] waits for that.
    pub(super) fn kill(&self) {
        self.kill.cancel();
    }

    /// Queues a line for its standard input; false if the queue is full.
    pub(super) fn tell(&self, line: String) -> bool {
        self.orders.try_send(line).is_ok()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // The child is killed with it.
        self.watcher.abort();
    }
}

struct Watched {
    index: usize,
    pid: u32,
    child: Child,
    lifeline: ChildStdin,
    stops_on: Option<StopSignal>,
    orders: mpsc::Receiver<String>,
    stop: CancellationToken,
    kill: CancellationToken,
    deaths: mpsc::Sender<Death>,
}

async fn watch(mut node: Watched) {
    let died = loop {
        tokio::select! {
            biased;
            () = node.kill.cancelled() => {
                kill_group(node.stops_on, node.pid);
                // An error means that it has just ended after all.
                let _ = node.child.kill().await;
                return;
            }
            () = node.stop.cancelled() => break None,
            status = node.child.wait() => break Some(status),
            Some(order) = node.orders.recv() => {
                // A node that does not read gets no more; its death is noticed above.
                let _ = timeout(ORDER_TIME, node.lifeline.write_all(order.as_bytes())).await;
            }
        }
    };
    drop(node.lifeline);
    if let Some(status) = died {
        let (index, pid) = (node.index, node.pid);
        // The receiver is dropped when deaths no longer matter.
        let _ = node.deaths.send(Death { index, pid, status }).await;
        return;
    }
    if let Some(signal) = node.stops_on {
        send_to_group(signal, node.pid);
    }
    tokio::select! {
        biased;
        ended = timeout(GRACE, node.child.wait()) => {
            if ended.is_ok() {
                return;
            }
        }
        () = node.kill.cancelled() => {}
    }
    kill_group(node.stops_on, node.pid);
    // An error means that it has ended.
    let _ = node.child.kill().await;
}

/// Kills a guest with all that it has started. Only while its process was not waited for: that keeps the group's id.
fn kill_group(stops_on: Option<StopSignal>, leader: u32) {
    if stops_on.is_some() {
        signal_group(Signal::KILL, leader);
    }
}

/// Tells a guest, and all that it has started, to end.
fn send_to_group(signal: StopSignal, pid: u32) {
    let signal = match signal {
        StopSignal::Interrupt => Signal::INT,
        StopSignal::Terminate => Signal::TERM,
    };
    signal_group(signal, pid);
}

fn signal_group(signal: Signal, leader: u32) {
    if let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // A process that survives it is killed.
        let _ = kill_process_group(leader, signal);
    }
}

/// The last lines of a log, at most `lines`.
pub(super) fn log_tail(path: &Path, lines: usize) -> Vec<String> {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<_> = text.lines().collect();
    let tail = &all[all.len().saturating_sub(lines)..];
    tail.iter().map(|&line| line.to_owned()).collect()
}

/// How a process ended, in words.
pub(super) fn describe(status: &io::Result<ExitStatus>) -> String {
    match status {
        Err(error) => format!("ended, nobody knows how: {error}"),
        Ok(status) => {
            #[cfg(unix)]
            if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(status) {
                return format!("was ended by signal {signal}");
            }
            match status.code() {
                Some(code) => format!("ended with exit code {code}"),
                None => format!("ended with {status}"),
            }
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::{super::ports::NodePorts, *};

    const PORTS: NodePorts = NodePorts {
        quic: 1,
        http: 2,
        metrics: 3,
    };

    /// Starts a shell script in a node's place; the flag that nodes get becomes its `$0`.
    fn start(directory: &Path, script: &str) -> (NodeProcess, NodeLayout, mpsc::Receiver<Death>) {
        start_as(directory, script, None)
    }

    fn start_as(
        directory: &Path,
        script: &str,
        stops_on: Option<StopSignal>,
    ) -> (NodeProcess, NodeLayout, mpsc::Receiver<Death>) {
        let (sender, deaths) = mpsc::channel(1);
        let node = NodeLayout::new(directory, 0, PORTS);
        let launch = Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("MOOD".into(), "good".into())],
            stops_on,
        };
        let process = NodeProcess::start(0, &node, launch, sender).unwrap();
        (process, node, deaths)
    }

    /// Whether this process ignores a signal from its start on, as what a script runs in the background does: a shell that it
    /// starts cannot trap it then.
    fn is_ignored(name: &str) -> bool {
        let number = if name == "INT" { 2 } else { 15 };
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        ignored.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
    }

    #[tokio::test]
    async fn a_guest_is_told_by_its_signal_and_gets_its_environment() {
        for (signal, name) in [
            (StopSignal::Interrupt, "INT"),
            (StopSignal::Terminate, "TERM"),
        ] {
            if is_ignored(name) {
                continue;
            }
            let directory = tempfile::tempdir().unwrap();
            let script = format!(
                "trap 'echo $MOOD $0 bye; exit' {name}; echo on; while :; do sleep 0.01; done"
            );
            let (mut process, node, mut deaths) = start_as(directory.path(), &script, Some(signal));
            while log_tail(&node.log(), 1) != ["on"] {
                tokio::task::yield_now().await;
            }
            process.stop();
            process.ended().await;
            assert_eq!(log_tail(&node.log(), 1), ["good /bin/sh bye"]);
            assert!(deaths.recv().await.is_none(), "it was told to end");
        }
    }

    #[tokio::test]
    async fn a_node_that_ends_by_itself_is_reported_with_its_code_and_log() {
        let directory = tempfile::tempdir().unwrap();
        let script = "for i in 1 2 3; do echo line $i; done; echo trouble >&2; exit 7";
        let (mut process, node, mut deaths) = start(directory.path(), script);
        let death = deaths.recv().await.unwrap();
        assert_eq!(death.index, 0);
        assert_eq!(describe(&death.status), "ended with exit code 7");
        assert_eq!(log_tail(&node.log(), 2), ["line 3", "trouble"]);
        process.ended().await;
    }

    #[tokio::test]
    async fn a_node_ends_when_its_input_closes() {
        let directory = tempfile::tempdir().unwrap();
        let (mut process, node, mut deaths) = start(directory.path(), "cat; echo $0 bye");
        assert!(process.is_running());
        process.stop();
        process.ended().await;
        assert_eq!(log_tail(&node.log(), 9), ["--exit-with-parent bye"]);
        assert!(deaths.recv().await.is_none(), "it was told to end");
    }

    #[tokio::test]
    async fn a_node_is_told_what_to_do_and_killed_when_asked_to() {
        let directory = tempfile::tempdir().unwrap();
        let script = "read line; echo got $line; exec sleep 1000";
        let (mut process, node, mut deaths) = start(directory.path(), script);
        assert!(process.tell("apart a b\n".to_owned()));
        while log_tail(&node.log(), 1) != ["got apart a b"] {
            tokio::task::yield_now().await;
        }
        process.kill();
        process.ended().await;
        assert!(deaths.recv().await.is_none(), "it was killed on purpose");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_guest_has_started_ends_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let script = "trap '' INT; sleep 1000 & echo $!; wait; wait";
        let (mut process, node, _deaths) =
            start_as(directory.path(), script, Some(StopSignal::Interrupt));
        let child = loop {
            if let Some(child) = log_tail(&node.log(), 1).pop() {
                break child;
            }
            tokio::task::yield_now().await;
        };
        process.stop();
        process.ended().await;
        let stat = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // The orphan is reaped by its new parent.
        while !stat().is_empty() && !stat().contains(") Z ") {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_listen_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let (mut process, _, _deaths) = start(directory.path(), "while :; do sleep 1; done");
        process.stop();
        process.ended().await;
    }

    #[tokio::test]
    async fn a_signal_is_told_by_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let (_process, _, mut deaths) = start(directory.path(), "kill -9 $$");
        let death = deaths.recv().await.unwrap();
        assert_eq!(describe(&death.status), "was ended by signal 9");
    }

    #[test]
    fn a_missing_log_has_no_lines() {
        assert!(log_tail(Path::new("/nonexistent/log"), 5).is_empty());
    }
}
