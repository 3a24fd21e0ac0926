//! Our own form of a validator's key: a small YAML file with what is needed to rebuild all of it.
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
//! ```

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::Write as _,
    path::Path,
};

use quartet_types::PublicKey;
use quartet_xmss::{Derivation, KeyMaterial, PaddingNode, Scheme, SecretKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{EncryptionError, KeyError, KeyFileProblem, Passphrase, encryption::Sealed, files};

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
const SECRET_FIELD: &str = "prf_key:";

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
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Plain(Zeroizing<[u8; 32]>),
    Sealed(Sealed),
}

/// All fields but the secret one.
#[derive(Serialize, Deserialize)]
struct Fields {
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    scheme: String,
    public_key: String,
    parameter: String,
    derivation: DerivationName,
    activation_epoch: u64,
    active_epochs: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    padding: Vec<Padding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypted_prf_key: Option<Sealed>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DerivationName {
    LeanSig,
    Spec,
}

#[derive(Serialize, Deserialize)]
struct Padding {
    layer: u32,
    index: u64,
    node: String,
}

impl Keystore {
    /// The file's content for a key, encrypted where there is a passphrase.
    ///
    /// # Errors
    /// When the passphrase cannot be used.
    pub fn of_key(
        key: &SecretKey,
        passphrase: Option<&Passphrase>,
        public_test_key: bool,
    ) -> Result<Self, EncryptionError> {
        let material = key.material();
        let public_key = PublicKey(key.public_key().to_bytes());
        let active = material.active();
        let secret = match passphrase {
            Some(passphrase) => {
                Secret::Sealed(Sealed::seal(material.prf_key(), &public_key, passphrase)?)
            }
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
            purpose: public_test_key.then(|| PUBLIC_TEST_KEY.to_owned()),
            secret,
        })
    }

    pub(crate) fn read(file: &mut File) -> Result<Self, KeyFileProblem> {
        let bytes = files::read_wiped(file, LARGEST).map_err(KeyFileProblem::Unreadable)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileProblem::Field {
            field: "keystore",
            reason: "is not UTF-8".to_owned(),
        })?;
        Self::parse(text)
    }

    fn parse(text: &str) -> Result<Self, KeyFileProblem> {
        // The YAML parser leaves copies of what it reads, so the secret never reaches it.
        let is_secret = |line: &&str| line.starts_with(SECRET_FIELD);
        let secret_line = text.lines().find(is_secret);
        let rest: Vec<&str> = (text.lines())
            .map(|line| if is_secret(&line) { "" } else { line })
            .collect();
        let fields: Fields =
            serde_yaml::from_str(&rest.join("\n")).map_err(KeyFileProblem::Yaml)?;
        if fields.version != VERSION {
            return Err(KeyFileProblem::Version {
                found: fields.version,
                known: VERSION,
            });
        }
        let secret = match (secret_line, fields.encrypted_prf_key) {
            (Some(line), None) => Secret::Plain(parse_secret(line)?),
            (None, Some(sealed)) => Secret::Sealed(sealed),
            _ => {
                let reason =
                    "there must be either `prf_key`, on a line of its own, or `encrypted_prf_key`";
                return Err(KeyFileProblem::Field {
                    field: "prf_key",
                    reason: reason.to_owned(),
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
            scheme: scheme_of(fields.scheme)?,
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
            secret,
        })
    }

    /// Writes a new file that only its owner may read.
    ///
    /// # Errors
    /// When there is a file already, or it cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let written = self.to_yaml().map_err(KeyFileProblem::Yaml);
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
                Secret::Sealed(sealed) => Some(sealed.clone()),
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
            (Secret::Sealed(sealed), Some(passphrase)) => sealed
                .open(&self.public_key, passphrase)
                .map_err(KeyFileProblem::Encryption)?,
            (Secret::Sealed(_), None) => {
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
        .map_err(KeyFileProblem::Material)
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
        matches!(self.secret, Secret::Sealed(_))
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

fn scheme_of(name: String) -> Result<Scheme, KeyFileProblem> {
    let found = SCHEMES.iter().find(|(_, known)| *known == name);
    found
        .map(|(scheme, _)| *scheme)
        .ok_or(KeyFileProblem::Scheme {
            found: name,
            known: SCHEMES[0].1,
        })
}

/// `prf_key: "0x…"`, with quotes or without.
fn parse_secret(line: &str) -> Result<Zeroizing<[u8; 32]>, KeyFileProblem> {
    let value = line[SECRET_FIELD.len()..].trim();
    let digits = value.trim_matches(['"', '\'']);
    let mut secret = Zeroizing::new([0; 32]);
    // The decoder's error would quote a character, so it is not passed on.
    const_hex::decode_to_slice(digits, secret.as_mut()).map_err(|_| KeyFileProblem::Field {
        field: "prf_key",
        reason: "not 32 bytes of hexadecimal".to_owned(),
    })?;
    Ok(secret)
}

fn hex<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], KeyFileProblem> {
    let mut bytes = [0; N];
    const_hex::decode_to_slice(text, &mut bytes).map_err(|error| KeyFileProblem::Field {
        field,
        reason: format!("not {N} bytes of hexadecimal: {error}"),
    })?;
    Ok(bytes)
}

/// Warns when others may read a file that nobody else should.
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
mod tests {
    use proptest::prelude::*;
    use quartet_xmss::Threads;

    use super::*;

    fn keystore(passphrase: Option<&Passphrase>) -> Keystore {
        let node = |index| PaddingNode {
            layer: 4,
            index,
            node: [index as u8; 32],
        };
        let material = KeyMaterial::from_parts(
            Scheme::Test,
            Derivation::Spec,
            [7; 32],
            &[0; 20],
            32,
            32,
            &[],
        )
        .unwrap();
        let key = SecretKey::build(material, Threads::One, &|_| {});
        let mut keystore = Keystore::of_key(&key, passphrase, true).unwrap();
        keystore.padding = vec![node(1), node(6)];
        keystore
    }

    fn is_same(one: &Keystore, other: &Keystore) -> bool {
        let secrets = match (&one.secret, &other.secret) {
            (Secret::Plain(one), Secret::Plain(other)) => one == other,
            (Secret::Sealed(one), Secret::Sealed(other)) => one == other,
            _ => false,
        };
        secrets
            && format!("{one:?}") == format!("{other:?}")
            && one.padding == other.padding
            && one.parameter == other.parameter
            && one.derivation == other.derivation
            && one.purpose == other.purpose
    }

    #[test]
    fn what_is_written_is_read_back() {
        let passphrase = Passphrase::new("hush".to_owned());
        for passphrase in [None, Some(&passphrase)] {
            let keystore = keystore(passphrase);
            let text = keystore.to_yaml().unwrap();
            assert!(is_same(&Keystore::parse(&text).unwrap(), &keystore));
        }
    }

    #[test]
    fn the_secret_is_taken_with_and_without_quotes_and_prefix() {
        let keystore = keystore(None);
        let text = keystore.to_yaml().unwrap();
        let digits = "07".repeat(32);
        let line = format!("prf_key: \"0x{digits}\"");
        assert!(text.contains(&line));
        for other in [
            format!("prf_key: {digits}"),
            format!("prf_key: '0x{digits}'"),
        ] {
            let parsed = Keystore::parse(&text.replace(&line, &other)).unwrap();
            assert!(is_same(&parsed, &keystore));
        }
    }

    proptest! {
        #[test]
        fn a_changed_text_is_refused_or_read_and_never_shows_its_secret(
            at in 0..2000usize, with in "[ -~\n]{0,3}", cut in 0..4usize,
        ) {
            let text = keystore(None).to_yaml().unwrap();
            let (start, secret) = (at % text.len(), "0707070707");
            let end = (start + cut).min(text.len());
            let changed = format!("{}{with}{}", &text[..start], &text[end..]);
            if let Err(error) = Keystore::parse(&changed) {
                let message = error.to_string();
                prop_assert!(!message.contains(secret), "{}", message);
            }
        }
    }
}
