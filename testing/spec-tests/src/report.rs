//! The account of one kind of vectors: what was read, what passed, what was set aside and why, what was skipped.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::Result;

/// What the vectors of one kind have shown.
#[derive(Debug, Default)]
pub struct Report {
    /// Files read.
    pub files: usize,
    cases: usize,
    failures: Vec<String>,
    /// Reason → cases that it holds for.
    deviations: BTreeMap<&'static str, Vec<String>>,
    /// Files that are not there, by name.
    skipped: Vec<String>,
}

impl Report {
    /// Runs one case; a panic is a failure like any other.
    pub fn case(&mut self, name: impl fmt::Display, check: impl FnOnce() -> Result<()>) {
        self.cases += 1;
        match catch_unwind(AssertUnwindSafe(check)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.failures.push(format!("{name}: {error:#}")),
            Err(_) => self.failures.push(format!("{name}: panicked")),
        }
    }

    /// Runs what holds of a case that, for the reason given, does not hold as written.
    pub fn deviation(
        &mut self,
        name: impl fmt::Display,
        reason: &'static str,
        check: impl FnOnce() -> Result<()>,
    ) {
        self.case(&name, check);
        self.set_aside(name, reason);
    }

    /// Lists part of a case, which is counted elsewhere, as not holding for the reason given.
    pub fn set_aside(&mut self, name: impl fmt::Display, reason: &'static str) {
        let names = self.deviations.entry(reason).or_default();
        names.push(name.to_string());
    }

    /// Counts a file that is not there, and need not be.
    pub fn skip(&mut self, name: &str) {
        self.skipped.push(name.to_owned());
    }

    /// Takes another kind's account into this one.
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.cases += other.cases;
        self.failures.extend(other.failures);
        self.skipped.extend(other.skipped);
        for (reason, names) in other.deviations {
            self.deviations.entry(reason).or_default().extend(names);
        }
    }

    /// Whether files were read and all their cases passed.
    pub fn is_clean(&self) -> bool {
        self.files > 0 && self.cases > 0 && self.failures.is_empty()
    }

    /// What went wrong, a line each.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// The files that are not there, by name.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The reasons of the listed deviations, each with its cases.
    pub fn deviations(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        self.deviations
            .iter()
            .map(|(reason, names)| (*reason, names.as_slice()))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed: usize = self.deviations.values().map(Vec::len).sum();
        let passed = self.cases - self.failures.len();
        write!(
            f,
            "{} files, {} cases, {passed} passed, {listed} listed deviations, {} files skipped",
            self.files,
            self.cases,
            self.skipped.len()
        )
    }
}
