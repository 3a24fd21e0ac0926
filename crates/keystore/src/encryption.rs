//! Encryption at rest: Argon2id derives a key from the passphrase, with which XChaCha20-Poly1305 encrypts the PRF key.
//! The public key is authenticated with it, so that an encrypted secret fits one keystore only.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use quartet_types::PublicKey;
use rand::{TryRng as _, rngs::SysRng};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const SECRET_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
/// Argon2's second recommended choice (RFC 9106, section 4): some 0.1 s and 64 MiB for each try.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// A file may require more work than we would, but not all of the machine.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 64;
const MOST_LANES: u32 = 64;
const KDF: &str = "argon2id";
const CIPHER: &str = "xchacha20-poly1305";

/// What decrypts encrypted keystores. Wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// A passphrase, without the line ending that files and prompts leave at its end.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Self {
        let mut text = text.into();
        let length = text.trim_end_matches(['\n', '\r']).len();
        text.truncate(length);
        Self(text)
    }

    /// The first line of a file's text.
    pub fn first_line(text: impl Into<Zeroizing<String>>) -> Self {
        let mut text = text.into();
        let length = text.find('\n').unwrap_or(text.len());
        text.truncate(length);
        Self::new(text)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// An encrypted PRF key, as a keystore holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EncryptedSecret {
    kdf: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    #[serde(with = "const_hex::serde")]
    salt: [u8; SALT_BYTES],
    cipher: String,
    #[serde(with = "const_hex::serde")]
    nonce: [u8; NONCE_BYTES],
    #[serde(with = "const_hex::serde")]
    ciphertext: Vec<u8>,
}

/// A secret cannot be encrypted or decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// The passphrase is another one, or the file was changed: the cipher cannot tell.
    #[error("wrong passphrase, or the file was changed")]
    WrongPassphrase,
    /// Nothing was given to open it with.
    #[error("encrypted: a passphrase is needed")]
    PassphraseNeeded,
    /// A parameter is beyond what is accepted.
    #[error("{parameter} is beyond the limit of {limit}")]
    BeyondLimit {
        /// Which one.
        parameter: &'static str,
        /// The largest that is accepted.
        limit: u32,
    },
    /// Another algorithm.
    #[error("unknown algorithm, known is {known:?}")]
    UnknownAlgorithm {
        /// What there is.
        known: &'static str,
    },
    /// Argon2 refuses its parameters.
    #[error("argon2id: {0}")]
    Parameters(argon2::Error),
    /// The system has no randomness to give.
    #[error("no randomness: {0}")]
    NoRandomness(String),
}

impl EncryptedSecret {
    pub(crate) fn encrypt(
        secret: &[u8; SECRET_BYTES],
        public_key: &PublicKey,
        passphrase: &Passphrase,
    ) -> Result<Self, EncryptionError> {
        let mut encrypted = Self {
            kdf: KDF.to_owned(),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: random()?,
            cipher: CIPHER.to_owned(),
            nonce: random()?,
            ciphertext: Vec::new(),
        };
        let payload = Payload {
            msg: secret,
            aad: public_key.as_bytes(),
        };
        encrypted.ciphertext = encrypted
            .cipher(passphrase)?
            .encrypt(&XNonce::from(encrypted.nonce), payload)
            .map_err(|_| EncryptionError::WrongPassphrase)?;
        Ok(encrypted)
    }

    pub(crate) fn decrypt(
        &self,
        public_key: &PublicKey,
        passphrase: &Passphrase,
    ) -> Result<Zeroizing<[u8; SECRET_BYTES]>, EncryptionError> {
        let payload = Payload {
            msg: &self.ciphertext,
            aad: public_key.as_bytes(),
        };
        let opened = self
            .cipher(passphrase)?
            .decrypt(&XNonce::from(self.nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| EncryptionError::WrongPassphrase)?;
        let secret = opened.as_slice().try_into();
        secret
            .map_err(|_| EncryptionError::WrongPassphrase)
            .map(Zeroizing::new)
    }

    fn cipher(&self, passphrase: &Passphrase) -> Result<XChaCha20Poly1305, EncryptionError> {
        known(&self.kdf, KDF)?;
        known(&self.cipher, CIPHER)?;
        within("memory_kib", self.memory_kib, MOST_MEMORY_KIB)?;
        within("passes", self.passes, MOST_PASSES)?;
        within("lanes", self.lanes, MOST_LANES)?;
        let parameters = Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(EncryptionError::Parameters)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(passphrase.0.as_bytes(), &self.salt, key.as_mut())
            .map_err(EncryptionError::Parameters)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }
}

fn known(found: &str, known: &'static str) -> Result<(), EncryptionError> {
    if found == known {
        return Ok(());
    }
    Err(EncryptionError::UnknownAlgorithm { known })
}

fn within(parameter: &'static str, found: u32, limit: u32) -> Result<(), EncryptionError> {
    if found <= limit {
        return Ok(());
    }
    Err(EncryptionError::BeyondLimit { parameter, limit })
}

fn random<const N: usize>() -> Result<[u8; N], EncryptionError> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| EncryptionError::NoRandomness(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned())
    }

    fn encrypted() -> EncryptedSecret {
        EncryptedSecret::encrypt(&[7; 32], &PublicKey([1; 52]), &passphrase("correct horse"))
            .unwrap()
    }

    #[test]
    fn the_passphrase_decrypts_what_it_encrypted_whatever_line_ending_it_came_with() {
        let encrypted = encrypted();
        let decrypt = |text| encrypted.decrypt(&PublicKey([1; 52]), &passphrase(text));
        assert_eq!(*decrypt("correct horse\r\n").unwrap(), [7; 32]);
        assert_eq!(
            decrypt("battery staple"),
            Err(EncryptionError::WrongPassphrase)
        );
        let yaml = serde_yaml::to_string(&encrypted).unwrap();
        assert_eq!(
            serde_yaml::from_str::<EncryptedSecret>(&yaml).unwrap(),
            encrypted
        );
    }

    #[test]
    fn an_encrypted_secret_fits_one_public_key_and_no_changed_text() {
        let mut encrypted = encrypted();
        let right = passphrase("correct horse");
        let wrong = Err(EncryptionError::WrongPassphrase);
        assert_eq!(encrypted.decrypt(&PublicKey([2; 52]), &right), wrong);
        encrypted.ciphertext[3] ^= 1;
        assert_eq!(encrypted.decrypt(&PublicKey([1; 52]), &right), wrong);
        encrypted.ciphertext.clear();
        assert_eq!(encrypted.decrypt(&PublicKey([1; 52]), &right), wrong);
    }

    #[test]
    fn a_file_cannot_ask_for_all_of_the_machine() {
        let mut encrypted = encrypted();
        encrypted.memory_kib = u32::MAX;
        let error = encrypted
            .decrypt(&PublicKey([1; 52]), &passphrase("x"))
            .unwrap_err();
        let (parameter, limit) = ("memory_kib", MOST_MEMORY_KIB);
        let expected = EncryptionError::BeyondLimit { parameter, limit };
        assert_eq!(error, expected);
        encrypted.cipher = "rot13".to_owned();
        let error = encrypted
            .decrypt(&PublicKey([1; 52]), &passphrase("x"))
            .unwrap_err();
        assert!(matches!(error, EncryptionError::UnknownAlgorithm { .. }));
    }
}
