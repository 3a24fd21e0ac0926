//! What a scrape holds, and that what is shipped shows nothing else.

mod exposition;
mod lean_metrics;
mod sources;

use std::{collections::BTreeSet, fs, path::Path};

use super::{Metrics, Reading, SyncStatus, catalogue::catalogue};

const READING: Reading<'_> = Reading {
    client: "quartet",
    version: "1.2.3",
    commit: "abc1234",
    node: "quartet_0",
    started: 1_000.5,
    validators: 2,
    current_slot: 9,
    head_slot: 8,
    safe_target_slot: 7,
    justified_slot: 6,
    finalized_slot: 5,
    head_justified_slot: 4,
    head_finalized_slot: 3,
    sync: SyncStatus::Synced,
    condition: "synced",
};

/// Every name that a scrape may hold.
fn names() -> BTreeSet<String> {
    let text = Metrics::detached().unwrap().render(&READING);
    let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let shown = shown.filter_map(|line| Some(line.split_once(' ')?.0.to_owned()));
    let disk = ["database_bytes", "disk_free_bytes", "disk_size_bytes"];
    let disk = disk.map(|name| format!("quartet_{name}"));
    let recorded = catalogue().map(|metric| metric.name.to_owned());
    shown.chain(recorded).chain(disk).collect()
}

#[test]
fn a_scrape_shows_its_own_reading_whatever_was_recorded() {
    let metrics = Metrics::detached().unwrap();
    metrics.observe(|| metrics::gauge!("lean_head_slot").set(99.0));
    let lines = |reading| -> BTreeSet<String> {
        metrics.render(reading).lines().map(str::to_owned).collect()
    };
    let first = lines(&READING);
    let expected = [
        r#"lean_node_info{name="quartet",version="1.2.3",commit="abc1234",node="quartet_0"} 1"#,
        "lean_node_start_time_seconds 1000.5",
        "lean_head_slot 8",
        "lean_latest_justified_slot 6",
        "lean_latest_finalized_slot 5",
        "lean_justified_slot 4",
        "lean_finalized_slot 3",
        "quartet_sync_target_slot 8",
        r#"lean_node_sync_status{status="synced"} 1"#,
        r#"lean_node_sync_status{status="syncing"} 0"#,
        r#"lean_node_sync_status{status="idle"} 0"#,
        r#"quartet_node_condition{condition="synced"} 1"#,
        r#"quartet_node_condition{condition="cut_off"} 0"#,
    ];
    for line in expected {
        assert!(first.contains(line), "{line}");
    }
    let target = 40;
    let second = lines(&Reading {
        sync: SyncStatus::Syncing {
            target,
            slots_per_second: 3,
        },
        condition: "syncing",
        ..READING
    });
    let expected = [
        "quartet_sync_target_slot 40",
        "quartet_sync_slots_per_second 3",
        r#"lean_node_sync_status{status="synced"} 0"#,
        r#"lean_node_sync_status{status="syncing"} 1"#,
        r#"quartet_node_condition{condition="synced"} 0"#,
        r#"quartet_node_condition{condition="syncing"} 1"#,
    ];
    for line in expected {
        assert!(second.contains(line), "{line}");
    }
}

#[test]
fn a_signature_is_timed_by_both_of_its_names() {
    let metrics = Metrics::detached().unwrap();
    metrics.observe(|| {
        metrics::histogram!("lean_pq_sig_attestation_signing_time_seconds").record(0.25);
    });
    let text = metrics.render(&READING);
    for name in ["lean_pq_sig", "lean_pq_signature"] {
        let sum = format!("{name}_attestation_signing_time_seconds_sum 0.25\n");
        assert!(text.contains(&sum), "{sum}");
    }
}

#[test]
fn labels_cannot_break_out_of_their_line() {
    let node = "a\"} 1\nlean_head_slot 99\\";
    let text = Metrics::detached()
        .unwrap()
        .render(&Reading { node, ..READING });
    assert!(text.lines().all(|line| line != "lean_head_slot 99\\"));
    assert!(text.contains(r#"node="a\"} 1\nlean_head_slot 99\\"} 1"#));
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_seen_as_prometheus_clients_name_it() {
    let text = Metrics::detached().unwrap().render(&READING);
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 100_000.0);
    assert!(value("process_virtual_memory_bytes ") > 100_000.0);
    assert!(value("process_threads ") >= 1.0);
    assert!(value("process_open_fds ") >= 1.0);
    assert!(value("process_max_fds ") >= value("process_open_fds "));
    assert!(value("process_start_time_seconds ") > 1.0e9);
    let (whole, fine) = (
        value("process_cpu_seconds_total "),
        value("quartet_process_cpu_nanoseconds_total ") / 1e9,
    );
    assert!(fine > 0.0 && (fine - whole).abs() < 1.5, "{fine} {whole}");
}

#[test]
fn the_disk_is_seen_once_it_is_named() {
    let metrics = Metrics::detached().unwrap();
    assert!(
        !metrics
            .render(&READING)
            .contains("\nquartet_disk_free_bytes ")
    );
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    metrics.watch_disk(here.to_owned(), here.to_owned());
    let text = metrics.render(&READING);
    let value = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    let size = fs::metadata(here.join("Cargo.toml")).unwrap().len();
    assert_eq!(value("quartet_database_bytes "), size);
    #[cfg(target_os = "linux")]
    assert!(value("quartet_disk_size_bytes ") >= value("quartet_disk_free_bytes "));
}

fn shipped(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join("config").join(name)).unwrap()
}

/// The metrics that a query names.
fn used<'a>(queries: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let words = queries.flat_map(|query| query.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let is_metric = |word: &&str| {
        let starts = ["lean_", "quartet_", "process_"];
        starts.iter().any(|start| word.starts_with(start))
    };
    let names = words.filter(is_metric);
    names
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned())
        .collect()
}

#[test]
fn dashboard_and_alerts_are_about_nothing_that_is_not_there() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&shipped("grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    let targets = targets.flatten();
    let shown = used(targets.filter_map(|target| target["expr"].as_str()));
    assert!(shown.len() > 80, "{shown:?}");

    let alerts = shipped("alerts.yml");
    let rules = alerts.lines().filter_map(|line| line.split_once(" expr: "));
    let watched = used(rules.map(|(_, rule)| rule));
    assert!(watched.len() > 15, "{watched:?}");

    let names = names();
    let used = shown.union(&watched);
    let unknown: Vec<_> = used.filter(|name| !names.contains(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
