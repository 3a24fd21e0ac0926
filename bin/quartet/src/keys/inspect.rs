//! `quartet keys inspect` and `quartet keys verify`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use quartet_clock::Clock;
use quartet_config::GenesisConfig;
use quartet_keystore::{
    ForeignFormat, KeyFormat, KeyReport, MarkReport, TreesReport, inspect, record::RecordView,
    verify,
};
use quartet_types::{PublicKey, SlotDuration};
use serde_json::{Value, json};

use super::{
    files::key_files,
    mark,
    output::{self, epoch_ranges, epochs, short},
    passphrase::PassphraseArgs,
    print, table,
};
use crate::{
    progress::Work,
    words::{count, duration},
};

/// The arguments of `quartet keys inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// Keys, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The devnet's config.yaml: tells how much time the keys have left.
    #[arg(long, value_name = "FILE", alias = "network")]
    genesis: Option<PathBuf>,
    /// The signing record of the node that has the keys: tells what was signed last.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// The arguments of `quartet keys verify`.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Keys, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The public key that they must have, in hexadecimal.
    #[arg(long, value_name = "HEX")]
    public_key: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

/// The time in a network.
#[derive(Clone, Copy, Debug)]
struct Now {
    slot: u64,
    slot_duration: SlotDuration,
}

impl Now {
    /// By the network's config.yaml.
    fn read(path: &Path) -> anyhow::Result<Self> {
        let config = GenesisConfig::read(path)?;
        let slot_duration = config.slot_duration;
        let clock = Clock::system(config.genesis_time).with_slot_duration(slot_duration);
        Ok(Self {
            slot: clock.slot(),
            slot_duration,
        })
    }
}

impl InspectArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let record = self.record.as_deref().map(RecordView::read).transpose()?;
        let now = match &self.genesis {
            Some(path) => Some(Now::read(path)?),
            None => None,
        };
        let passphrase = self.passphrase.given()?;
        let mut reports = Vec::new();
        let mut failures = Vec::new();
        for path in key_files(&self.paths)? {
            match inspect(&path, passphrase.as_ref()) {
                Ok(report) => reports.push(report),
                Err(error) => failures.push(error.to_string()),
            }
        }
        // No heading above nothing.
        if self.json || !reports.is_empty() {
            self.report(&reports, now, record.as_ref())?;
        }
        if !failures.is_empty() {
            bail!("{}", failures.join("; "));
        }
        Ok(())
    }

    fn report(
        &self,
        reports: &[KeyReport],
        now: Option<Now>,
        record: Option<&RecordView>,
    ) -> anyhow::Result<()> {
        let last_signed = |key: &PublicKey| record?.highest_epoch(key);
        if self.json {
            let keys = reports.iter().map(|report| {
                let mut value = as_json(report);
                value["last_signed_epoch"] = json!(last_signed(&report.public_key));
                if let Some(now) = now {
                    value["epochs_left"] = json!(epochs_left(report, now.slot));
                }
                value
            });
            return output::print_json(&json!(keys.collect::<Vec<_>>()));
        }
        let heading = [
            "file",
            "format",
            "public key",
            "active",
            "prepared",
            "left",
            "last signed",
            "notes",
        ];
        let mut rows = vec![heading.map(str::to_owned)];
        for report in reports {
            let left = now.map(|now| {
                let left = epochs_left(report, now.slot);
                format!("{left} ({})", duration(left, now.slot_duration))
            });
            let last = last_signed(&report.public_key).map(|epoch| epoch.to_string());
            rows.push([
                report.path.display().to_string(),
                format_name(report.format).to_owned(),
                short(&report.public_key),
                epochs(&report.active),
                prepared(&report.trees),
                left.unwrap_or_else(|| "–".to_owned()),
                last.unwrap_or_else(|| "–".to_owned()),
                notes(report).join(", "),
            ]);
        }
        print(&table(&rows))
    }
}

impl VerifyArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let expected = self
            .public_key
            .as_deref()
            .map(parse_public_key)
            .transpose()?;
        let mut passphrase = self.passphrase.given()?;
        let mut rows = vec![["file", "public key", "result"].map(str::to_owned)];
        let mut values = Vec::new();
        let mut bad = 0;
        for path in key_files(&self.paths)? {
            if passphrase.is_none() && is_encrypted(&path) {
                passphrase = Some(self.passphrase.for_reading()?);
            }
            let work = Work::start(path.display().to_string(), 1);
            let progress = output::advance(&work);
            let verified = verify(&path, expected.as_ref(), passphrase.as_ref(), &progress);
            work.finish();
            let (public_key, problem) = match &verified {
                Ok(report) => (Some(report.public_key), trees_problem(&report.trees)),
                Err(error) => (None, Some(error.to_string())),
            };
            bad += usize::from(problem.is_some());
            values.push(json!({
                "file": path, "public_key": public_key, "ok": problem.is_none(), "problem": problem,
            }));
            rows.push([
                path.display().to_string(),
                public_key.as_ref().map_or_else(|| "–".to_owned(), short),
                problem.unwrap_or_else(|| "ok".to_owned()),
            ]);
        }
        if self.json {
            output::print_json(&json!(values))?;
        } else {
            print(&table(&rows))?;
        }
        if bad > 0 {
            bail!(
                "{bad} of {} not as it should be",
                count(values.len() as u64, "key")
            );
        }
        Ok(())
    }
}

pub(super) fn parse_public_key(text: &str) -> anyhow::Result<PublicKey> {
    let bytes = const_hex::decode(text).context("--public-key")?;
    PublicKey::try_from(bytes.as_slice()).context("--public-key")
}

/// Whether the key needs a passphrase; other errors show when it is read.
pub(super) fn is_encrypted(path: &Path) -> bool {
    let own = matches!(KeyFormat::of(path), Ok(KeyFormat::Keystore));
    own && inspect(path, None).is_ok_and(|report| report.encrypted)
}

fn format_name(format: KeyFormat) -> &'static str {
    match format {
        KeyFormat::Keystore => "quartet",
        KeyFormat::Foreign(ForeignFormat::Ssz) => "leansig ssz",
        KeyFormat::Foreign(ForeignFormat::Json) => "leansig json",
    }
}

fn epochs_left(report: &KeyReport, slot: u64) -> u64 {
    let next = slot.max(report.active.start);
    report.active.end.saturating_sub(next)
}

fn prepared(trees: &TreesReport) -> String {
    match trees {
        TreesReport::Whole(ranges) | TreesReport::Damaged(ranges) => epoch_ranges(ranges),
        TreesReport::Missing | TreesReport::Unusable(_) => "none".to_owned(),
        TreesReport::Unchecked => "?".to_owned(),
    }
}

fn trees_problem(trees: &TreesReport) -> Option<String> {
    match trees {
        TreesReport::Whole(_) | TreesReport::Unchecked => None,
        TreesReport::Damaged(_) => Some("some prepared trees are damaged".to_owned()),
        TreesReport::Missing => Some("no prepared trees; rebuilt when loaded".to_owned()),
        TreesReport::Unusable(why) => Some(format!("prepared trees: {why}")),
    }
}

fn notes(report: &KeyReport) -> Vec<String> {
    let mut notes = Vec::new();
    if report.encrypted {
        notes.push("encrypted".to_owned());
    }
    if report.public_test_key {
        notes.push("public test key".to_owned());
    } else if report.readable_by_others {
        notes.push("others may read it: chmod 600".to_owned());
    }
    notes.extend(trees_problem(&report.trees));
    if !matches!(
        report.mark,
        MarkReport::Exempt | MarkReport::NotBegun | MarkReport::FreeFrom(0)
    ) {
        notes.push(mark::describe(&report.mark));
    }
    notes
}

fn as_json(report: &KeyReport) -> Value {
    let range = |range: &std::ops::Range<u64>| json!([range.start, range.end.saturating_sub(1)]);
    let prepared: Value = match &report.trees {
        TreesReport::Whole(ranges) | TreesReport::Damaged(ranges) => {
            ranges.iter().map(range).collect()
        }
        _ => json!([]),
    };
    json!({
        "file": report.path,
        "format": format_name(report.format),
        "scheme": report.scheme,
        "public_key": report.public_key,
        "active": range(&report.active),
        "prepared": prepared,
        "encrypted": report.encrypted,
        "public_test_key": report.public_test_key,
        "readable_by_others": report.readable_by_others,
        "free_from_epoch": mark::free(&report.mark),
        "mark": mark::describe(&report.mark),
        "trees": trees_problem(&report.trees).unwrap_or_else(|| "ok".to_owned()),
    })
}
