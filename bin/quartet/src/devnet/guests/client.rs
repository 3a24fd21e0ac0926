//! Which clients a devnet has as guests, and where their programs are.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use quartet_config::{ClientTemplate, Placeholder};
use quartet_types::SlotDuration;

macro_rules! built_in {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../../../config/clients/", $name, ".yaml")),
        )
    };
}

/// Templates that come with the program, by the names of their files. Part of it, so that an installed one needs no checkout.
const BUILT_IN: [(&str, &str); 4] = [
    built_in!("ethlambda"),
    built_in!("quartet"),
    built_in!("ream"),
    built_in!("zeam"),
];

/// `--with FILE:COUNT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct With {
    file: PathBuf,
    count: u16,
}

impl FromStr for With {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (file, count) = text.rsplit_once(':').unwrap_or((text, "1"));
        let count = count.parse().ok().filter(|count| *count > 0);
        match count {
            Some(count) if !file.is_empty() => Ok(Self {
                file: file.into(),
                count,
            }),
            _ => Err(
                "it is a template and a number of nodes, such as ream:1 or ./ream.yaml:1"
                    .to_owned(),
            ),
        }
    }
}

/// `--with-binary NAME=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct WithBinary {
    name: String,
    path: PathBuf,
}

impl FromStr for WithBinary {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Self {
                name: name.to_owned(),
                path: path.into(),
            }),
            _ => Err(
                "it is a client's name and its program, such as ream=/usr/local/bin/ream"
                    .to_owned(),
            ),
        }
    }
}

/// A client that is a guest, with its program.
#[derive(Debug)]
pub(in super::super) struct Client {
    pub(in super::super) template: ClientTemplate,
    /// Absolute.
    pub(in super::super) program: PathBuf,
}

/// The client of each guest, in the order in which they were asked for.
///
/// # Errors
/// When a template or a program is not there, two clients have one name, or a client cannot do what the devnet needs.
pub(in super::super) fn clients(
    with: &[With],
    binaries: &[WithBinary],
    slot: SlotDuration,
) -> Result<Vec<Arc<Client>>> {
    let mut clients: Vec<Arc<Client>> = Vec::new();
    for With { file, count } in with {
        let template = template(file)?;
        let name = &template.name;
        if let Some(earlier) = clients.iter().find(|client| client.template.name == *name) {
            ensure!(
                earlier.template == template,
                "{}: another client is called {name} as well: give it another name",
                file.display()
            );
        }
        ensure!(
            slot.is_default() || template.any_slot_duration,
            "{name} takes slots to last four seconds: leave --slot-duration-ms away"
        );
        let given = binaries.iter().rev().find(|binary| binary.name == *name);
        let program = program(&template, file, given.map(|given| given.path.as_path()))?;
        let client = Arc::new(Client { template, program });
        clients.extend((0..*count).map(|_| client.clone()));
    }
    for WithBinary { name, .. } in binaries {
        ensure!(
            clients.iter().any(|client| client.template.name == *name),
            "--with-binary {name}=…: no template of --with is called {name}"
        );
    }
    Ok(clients)
}

/// The template that comes with the program by this name, or else the one in a file. A program's own file may lie here by that
/// name as well.
fn template(file: &Path) -> Result<ClientTemplate> {
    let built_in = BUILT_IN.iter().find(|(name, _)| Path::new(name) == file);
    let template = match built_in {
        Some((_, text)) => ClientTemplate::of(text, file),
        None => ClientTemplate::read(file),
    };
    let known = BUILT_IN.map(|(name, _)| name).join(", ");
    template.with_context(|| format!("--with takes a file, or one of {known}"))
}

/// Where a client's program is.
fn program(template: &ClientTemplate, file: &Path, given: Option<&Path>) -> Result<PathBuf> {
    let name = &template.name;
    let found = match given {
        Some(path) => Some(path.to_owned()),
        None => {
            let own = env::current_exe().context("this program's own file cannot be found")?;
            let wanted = PathBuf::from(template.binary.fill(|place| match place {
                Placeholder::Quartet => own.clone().into_os_string(),
                // The template has no other ones here.
                _ => OsString::new(),
            }));
            match wanted.components().count() {
                0 | 1 => in_path(&wanted),
                _ => Some(file.parent().unwrap_or(Path::new("")).join(wanted)),
            }
        }
    };
    let Some(found) = found else {
        bail!("{name}: its program is not in PATH: say where it is with --with-binary {name}=PATH");
    };
    let missing = || format!("{name}: its program {} cannot be found", found.display());
    let found = found.canonicalize().with_context(missing)?;
    ensure!(
        found.is_file(),
        "{name}: {} is not a program",
        found.display()
    );
    Ok(found)
}

fn in_path(name: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = env::split_paths(&path).map(|directory| directory.join(name));
    places.find(|place| place.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TEMPLATE: &str = r#"
name: other
binary: no-such-client
arguments: ["{port}", "{node_key}", "{metrics}"]
reads: []
keys: ssz
view: {head_slot: {metric: a}, finalized_slot: {metric: b}}
"#;

    fn ask(
        template: &str,
        with: &[&str],
        binaries: &[&str],
        slot: SlotDuration,
    ) -> Result<Vec<Arc<Client>>> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("other.yaml");
        fs::write(&file, template).unwrap();
        let with: Vec<With> = with
            .iter()
            .map(|count| format!("{}{count}", file.display()).parse().unwrap())
            .collect();
        let binaries: Vec<WithBinary> = binaries.iter().map(|text| text.parse().unwrap()).collect();
        clients(&with, &binaries, slot)
    }

    #[test]
    fn each_guest_has_its_client_and_a_program_that_is_there() {
        let usual = SlotDuration::default();
        let found = ask(TEMPLATE, &[":2", ""], &["other=/bin/sh"], usual).unwrap();
        assert_eq!(found.len(), 3);
        assert!(found[0].program.is_absolute());
        let shell = TEMPLATE.replace("no-such-client", "sh");
        assert!(
            ask(&shell, &[":1"], &[], usual).unwrap()[0]
                .program
                .is_file()
        );
        let own = TEMPLATE.replace("no-such-client", "\"{quartet}\"");
        let program = ask(&own, &[":1"], &[], usual).unwrap()[0].program.clone();
        assert_eq!(program, env::current_exe().unwrap().canonicalize().unwrap());
    }

    #[test]
    fn templates_that_come_along_are_known_by_their_names() {
        for (name, _) in BUILT_IN {
            template(Path::new(name)).unwrap();
        }
        let error = format!("{:#}", template(Path::new("raem")).unwrap_err());
        assert!(
            error.contains("or one of ethlambda, quartet, ream, zeam: raem: cannot be read"),
            "{error}"
        );
    }

    #[test]
    fn wrong_clients_are_refused_with_what_to_give_instead() {
        let usual = SlotDuration::default();
        let fast = SlotDuration::from_millis(400).unwrap();
        for (template, binaries, slot, expected) in [
            (
                TEMPLATE.to_owned(),
                &[][..],
                usual,
                "say where it is with --with-binary other=PATH",
            ),
            (
                TEMPLATE.to_owned(),
                &["other=/no/such"],
                usual,
                "other: its program /no/such cannot be found",
            ),
            (TEMPLATE.to_owned(), &["other=/"], usual, "is not a program"),
            (
                TEMPLATE.to_owned(),
                &["other=/bin/sh", "ream=/bin/sh"],
                usual,
                "no template of --with is called ream",
            ),
            (
                TEMPLATE.to_owned(),
                &["other=/bin/sh"],
                fast,
                "other takes slots to last four seconds",
            ),
            (
                TEMPLATE.replace("name", "nome"),
                &["other=/bin/sh"],
                usual,
                "unknown field `nome`",
            ),
        ] {
            let error = format!("{:#}", ask(&template, &[":1"], binaries, slot).unwrap_err());
            assert!(error.contains(expected), "{error} lacks {expected}");
        }
        for text in ["x.yaml:0", "x.yaml:many", ":2", "x:70000"] {
            assert!(text.parse::<With>().is_err(), "{text}");
        }
        assert!("ream".parse::<WithBinary>().is_err());
    }
}
