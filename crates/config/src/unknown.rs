//! Fields of a file that mean nothing here: a newer tool may have written them, and its user should know.

use serde_yaml::Value;

/// Most fields that are named; a file of another kind may have thousands.
const MOST: usize = 32;

/// What a file may have: names, and what may be below them.
pub(crate) type Known = &'static [(&'static str, &'static [&'static str])];

/// The fields of a file of YAML that are neither in `known` nor, one level down, below what is there; entries of a list
/// count together, as `list[].field`. Each once, in the file's order.
pub(crate) fn unknown_fields(text: &str, known: Known, deeper: Known) -> Vec<String> {
    let mut found = Vec::new();
    // What is no YAML at all has been refused.
    let Ok(Value::Mapping(fields)) = serde_yaml::from_str(text) else {
        return found;
    };
    for (name, value) in fields.iter().filter_map(named) {
        match known.iter().find(|(known, _)| *known == name) {
            None => note(&mut found, name.to_owned()),
            Some((_, [])) => {}
            Some((_, below)) => look_below(&mut found, name, value, below, deeper),
        }
    }
    found
}

fn look_below(found: &mut Vec<String>, path: &str, value: &Value, below: &[&str], deeper: Known) {
    match value {
        Value::Sequence(entries) => {
            let path = format!("{path}[]");
            for entry in entries {
                look_below(found, &path, entry, below, deeper);
            }
        }
        Value::Mapping(fields) => {
            for (name, value) in fields.iter().filter_map(named) {
                let path = format!("{path}.{name}");
                if !below.contains(&name) {
                    note(found, path);
                } else if let Some((_, below)) = deeper.iter().find(|(known, _)| *known == name) {
                    look_below(found, &path, value, below, &[]);
                }
            }
        }
        _ => {}
    }
}

fn named<'v>((name, value): (&'v Value, &'v Value)) -> Option<(&'v str, &'v Value)> {
    Some((name.as_str()?, value))
}

fn note(found: &mut Vec<String>, name: String) {
    if found.len() < MOST && !found.contains(&name) {
        found.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = &[
        ("time", &[]),
        ("config", &["a"]),
        ("nodes", &["name", "at"]),
    ];
    const DEEPER: Known = &[("at", &["ip"])];

    #[test]
    fn each_unknown_field_is_named_once_with_its_place() {
        let text = "time: {x: 1}\ncolour: red\nconfig: {a: 1, b: 2}\nnodes:\n  - {name: x, api: 1}\n  \
                    - {api: 2, at: {ip: 1, tcp: 3}}\n";
        assert_eq!(
            unknown_fields(text, KNOWN, DEEPER),
            ["colour", "config.b", "nodes[].api", "nodes[].at.tcp"]
        );
        for fine in ["time: 1", "[1, 2]", "a: [b", "", "7: 8"] {
            assert_eq!(unknown_fields(fine, KNOWN, DEEPER), [""; 0], "{fine}");
        }
    }

    #[test]
    fn only_so_many_are_named() {
        let text: String = (0..100).map(|n| format!("x{n}: 1\n")).collect();
        assert_eq!(unknown_fields(&text, KNOWN, DEEPER).len(), MOST);
    }
}
