//! Public keys as they stand in files: 52 bytes in hexadecimal, with or without `0x`.

use quartet_types::PublicKey;

use crate::Problem;

/// Reads a key; `field` names its place for errors.
pub(crate) fn parse(text: &str, field: impl Fn() -> String) -> Result<PublicKey, Problem> {
    let bytes = const_hex::decode(text.trim()).map_err(|reason| Problem::NotHex {
        field: field(),
        reason,
    })?;
    PublicKey::try_from(bytes.as_slice()).map_err(|wrong| Problem::PublicKeyLength {
        field: field(),
        wrong,
    })
}

/// The form without `0x`, which `config.yaml` and `annotated_validators.yaml` use.
pub(crate) fn bare(key: &PublicKey) -> String {
    const_hex::encode(key.as_bytes())
}
