//! Parsing a keystore's text so that the secret is in no error and in as few copies as possible.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{KeyFileProblem, encryption::EncryptedSecret};

/// What the secret's line begins with.
pub(super) const SECRET_FIELD: &str = "prf_key:";
/// The fields that errors may name.
const FIELDS: [&str; 12] = [
    "version",
    "purpose",
    "high_water_mark",
    "scheme",
    "public_key",
    "parameter",
    "derivation",
    "activation_epoch",
    "active_epochs",
    "padding",
    "encrypted_prf_key",
    "prf_key",
];

/// All fields but the secret one.
#[derive(Serialize, Deserialize)]
pub(super) struct Fields {
    pub(super) version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) purpose: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) high_water_mark: Option<MarkField>,
    pub(super) scheme: String,
    pub(super) public_key: String,
    pub(super) parameter: String,
    pub(super) derivation: DerivationName,
    pub(super) activation_epoch: u64,
    pub(super) active_epochs: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) padding: Vec<Padding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) encrypted_prf_key: Option<EncryptedSecret>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DerivationName {
    LeanSig,
    Spec,
}

/// That the key has a high-water mark beside it, without which it is not to be used.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MarkField {
    Required,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Padding {
    pub(super) layer: u32,
    pub(super) index: u64,
    pub(super) node: String,
}

/// The secret, where it is not encrypted.
type PrfKey = Option<Zeroizing<[u8; 32]>>;

/// Splits a text into the fields and the secret.
pub(super) fn parse(text: &str) -> Result<(Fields, PrfKey), KeyFileProblem> {
    // The YAML parser leaves copies of what it reads, so the secret never reaches it.
    let is_secret = |line: &str| line.starts_with(SECRET_FIELD);
    let mut secrets = (1..).zip(text.lines()).filter(|(_, line)| is_secret(line));
    let secret = secrets.next();
    if let Some((line, _)) = secrets.next() {
        return Err(KeyFileProblem::Yaml {
            what: TWICE,
            line,
            column: 1,
            field: Some("prf_key"),
        });
    }
    let secret = secret.map(|(_, line)| parse_secret(line)).transpose()?;
    let rest: Vec<&str> = (text.lines())
        .map(|line| if is_secret(line) { "" } else { line })
        .collect();
    let rest = Zeroizing::new(rest.join("\n"));
    // A struct's fields are looked for twice by their own names only, a mapping's keys all.
    let problem = |error| problem(&error, text);
    serde_yaml::from_str::<serde_yaml::Value>(&rest).map_err(problem)?;
    let fields = serde_yaml::from_str(&rest).map_err(problem)?;
    Ok((fields, secret))
}

const TWICE: &str = "a field is given twice";

/// Where the text is malformed. The parser's message may quote the text, so none of it is passed on.
fn problem(error: &serde_yaml::Error, text: &str) -> KeyFileProblem {
    let said = Zeroizing::new(error.to_string());
    let mut names = FIELDS.iter();
    if let Some(field) = names.find(|name| said.starts_with(&format!("missing field `{name}`"))) {
        return KeyFileProblem::Field {
            field,
            reason: "is missing",
        };
    }
    let (line, column) = error
        .location()
        .map_or((1, 1), |place| (place.line(), place.column()));
    KeyFileProblem::Yaml {
        what: if said.contains("duplicate ") {
            TWICE
        } else {
            "malformed"
        },
        line,
        column,
        field: text.lines().nth(line.saturating_sub(1)).and_then(field_of),
    }
}

/// The field that a line begins with.
fn field_of(line: &str) -> Option<&'static str> {
    let (name, _) = line.split_once(':')?;
    FIELDS.into_iter().find(|field| *field == name.trim())
}

/// `prf_key: "0x…"`, with quotes or without.
fn parse_secret(line: &str) -> Result<Zeroizing<[u8; 32]>, KeyFileProblem> {
    let value = line[SECRET_FIELD.len()..].trim();
    let field = "prf_key";
    if value.is_empty() {
        let reason = "its value must stand on the same line";
        return Err(KeyFileProblem::Field { field, reason });
    }
    let digits = value.trim_matches(['"', '\'']);
    let mut secret = Zeroizing::new([0; 32]);
    // The decoder's error would quote a character, so it is not passed on.
    const_hex::decode_to_slice(digits, secret.as_mut()).map_err(|_| KeyFileProblem::Field {
        field,
        reason: "not 32 bytes of hexadecimal",
    })?;
    Ok(secret)
}

/// The bytes of a field in hexadecimal.
pub(super) fn hex<const N: usize>(
    field: &'static str,
    text: &str,
) -> Result<[u8; N], KeyFileProblem> {
    let mut bytes = [0; N];
    const_hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyFileProblem::Field {
        field,
        reason: match N {
            52 => "not 52 bytes of hexadecimal",
            32 => "not 32 bytes of hexadecimal",
            20 => "not 20 bytes of hexadecimal",
            _ => "not hexadecimal, or of another length",
        },
    })?;
    Ok(bytes)
}
