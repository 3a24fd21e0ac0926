//! Texts with placeholders that are filled in for each node: `{port}`, `{genesis}/config.yaml`.

use std::ffi::{OsStr, OsString};

use serde::Deserialize;

/// What can stand between braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The loopback address at which all nodes listen.
    Address,
    /// A directory of the node's own, made for it.
    Data,
    /// The other nodes' records, with commas in between.
    Enrs,
    /// The genesis directory.
    Genesis,
    /// Unix time of slot 0, in seconds.
    GenesisTime,
    /// The TCP port for its HTTP API.
    Http,
    /// The secret key of the node's first validator, in the form that the template asks for.
    Key,
    /// The directory of the validators' keys.
    Keys,
    /// The TCP port for its metrics.
    Metrics,
    /// The node's name.
    NodeId,
    /// The file with the node's secp256k1 key in hexadecimal.
    NodeKey,
    /// The UDP port for QUIC.
    Port,
    /// The program that runs the devnet.
    Quartet,
    /// The indices of the node's validators, with commas in between.
    Validators,
}

/// All, by their names, in the order of these.
const NAMES: [(&str, Placeholder); 14] = [
    ("address", Placeholder::Address),
    ("data", Placeholder::Data),
    ("enrs", Placeholder::Enrs),
    ("genesis", Placeholder::Genesis),
    ("genesis_time", Placeholder::GenesisTime),
    ("http", Placeholder::Http),
    ("key", Placeholder::Key),
    ("keys", Placeholder::Keys),
    ("metrics", Placeholder::Metrics),
    ("node_id", Placeholder::NodeId),
    ("node_key", Placeholder::NodeKey),
    ("port", Placeholder::Port),
    ("quartet", Placeholder::Quartet),
    ("validators", Placeholder::Validators),
];

/// A text with placeholders, in which `{{` and `}}` are braces.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Filled(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Placeholder),
}

impl Filled {
    /// The text, with each placeholder replaced.
    pub fn fill(&self, value: impl Fn(Placeholder) -> OsString) -> OsString {
        let mut filled = OsString::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push(OsStr::new(text)),
                Piece::Place(place) => filled.push(value(*place)),
            }
        }
        filled
    }

    /// Whether a placeholder is in it.
    #[must_use]
    pub fn has(&self, place: Placeholder) -> bool {
        self.0.contains(&Piece::Place(place))
    }
}

impl TryFrom<String> for Filled {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let name = from.strip_prefix('{').and_then(|from| from.split_once('}'));
                let Some((name, after)) = name else {
                    return Err(format!(
                        "a brace without its other one in {text:?}; write {{{{ or }}}} for one that is meant"
                    ));
                };
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Place(named(name)?));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self(pieces))
    }
}

fn named(name: &str) -> Result<Placeholder, String> {
    let found = NAMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, place)| *place).ok_or_else(|| {
        let known: Vec<_> = NAMES
            .iter()
            .map(|(name, _)| format!("{{{name}}}"))
            .collect();
        format!(
            "no placeholder is called {{{name}}}; there are {}",
            known.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Filled, String> {
        Filled::try_from(text.to_owned())
    }

    #[test]
    fn places_are_filled_and_doubled_braces_are_braces() {
        let text = parse("{genesis}/{node_id}.key{{x}}").unwrap();
        let filled = text.fill(|place| format!("<{place:?}>").into());
        assert_eq!(filled, "<Genesis>/<NodeId>.key{x}");
        assert!(text.has(Placeholder::NodeId) && !text.has(Placeholder::Port));
        assert_eq!(parse("").unwrap().fill(|_| OsString::new()), "");
    }

    #[test]
    fn every_placeholder_can_be_written() {
        for (name, place) in NAMES {
            assert!(parse(&format!("{{{name}}}")).unwrap().has(place));
        }
        assert!(NAMES.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn what_is_no_placeholder_is_refused_with_those_there_are() {
        let error = parse("--x={prot}").unwrap_err();
        assert!(
            error.starts_with("no placeholder is called {prot}; there are {address}, {data}, "),
            "{error}"
        );
        assert!(error.ends_with("{quartet}, {validators}"), "{error}");
        for text in ["{port", "port}", "a{", "}"] {
            assert!(
                parse(text)
                    .unwrap_err()
                    .contains("a brace without its other one"),
                "{text}"
            );
        }
    }
}
