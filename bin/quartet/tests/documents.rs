//! What the documents say of the code is there, what they show is what one sees, and they are one book.

#![allow(clippy::unwrap_used)]

#[path = "documents/book.rs"]
mod book;
#[cfg(target_os = "linux")]
#[path = "documents/console.rs"]
mod console;
#[path = "documents/floors.rs"]
mod floors;
#[path = "documents/pointers.rs"]
mod pointers;
#[path = "documents/shape.rs"]
mod shape;
#[path = "documents/sources.rs"]
mod sources;

use std::{fs, path::Path};

/// The budgets of `docs/security.md` are constants where it says they are.
#[test]
fn budgets_are_where_the_document_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join("docs/security.md")).expect("it is there");
    let section = document.split("## Budgets").nth(1).expect("a section");
    let section = section.split("\n## ").next().expect("its text");
    let mut constants = 0;
    for row in section.lines().filter(|line| line.starts_with("| ")) {
        let place = row
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .unwrap_or(row);
        let mut code = String::new();
        for name in place.split('`').skip(1).step_by(2) {
            if let Some((name_of_crate, file)) = name.split_once('/') {
                let path = root
                    .join("crates")
                    .join(name_of_crate)
                    .join("src")
                    .join(file);
                code = fs::read_to_string(&path).unwrap_or_else(|_| panic!("no {name}: {row}"));
            } else {
                assert!(code.contains(&format!("const {name}:")), "no {name}: {row}");
                constants += 1;
            }
        }
    }
    assert!(constants > 50, "{constants} constants");
}
