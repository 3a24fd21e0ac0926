//! Our own format of a validator's key: a small YAML file with what is needed to rebuild the whole key.
//!
//! ```yaml
//! version: 1
//! scheme: SIGTopLevelTargetSumLifetime32Dim64Base8
//! public_key: 0x…            # 52 bytes
//! parameter: 0x…             # 20 bytes, the end of the public key
//! derivation: leansig        # how secrets follow from the PRF key; the specification's way is `spec`
//! activation_epoch: 0
//! active_epochs: 262144
//! prf_key: 0x…               # 32 bytes: the secret; or, encrypted,
//! encrypted_prf_key: { kdf: argon2id, …, ciphertext: 0x… }
//! padding:                   # of imported keys only: nodes that were drawn at random. Else they are derived.
//! - { layer: 18, index: 1, node: 0x… }
//! purpose: public-test-key   # only where the secret is meant to be public
//! high_water_mark: required  # the key is not to be used without the mark beside it
//! ```

mod text;

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use quartet_types::PublicKey;
use quartet_xmss::{Derivation, KeyMaterial, PaddingNode, Scheme, SecretKey};
use zeroize::Zeroizing;

use crate::{
    EncryptionError, KeyError, KeyFileProblem, Passphrase, encryption::EncryptedSecret, files,
};
use text::{DerivationName, Fields, MarkField, Padding, SECRET_FIELD, hex};

const VERSION: u64 = 1;
/// A keystore has one or two kilobytes.
const LARGEST: u64 = 1 << 20;
/// Marks keys whose secret is public, so that nobody is warned about it.
const PUBLIC_TEST_KEY: &str = "public-test-key";
const SCHEMES: [(Scheme, &str); 2] = [
    (
        Scheme::Production,
        "SIGTopLevelTargetSumLifetime32Dim64Base8",
    ),
    (Scheme::Test, "SIGTopLevelTargetSumLifetime8Dim4Base4"),
];

/// A validator's key, as its file holds it.
#[derive(Clone)]
pub struct Keystore {
    scheme: Scheme,
    public_key: PublicKey,
    parameter: [u8; 20],
    derivation: Derivation,
    activation_epoch: u64,
    active_epochs: u64,
    padding: Vec<PaddingNode>,
    purpose: Option<String>,
    requires_mark: bool,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Plain(Zeroizing<[u8; 32]>),
    Encrypted(EncryptedSecret),
}

impl Keystore {
    /// The file's content for a key, encrypted where there is a passphrase.
    ///
    /// # Errors
    /// When the passphrase cannot be used.
    pub fn of_key(
        key: &SecretKey,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, EncryptionError> {
        let material = key.material();
        let public_key = PublicKey(key.public_key().to_bytes());
        let active = material.active();
        let secret = match passphrase {
            Some(passphrase) => Secret::Encrypted(EncryptedSecret::encrypt(
                material.prf_key(),
                &public_key,
                passphrase,
            )?),
            None => Secret::Plain(Zeroizing::new(*material.prf_key())),
        };
        Ok(Self {
            scheme: material.instance().scheme,
            public_key,
            parameter: material.parameter(),
            derivation: material.derivation(),
            activation_epoch: active.start,
            active_epochs: active.end - active.start,
            padding: material.padding(),
            purpose: None,
            requires_mark: true,
            secret,
        })
    }

    /// Marks the secret as public: nobody is warned that others may read it, and the key needs no high-water mark.
    #[must_use]
    pub fn into_public_test_key(self) -> Self {
        Self {
            purpose: Some(PUBLIC_TEST_KEY.to_owned()),
            requires_mark: false,
            ..self
        }
    }

    pub(crate) fn read(file: &mut File) -> Result<Self, KeyFileProblem> {
        let bytes = files::read_wiped(file, LARGEST).map_err(KeyFileProblem::Unreadable)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileProblem::Field {
            field: "keystore",
            reason: "is not UTF-8",
        })?;
        Self::parse(text)
    }

    fn parse(text: &str) -> Result<Self, KeyFileProblem> {
        let (fields, secret) = text::parse(text)?;
        if fields.version != VERSION {
            return Err(KeyFileProblem::Version { known: VERSION });
        }
        let secret = match (secret, fields.encrypted_prf_key) {
            (Some(prf_key), None) => Secret::Plain(prf_key),
            (None, Some(encrypted)) => Secret::Encrypted(encrypted),
            _ => {
                return Err(KeyFileProblem::Field {
                    field: "prf_key",
                    reason: "there must be either `prf_key`, on a line of its own, or `encrypted_prf_key`",
                });
            }
        };
        let padding = fields.padding.iter().map(|padding| {
            Ok(PaddingNode {
                layer: padding.layer,
                index: padding.index,
                node: hex("padding", &padding.node)?,
            })
        });
        Ok(Self {
            scheme: scheme_of(&fields.scheme)?,
            public_key: PublicKey(hex("public_key", &fields.public_key)?),
            parameter: hex("parameter", &fields.parameter)?,
            derivation: match fields.derivation {
                DerivationName::LeanSig => Derivation::LeanSig,
                DerivationName::Spec => Derivation::Spec,
            },
            activation_epoch: fields.activation_epoch,
            active_epochs: fields.active_epochs,
            padding: padding.collect::<Result<_, _>>()?,
            purpose: fields.purpose,
            requires_mark: fields.high_water_mark.is_some(),
            secret,
        })
    }

    /// Writes a new file that only its owner may read.
    ///
    /// # Errors
    /// When there is a file already, or it cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let unwritten = |_| KeyFileProblem::Unwritable(io::Error::other("it makes no YAML"));
        let written = self.to_yaml().map_err(unwritten);
        let written = written.and_then(|text| {
            files::write_new(path, |file| file.write_all(text.as_bytes()))
                .map_err(KeyFileProblem::uncreated)
        });
        written.map_err(|problem| problem.in_file(path))
    }

    fn to_yaml(&self) -> Result<Zeroizing<String>, serde_yaml::Error> {
        let padding = self.padding.iter().map(|padding| Padding {
            layer: padding.layer,
            index: padding.index,
            node: const_hex::encode_prefixed(padding.node),
        });
        let fields = Fields {
            version: VERSION,
            purpose: self.purpose.clone(),
            high_water_mark: self.requires_mark.then_some(MarkField::Required),
            scheme: scheme_name(self.scheme).to_owned(),
            public_key: self.public_key.to_string(),
            parameter: const_hex::encode_prefixed(self.parameter),
            derivation: match self.derivation {
                Derivation::LeanSig => DerivationName::LeanSig,
                Derivation::Spec => DerivationName::Spec,
            },
            activation_epoch: self.activation_epoch,
            active_epochs: self.active_epochs,
            padding: padding.collect(),
            encrypted_prf_key: match &self.secret {
                Secret::Plain(_) => None,
                Secret::Encrypted(encrypted) => Some(encrypted.clone()),
            },
        };
        let fields = serde_yaml::to_string(&fields)?;
        // Of the final size at once: growing would leave copies of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(fields.len() + 512));
        text.push_str("# A validator's signing key. Sign with it on one machine only.\n");
        if self.is_public_test_key() {
            text.push_str(
                "# Its secret is public: for tests and local devnets, never for value.\n",
            );
        }
        text.push_str(&fields);
        if let Secret::Plain(prf_key) = &self.secret {
            let digits = Zeroizing::new(const_hex::encode(prf_key.as_slice()));
            let _ = writeln!(text, "{SECRET_FIELD} \"0x{}\"", digits.as_str());
        }
        Ok(text)
    }

    /// The key's material, decrypted where needed.
    ///
    /// # Errors
    /// When the passphrase is missing or wrong, or the parts do not make up a key.
    pub(crate) fn material(
        &self,
        passphrase: Option<&Passphrase>,
    ) -> Result<KeyMaterial, KeyFileProblem> {
        let prf_key = match (&self.secret, passphrase) {
            (Secret::Plain(prf_key), _) => prf_key.clone(),
            (Secret::Encrypted(encrypted), Some(passphrase)) => encrypted
                .decrypt(&self.public_key, passphrase)
                .map_err(KeyFileProblem::Encryption)?,
            (Secret::Encrypted(_), None) => {
                return Err(KeyFileProblem::Encryption(
                    EncryptionError::PassphraseNeeded,
                ));
            }
        };
        KeyMaterial::from_parts(
            self.scheme,
            self.derivation,
            *prf_key,
            &self.parameter,
            self.activation_epoch,
            self.active_epochs,
            &self.padding,
        )
        .map_err(|error| KeyFileProblem::material(&error, self.scheme))
    }

    /// The signature scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The public key that the file states.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// The epochs that the key can sign.
    pub fn active(&self) -> std::ops::Range<u64> {
        self.activation_epoch..self.activation_epoch.saturating_add(self.active_epochs)
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.secret, Secret::Encrypted(_))
    }

    /// Whether the key must not be used without the mark beside it.
    pub(crate) fn requires_mark(&self) -> bool {
        self.requires_mark
    }

    /// Whether the secret is meant to be public.
    pub fn is_public_test_key(&self) -> bool {
        self.purpose.as_deref() == Some(PUBLIC_TEST_KEY)
    }
}

impl fmt::Debug for Keystore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keystore")
            .field("scheme", &self.scheme)
            .field("public_key", &self.public_key)
            .field("active", &self.active())
            .field("encrypted", &self.is_encrypted())
            .finish_non_exhaustive()
    }
}

/// The name of a scheme in files.
pub(crate) fn scheme_name(scheme: Scheme) -> &'static str {
    let found = SCHEMES.iter().find(|(known, _)| *known == scheme);
    found.map_or("", |(_, name)| name)
}

fn scheme_of(name: &str) -> Result<Scheme, KeyFileProblem> {
    let found = SCHEMES.iter().find(|(_, known)| *known == name);
    found
        .map(|(scheme, _)| *scheme)
        .ok_or(KeyFileProblem::Scheme {
            known: SCHEMES[0].1,
        })
}

/// Warns when others than the owner may read a secret file.
pub(crate) fn warn_if_readable(path: &Path, file: &File) {
    if files::readable_by_others(file) {
        tracing::warn!(
            path = %path.display(),
            "others may read this secret key; `chmod 600` it"
        );
    }
}

/// Opens a key's file for reading.
pub(crate) fn open(path: &Path) -> Result<File, KeyError> {
    File::open(path).map_err(|error| KeyFileProblem::Unreadable(error).in_file(path))
}

/// Opens a key's file and locks it, so that no second process signs with it.
pub(crate) fn open_locked(path: &Path) -> Result<File, KeyError> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(KeyFileProblem::InUse.in_file(path)),
        // Some network file systems lock files that are open for writing only; the signing record's lock remains.
        Err(std::fs::TryLockError::Error(error)) => {
            tracing::warn!(path = %path.display(), %error, "cannot lock this secret key");
            Ok(file)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
