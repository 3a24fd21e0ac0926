//! What the documents show as console examples, in the order of the book, against one devnet that the first of them starts.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use quartet_clock::Stopwatch;
use serde_json::Value;

use super::{book, shape};

/// No command of an example takes longer, and no wait for the devnet.
const PATIENCE: Duration = Duration::from_secs(60);
/// What examples call the devnet's directory.
const NET: &str = "net";
/// What runs otherwise here than it is shown: slots are short.
const FAST: [(&str, &str); 2] = [
    (
        "quartet devnet --data-dir net --detach",
        "quartet devnet --data-dir net --detach --slot-duration-ms 400",
    ),
    ("slots of 4 s", "slots of 400 ms"),
];
/// Where examples find a node.
const ADDRESSES: [&str; 2] = ["localhost:5052", "127.0.0.1:5052"];
/// What goes on for ever, by how it begins; as many lines of it are read as are shown.
const ENDLESS: &str = "curl -sN ";
/// What is not run, by how it begins, and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "quartet node ",
        "runs until it is stopped; other tests start nodes",
    ),
    ("quartet watch", "takes a terminal"),
    (
        "quartet keys export",
        "takes a key for whole trees, a quarter of a minute to make",
    ),
];
/// After these commands the next example takes a network in good health.
const UNSETTLING: [&str; 3] = ["--detach", " heal ", " restart "];

/// A command and what it is shown to print.
struct Example {
    /// The document and the line.
    place: String,
    command: String,
    shown: Vec<String>,
}

/// The examples of a document: what follows `$ ` in blocks called `console`, up to the next prompt. `# ` is a prompt too, of root's shell,
/// and nothing is run there.
fn examples(name: &str, document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let (mut is_console, mut is_ours) = (false, false);
    for (number, line) in (1..).zip(document.lines()) {
        if line.starts_with("```") {
            is_console = line == "```console";
            is_ours = false;
        } else if !is_console {
        } else if let Some(command) = line.strip_prefix("$ ") {
            is_ours = true;
            examples.push(Example {
                place: format!("{name}:{number}"),
                command: command.to_owned(),
                shown: Vec::new(),
            });
        } else if line.starts_with("# ") {
            is_ours = false;
        } else if is_ours {
            examples.last_mut().unwrap().shown.push(line.to_owned());
        }
    }
    examples
}

/// Where examples run. Ends the devnet that they have started.
struct Shell {
    directory: tempfile::TempDir,
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.command("quartet devnet stop --data-dir net").output();
    }
}

impl Shell {
    fn command(&self, command: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_quartet"));
        let mut path = vec![binary.parent().unwrap().to_owned()];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap()));
        let mut shell = Command::new("timeout");
        let seconds = PATIENCE.as_secs().to_string();
        shell
            .args(["--kill-after=5", &seconds, "sh", "-c", command])
            .current_dir(self.directory.path())
            .env("PATH", env::join_paths(path).unwrap())
            .stdin(Stdio::null());
        // What the one who runs the tests has set for a node of their own.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("QUARTET_") {
                shell.env_remove(name);
            }
        }
        shell
    }

    /// Where the devnet's first node answers.
    fn node(&self) -> Option<String> {
        let path: PathBuf = self.directory.path().join(NET).join("devnet.json");
        let devnet: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        Some(devnet["nodes"][0]["http"].as_str()?.to_owned())
    }

    /// Runs an example, and says what is wrong with it.
    fn run(&self, example: &Example) -> Result<(), String> {
        let mut command = example.command.clone();
        let mut shown = example.shown.clone();
        for (from, to) in FAST {
            command = command.replace(from, to);
            shown = shown.iter().map(|line| line.replace(from, to)).collect();
        }
        let node = self.node().unwrap_or_default();
        for address in ADDRESSES {
            command = command.replace(address, &node);
        }
        if command.starts_with(ENDLESS) {
            command = format!("{command} | head -n {}", shown.len());
        }
        let output = self.command(&format!("{command} 2>&1")).output();
        let output = output.map_err(|error| error.to_string())?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("{}:\n{printed}", output.status));
        }
        // What is shown without output may print anything.
        let differs = !shown.is_empty();
        match differs
            .then(|| shape::difference(&shown, &printed))
            .flatten()
        {
            Some(difference) => Err(difference),
            None => Ok(()),
        }
    }

    /// Waits until all nodes run and finality is as close behind as it is in health.
    fn settle(&self) {
        let since = Stopwatch::start();
        loop {
            let mut command = self.command("quartet devnet status --json --data-dir net");
            let status = command.output().unwrap().stdout;
            if serde_json::from_slice(&status).is_ok_and(|status| is_well(&status)) {
                return;
            }
            let status = String::from_utf8_lossy(&status);
            assert!(
                since.elapsed() < PATIENCE,
                "the devnet is not well: {status}"
            );
            thread::yield_now();
        }
    }
}

fn is_well(status: &Value) -> bool {
    let slot = |node: &Value, what: &str| node[what]["slot"].as_u64();
    status["nodes"].as_array().is_some_and(|nodes| {
        nodes.iter().all(|node| {
            let (head, last) = (slot(node, "head"), slot(node, "finalized"));
            node["peers"].as_u64() >= Some(1)
                && last.is_some_and(|last| last > 2 && head.is_some_and(|head| head <= last + 4))
        })
    })
}

/// Whether the devnet is not well for a while after a command.
fn unsettles(command: &str) -> bool {
    let command = format!("{command} ");
    UNSETTLING.iter().any(|word| command.contains(word))
}

/// Whether a program that the example begins with can be had here.
fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap();
    env::split_paths(&path).any(|directory| directory.join(program).exists())
}

#[test]
fn the_examples_of_the_documents_are_what_one_sees() {
    assert!(is_there("timeout"), "it takes coreutils");
    let has_curl = is_there("curl");
    assert!(has_curl || env::var_os("CI").is_none(), "it takes curl");
    let shell = Shell {
        directory: tempfile::tempdir().unwrap(),
    };
    let names = book::chapters()
        .into_iter()
        .map(|name| format!("docs/{name}"));
    let names = names.chain(["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]);
    let (mut run, mut wrong) = (0, Vec::new());
    for name in names {
        let document = fs::read_to_string(book::root().join(&name)).unwrap();
        for example in examples(&name, &document) {
            let Example { place, command, .. } = &example;
            let exception = EXCEPTIONS
                .iter()
                .find(|(start, _)| command.starts_with(start));
            if let Some((_, reason)) = exception {
                println!("{place}: not run, as it {reason}: {command}");
                continue;
            }
            if command.contains("curl ") && !has_curl {
                println!("{place}: not run without curl: {command}");
                continue;
            }
            run += 1;
            match shell.run(&example) {
                Err(reason) => wrong.push(format!("{place}: {command}\n{reason}")),
                Ok(()) if unsettles(command) => shell.settle(),
                Ok(()) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(run > 15, "{run} examples");
}
