//! A node's identity on the network: a secp256k1 secret key, 32 bytes of hexadecimal in `<node>.key`.

use std::{fmt, path::Path};

use enr::{EnrPublicKey as _, k256::ecdsa::SigningKey};
use rand::{TryRng, rngs::SysRng};
use zeroize::Zeroizing;

use crate::{FileError, Problem, files};

const SECRET_BYTES: usize = 32;

/// A node's secp256k1 secret key. It is wiped from memory when dropped and never shown by `Debug`.
#[derive(Clone)]
pub struct NodeKey {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

/// Not a secp256k1 secret key. Errors never show what was found, since it may be most of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNodeKey {
    /// Not hexadecimal.
    #[error("a node key is 64 hexadecimal digits; this has other characters")]
    NotHex,
    /// Wrong number of bytes.
    #[error("a node key has {SECRET_BYTES} bytes, this one {found}")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// Zero, or not below the group's order.
    #[error("not a secp256k1 secret key: zero, or beyond the order of the group")]
    OutOfRange,
}

impl NodeKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, std::io::Error> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        loop {
            SysRng
                .try_fill_bytes(secret.as_mut())
                .map_err(std::io::Error::other)?;
            // Fails about once in 2^128 tries.
            if let Ok(key) = Self::from_bytes(&secret) {
                return Ok(key);
            }
        }
    }

    /// A key from its 32 bytes, big-endian.
    ///
    /// # Errors
    /// When they are zero or not below the order of the group.
    pub fn from_bytes(secret: &[u8; SECRET_BYTES]) -> Result<Self, InvalidNodeKey> {
        SigningKey::from_slice(secret).map_err(|_| InvalidNodeKey::OutOfRange)?;
        Ok(Self {
            secret: Zeroizing::new(*secret),
        })
    }

    /// A key from 64 hexadecimal digits, with or without `0x` and white space around them.
    ///
    /// # Errors
    /// When it is not that, or not a secp256k1 secret key.
    pub fn from_hex(text: &str) -> Result<Self, InvalidNodeKey> {
        let bytes =
            Zeroizing::new(const_hex::decode(text.trim()).map_err(|_| InvalidNodeKey::NotHex)?);
        let secret: &[u8; SECRET_BYTES] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| InvalidNodeKey::Length { found: bytes.len() })?;
        Self::from_bytes(secret)
    }

    /// Reads a `<node>.key` file.
    ///
    /// # Errors
    /// When it cannot be read or holds no key.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Self::from_hex(&files::read(path)?).map_err(|error| {
            let field = "node key".to_owned();
            Problem::NodeKey { field, error }.in_file(path)
        })
    }

    /// Writes a `<node>.key` file that only its owner may read.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let mut text = Zeroizing::new(const_hex::encode(self.secret.as_slice()));
        text.push('\n');
        files::write_secret(path, &text)
    }

    /// The secret's 32 bytes, big-endian, for the network's own key type.
    pub fn secret_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// The public key, compressed.
    pub fn public_key(&self) -> [u8; 33] {
        self.signing_key()
            .map(|key| key.verifying_key().encode().into())
            .unwrap_or([0; 33])
    }

    pub(crate) fn signing_key(&self) -> Result<SigningKey, InvalidNodeKey> {
        SigningKey::from_slice(self.secret.as_slice()).map_err(|_| InvalidNodeKey::OutOfRange)
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "NodeKey(public {})",
            const_hex::encode(self.public_key())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "bdf953adc161873ba026330c56450453f582e3c4ee6cb713644794bcfdd85fe5";

    #[test]
    fn a_key_is_read_with_or_without_prefix_and_newline() {
        let plain = NodeKey::from_hex(SAMPLE).unwrap();
        let dressed = NodeKey::from_hex(&format!(" 0x{SAMPLE}\n")).unwrap();
        assert_eq!(plain.secret_bytes(), dressed.secret_bytes());
        assert_eq!(plain.public_key(), dressed.public_key());
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let cases = [
            ("", InvalidNodeKey::Length { found: 0 }),
            (&SAMPLE[2..], InvalidNodeKey::Length { found: 31 }),
            ("no key", InvalidNodeKey::NotHex),
            (order, InvalidNodeKey::OutOfRange),
            (&"0".repeat(64), InvalidNodeKey::OutOfRange),
        ];
        for (text, expected) in cases {
            let error = NodeKey::from_hex(text).unwrap_err();
            assert_eq!(error, expected);
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = NodeKey::from_hex(SAMPLE).unwrap();
        assert!(!format!("{key:?}").contains(&SAMPLE[..8]));
    }

    #[cfg(unix)]
    #[test]
    fn a_written_key_is_its_owners_alone_even_where_a_public_file_was() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("n.key");
        std::fs::write(&path, "old").unwrap();
        let key = NodeKey::generate().unwrap();
        key.write(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            NodeKey::read(&path).unwrap().secret_bytes(),
            key.secret_bytes()
        );
    }
}
