//! Whatever the documents for who changes the code point at is there: paths, what is in them, commands.

use std::{fs, path::Path};

use super::{
    book::root,
    sources::{Source, sources},
};

/// Documents and their sections in which every pointer is followed; a whole document where none is named.
const POINTING: [(&str, &[&str]); 3] = [
    ("docs/architecture.md", &[]),
    ("docs/changing.md", &[]),
    ("CONTRIBUTING.md", &[]),
];

/// What pointers are held against.
struct Checkout {
    /// Every source, for names that come without a path.
    sources: Vec<Source>,
    recipes: Vec<String>,
}

impl Checkout {
    fn read() -> Self {
        let recipes = fs::read_to_string(root().join("justfile")).unwrap();
        let recipes = recipes.lines().filter_map(|line| {
            let is_recipe = line.starts_with(|c: char| c.is_ascii_lowercase());
            let (head, _) = line.split_once(':').filter(|_| is_recipe)?;
            Some(head.split(' ').next()?.to_owned())
        });
        let mut all = sources(&["crates", "bin", "testing"]);
        all.retain(|source| !source.path.contains("/tests/documents"));
        for path in ["Cargo.toml", "clippy.toml"] {
            let text = fs::read_to_string(root().join(path)).unwrap();
            let path = path.to_owned();
            all.push(Source { path, text });
        }
        Self {
            recipes: recipes.collect(),
            sources: all,
        }
    }

    /// What a line points at and is not there. A name is looked for in the path before it, up to the next semicolon.
    fn dead_pointers(&self, line: &str) -> Vec<String> {
        let mut dead = Vec::new();
        let mut place = None;
        for (index, span) in line.split('`').enumerate() {
            if index % 2 == 0 {
                place = place.filter(|_| !span.contains(';'));
            } else if let Some(command) = span.strip_prefix("just ") {
                let recipe = command.split(' ').next().unwrap_or_default();
                if !self.recipes.iter().any(|known| known == recipe) {
                    dead.push(format!("no recipe {recipe}"));
                }
            } else if is_path(span) {
                if !root().join(span).exists() {
                    dead.push(format!("no {span}"));
                }
                place = Some(span);
            } else if is_item(span) {
                let words = span.trim_end_matches("()").split("::");
                for word in words.filter(|word| !self.has(place, word)) {
                    dead.push(format!("no {word} in {}", place.unwrap_or("the sources")));
                }
            }
        }
        dead
    }

    /// Whether a word is in a file, in a folder, or anywhere.
    fn has(&self, place: Option<&str>, word: &str) -> bool {
        if let Some(place) = place
            && let Ok(text) = fs::read_to_string(root().join(place))
        {
            return has_word(&text, word);
        }
        let place = place.unwrap_or_default();
        let mut within = self
            .sources
            .iter()
            .filter(|source| Path::new(&source.path).starts_with(place));
        within.any(|source| has_word(&source.text, word))
    }
}

/// Something in a folder of the checkout.
fn is_path(span: &str) -> bool {
    let (first, rest) = span.split_once('/').unwrap_or((span, ""));
    let is_whole = !span.contains([' ', '*', '…', ':']);
    is_whole && !rest.is_empty() && root().join(first).is_dir()
}

/// A name in Rust, maybe with the way to it.
fn is_item(span: &str) -> bool {
    let is_word = |word: &str| {
        let begins = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        begins && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    // A plain word such as `node` is a command or a crate, more often than not.
    let is_name = span.contains(['_', ':']) || span.starts_with(char::is_uppercase);
    is_name && span.trim_end_matches("()").split("::").all(is_word)
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

/// The lines of a document, or of some of its sections, with their numbers.
fn lines<'a>(document: &'a str, sections: &[&str]) -> Vec<(usize, &'a str)> {
    let mut section = "";
    let mut is_code = false;
    let numbered = (1..).zip(document.lines());
    let chosen = numbered.filter(|(_, line)| {
        is_code ^= line.starts_with("```");
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading;
        }
        !is_code && (sections.is_empty() || sections.contains(&section))
    });
    chosen.collect()
}

fn text(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

#[test]
fn what_is_pointed_at_is_there() {
    let checkout = Checkout::read();
    let mut dead = Vec::new();
    for (document, sections) in POINTING {
        let text = text(document);
        let lines = lines(&text, sections);
        assert!(lines.len() > 10, "{document}");
        for (number, line) in lines {
            let found = checkout.dead_pointers(line).into_iter();
            dead.extend(found.map(|what| format!("{document}:{number}: {what}")));
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn a_dead_pointer_is_found() {
    let checkout = Checkout::read();
    let dead = |line: &str| checkout.dead_pointers(line).len();
    assert_eq!(
        dead("`crates/types/src/slot.rs` `is_justifiable_after`, `just test -p x`"),
        0
    );
    assert_eq!(dead("`crates/types/src/slots.rs`"), 1);
    assert_eq!(dead("`crates/types/src/slot.rs` `is_justifiable`"), 1);
    assert_eq!(dead("`crates/types` `is_justifiable_after`"), 0);
    assert_eq!(dead("`ForkChoice::attestation_target`"), 0);
    assert_eq!(dead("`ForkChoice::attestation_goal`"), 1);
    assert_eq!(dead("`just nothing`"), 1);
}

/// An invariant that nothing holds is a wish.
#[test]
fn every_invariant_names_what_holds_it() {
    let document = text("docs/architecture.md");
    let lines = lines(&document, &["Invariants"]);
    let text: Vec<_> = lines.iter().map(|(_, line)| *line).collect();
    let text = text.join("\n");
    let invariants: Vec<_> = text.split("\n- **").skip(1).collect();
    assert!(invariants.len() >= 8, "{} invariants", invariants.len());
    for invariant in invariants {
        let (_, held) = invariant.split_once("*Held by*").unwrap_or_default();
        assert!(held.contains('`'), "{invariant}");
    }
}

/// A benchmark that a document names can be run, and has what the document chooses of it.
#[test]
fn documents_name_benchmarks_that_there_are() {
    let mut named = 0;
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "md") {
            continue;
        }
        let document = fs::read_to_string(&path).unwrap();
        for command in document
            .split('`')
            .filter(|span| span.starts_with("cargo bench"))
        {
            named += 1;
            let words: Vec<_> = command.split(' ').collect();
            let after = |flag| words.iter().skip_while(move |word| **word != flag).nth(1);
            let package = after("-p").unwrap_or_else(|| panic!("no package: {command}"));
            let folder = package.trim_start_matches("quartet-");
            let folder = root().join("crates").join(folder).join("benches");
            assert!(folder.is_dir(), "{command}");
            let Some(bench) = after("--bench") else {
                continue;
            };
            let code = fs::read_to_string(folder.join(format!("{bench}.rs")));
            let code = code.unwrap_or_else(|_| panic!("no {bench}: {command}"));
            let filter = after("--").unwrap_or(bench);
            assert!(
                filter == bench || code.contains(*filter),
                "no {filter}: {command}"
            );
        }
    }
    assert!(named >= 5, "{named} benchmarks");
}
