//! `config.yaml`: genesis time and the validators' public keys, from which a node builds genesis.

use std::{fmt::Write as _, path::Path};

use quartet_types::{GenesisError, PublicKey, Root, SlotDuration, State, VALIDATOR_REGISTRY_LIMIT};
use serde::Deserialize;

use crate::{
    FileError, Problem,
    error::Hints,
    files, public_key,
    unknown::{Known, unknown_fields},
};

/// What `config.yaml` may say.
const KNOWN: Known = &[
    ("GENESIS_TIME", &[]),
    ("SLOT_DURATION_MS", &[]),
    ("ACTIVE_EPOCH", &[]),
    ("VALIDATOR_COUNT", &[]),
    ("GENESIS_VALIDATORS", &[]),
];

/// What `config.yaml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisConfig {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// How long a slot lasts; four seconds where the file says nothing.
    pub slot_duration: SlotDuration,
    /// Validators' keys are active for two to the power of this many epochs, where the file says so.
    pub log_active_epochs: Option<u8>,
    /// The registry, in order; at least one, at most [`VALIDATOR_REGISTRY_LIMIT`].
    pub validators: Vec<PublicKey>,
}

/// What to write where an older form of the file lacks something.
const HINTS: Hints = &[(
    "GENESIS_VALIDATORS",
    "an older form, whose keys are elsewhere: list the validators' public keys there, in their order, or make the directory \
     anew with `quartet genesis`",
)];

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Fields {
    genesis_time: u64,
    slot_duration_ms: Option<u64>,
    active_epoch: Option<u8>,
    validator_count: Option<u64>,
    // As text: an unquoted key of digits only would otherwise become a number and lose its value.
    genesis_validators: Vec<String>,
}

impl GenesisConfig {
    /// Reads `config.yaml`.
    ///
    /// # Errors
    /// When the file cannot be read, lacks a field, a key is not 52 bytes of hexadecimal, or the number of keys is
    /// zero, beyond the registry's limit, or not what `VALIDATOR_COUNT` says; or when no slot can last as long as
    /// `SLOT_DURATION_MS` says.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Ok(Self::read_with_unknown(path)?.0)
    }

    /// As [`GenesisConfig::read`], with the names of fields that mean nothing here.
    ///
    /// # Errors
    /// As [`GenesisConfig::read`].
    pub fn read_with_unknown(path: &Path) -> Result<(Self, Vec<String>), FileError> {
        let text = files::read(path)?;
        let config = Self::parse(&text).map_err(|problem| problem.in_file(path))?;
        Ok((config, unknown_fields(&text, KNOWN, &[])))
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let fields: Fields =
            files::parse_yaml(text).map_err(|problem| problem.with_hints(HINTS))?;
        let slot_duration = match fields.slot_duration_ms {
            Some(milliseconds) => SlotDuration::from_millis(milliseconds),
            None => Ok(SlotDuration::default()),
        };
        let listed = fields.genesis_validators.len();
        if let Some(declared) = fields.validator_count
            && declared != listed as u64
        {
            return Err(Problem::ValidatorCount { declared, listed });
        }
        if listed == 0 {
            return Err(Problem::Genesis(GenesisError::NoValidators));
        }
        if listed as u64 > VALIDATOR_REGISTRY_LIMIT {
            return Err(Problem::Genesis(GenesisError::TooManyValidators {
                found: listed,
                limit: VALIDATOR_REGISTRY_LIMIT,
            }));
        }
        let validators = (fields.genesis_validators.iter().enumerate())
            .map(|(index, text)| public_key::parse(text, || format!("GENESIS_VALIDATORS[{index}]")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            genesis_time: fields.genesis_time,
            slot_duration: slot_duration.map_err(Problem::SlotDuration)?,
            log_active_epochs: fields.active_epoch,
            validators,
        })
    }

    /// The genesis state.
    ///
    /// # Errors
    /// When there are no validators or more than the registry's limit.
    pub fn state(&self) -> Result<State, GenesisError> {
        State::genesis(self.genesis_time, &self.validators)
    }

    /// The genesis state as `genesis.json` has it: a chain without blocks, without its registry. Nothing in it
    /// depends on anything but the time; clients that ask for the file take all else from `config.yaml`.
    #[must_use]
    pub fn genesis_json(&self) -> String {
        let nowhere = format!(r#"{{ "root": "{}", "slot": "0" }}"#, Root::ZERO);
        format!(
            r#"{{
  "config": {{ "genesis_time": {} }},
  "slot": "0",
  "latest_justified": {nowhere},
  "latest_finalized": {nowhere},
  "historical_block_hashes": [],
  "justified_slots": [],
  "justifications_roots": [],
  "justifications_validators": "0x01"
}}
"#,
            self.genesis_time
        )
    }

    /// Writes `config.yaml`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_yaml())
    }

    fn to_yaml(&self) -> String {
        let mut text = format!("GENESIS_TIME: {}\n", self.genesis_time);
        if !self.slot_duration.is_default() {
            let _ = writeln!(text, "SLOT_DURATION_MS: {}", self.slot_duration.as_millis());
        }
        if let Some(log) = self.log_active_epochs {
            let _ = writeln!(text, "ACTIVE_EPOCH: {log}");
        }
        let _ = writeln!(text, "VALIDATOR_COUNT: {}", self.validators.len());
        text.push_str("GENESIS_VALIDATORS:\n");
        for key in &self.validators {
            let _ = writeln!(text, "  - \"{}\"", public_key::bare(key));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_error(text: &str) -> String {
        GenesisConfig::parse(text).unwrap_err().to_string()
    }

    fn config(keys: &[&str], rest: &str) -> String {
        let list: String = keys.iter().map(|key| format!("  - {key}\n")).collect();
        format!("GENESIS_TIME: 7\n{rest}GENESIS_VALIDATORS:\n{list}")
    }

    #[test]
    fn keys_are_read_with_and_without_prefix_and_unknown_fields_are_tolerated() {
        let bare = "ab".repeat(52);
        let text = config(
            &[&format!("\"0x{bare}\""), &bare],
            "COLOUR: red\nACTIVE_EPOCH: 18\n",
        );
        let config = GenesisConfig::parse(&text).unwrap();
        assert_eq!(config.genesis_time, 7);
        assert_eq!(config.slot_duration, SlotDuration::default());
        assert_eq!(unknown_fields(&text, KNOWN, &[]), ["COLOUR"]);
        assert_eq!(config.log_active_epochs, Some(18));
        assert_eq!(config.validators, [PublicKey([0xab; 52]); 2]);
    }

    #[test]
    fn an_unquoted_key_of_digits_is_read_as_text() {
        for digits in ["12".repeat(52), format!("1e{}", "10".repeat(51))] {
            let config = GenesisConfig::parse(&config(&[&digits], "")).unwrap();
            assert_eq!(public_key::bare(&config.validators[0]), digits);
        }
    }

    #[test]
    fn errors_name_the_field_or_the_line() {
        let good = "ab".repeat(52);
        let cases = [
            (
                config(&[&good, &good[2..]], ""),
                "GENESIS_VALIDATORS[1]: a public key has 52 bytes, this one 51",
            ),
            (
                config(&["zz"], ""),
                "GENESIS_VALIDATORS[0]: not a hexadecimal public key",
            ),
            (
                config(&[&good], "VALIDATOR_COUNT: 2\n"),
                "VALIDATOR_COUNT is 2, but GENESIS_VALIDATORS lists 1 public keys",
            ),
            (
                "GENESIS_TIME: 7\nGENESIS_VALIDATORS: []".to_owned(),
                "at least one validator",
            ),
            (
                config(&vec![good.as_str(); 4097], ""),
                "4097 validators exceed the registry's limit of 4096",
            ),
            (
                "GENESIS_TIME: soon\nGENESIS_VALIDATORS: []".to_owned(),
                "GENESIS_TIME: invalid type: string \"soon\", expected u64 at line 1",
            ),
            (
                config(&[&good], "SLOT_DURATION_MS: 398\n"),
                "SLOT_DURATION_MS: a slot cannot last 398 ms: it lasts 400 to 60000 ms",
            ),
            (
                "GENESIS_TIME: 7".to_owned(),
                "make the directory anew with `quartet genesis`",
            ),
            (
                "GENESIS_TIME: 7".to_owned(),
                "missing field `GENESIS_VALIDATORS`",
            ),
            ("a: [b".to_owned(), "line 2"),
        ];
        for (text, expected) in cases {
            let message = parse_error(&text);
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut config = GenesisConfig {
            genesis_time: 1_795_211_904,
            slot_duration: SlotDuration::default(),
            log_active_epochs: Some(18),
            validators: vec![PublicKey([0x11; 52]), PublicKey([0xee; 52])],
        };
        assert!(
            !config.to_yaml().contains("SLOT"),
            "as other clients have it"
        );
        assert_eq!(GenesisConfig::parse(&config.to_yaml()).unwrap(), config);
        config.slot_duration = SlotDuration::from_millis(400).unwrap();
        assert_eq!(GenesisConfig::parse(&config.to_yaml()).unwrap(), config);
    }
}
