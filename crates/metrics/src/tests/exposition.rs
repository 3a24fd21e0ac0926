//! A scrape's text, read as strictly as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

/// A metric of a scrape.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) has_help: bool,
    /// Each combination of labels other than `le`, as they are written.
    pub(super) labels: BTreeSet<String>,
    /// Upper bounds of a histogram's buckets, as they are written.
    pub(super) bounds: BTreeSet<String>,
}

/// The metrics by name.
pub(super) fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut helped, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split_once(' ').unwrap().0;
            assert!(helped.insert(name), "{name} is explained twice");
        } else if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            let family = Family {
                kind: kind.to_owned(),
                has_help: helped.contains(name),
                ..Family::default()
            };
            let before = families.insert(name.to_owned(), family);
            assert!(before.is_none(), "{name} is given twice");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            assert!(seen.insert(sample), "{sample} is given twice");
            add_sample(&mut families, sample);
        }
    }
    families
}

fn add_sample(families: &mut BTreeMap<String, Family>, sample: &str) {
    let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
        let base = name.strip_suffix(end)?;
        families.contains_key(base).then_some(base)
    });
    let family = families.get_mut(base.unwrap_or(name));
    let family = family.unwrap_or_else(|| panic!("{name} has no TYPE"));
    let labels = labels.strip_suffix('}').unwrap();
    let (bounds, others): (Vec<_>, Vec<_>) = labels
        .split(',')
        .filter(|label| !label.is_empty())
        .partition(|label| label.starts_with("le="));
    let bounds = bounds.iter().filter_map(|bound| bound.split('"').nth(1));
    family.bounds.extend(bounds.map(str::to_owned));
    family.labels.insert(others.join(","));
}
