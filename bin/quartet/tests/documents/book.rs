//! The book: every document is a chapter of it, and every link leads somewhere.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The chapters, as paths in `docs`, in order.
pub(crate) fn chapters() -> Vec<String> {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let paths = links(&summary).into_iter();
    paths.filter(|path| path.ends_with(".md")).collect()
}

/// The lines outside of code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    document.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// What links lead to.
fn links(document: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(document) {
        // Code may look like a link.
        let text: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for rest in text.split("](").skip(1) {
            links.push(rest.split(')').next().unwrap_or_default().to_owned());
        }
    }
    links
}

/// What headings are called in links.
fn anchors(document: &str) -> BTreeSet<String> {
    let headings = prose(document).filter_map(|line| {
        let text = line.trim_start_matches('#');
        (text.len() < line.len()).then(|| text.trim().to_lowercase())
    });
    headings
        .map(|heading| {
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// The documents that may link to each other: those of the book, and those beside code.
fn documents() -> Vec<PathBuf> {
    ["docs", ".", "testing/spec-tests"]
        .iter()
        .flat_map(|directory| fs::read_dir(root().join(directory)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

#[test]
fn every_document_is_one_chapter_of_the_book() {
    let mut chapters = chapters();
    chapters.sort();
    let names = fs::read_dir(root().join("docs")).unwrap();
    let mut files: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .collect();
    files.sort();
    assert_eq!(
        chapters, files,
        "docs/SUMMARY.md names each file of docs once"
    );
}

#[test]
fn every_link_leads_somewhere() {
    let mut followed = 0;
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        for link in links(&document) {
            if link.is_empty() || link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: no {link}", path.display());
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(&target).unwrap());
                assert!(anchors.contains(anchor), "{}: no {link}", path.display());
            }
            followed += 1;
        }
    }
    assert!(followed > 100, "{followed} links");
}
