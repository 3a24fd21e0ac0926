//! Secret keys as leanSig writes them, in SSZ (8.4 MB) or JSON (22.5 MB): files to [`ForeignKey`] and back.
//!
//! The `xmss` crate defines the encodings; here they are read and written so that no copy of the secret stays in
//! memory, and the text of a JSON file is never in memory as a whole.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use quartet_types::ValidatorIndex;
use quartet_xmss::{ForeignElement, ForeignKey};
use serde::Serialize;
use zeroize::Zeroize as _;

use crate::{KeyFileProblem, files};

const BUFFER_BYTES: usize = 1 << 16;
/// More than any key of the scheme needs: two bottom trees take 8.4 MB.
const LARGEST_SSZ: u64 = 64 << 20;

/// The two encodings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForeignFormat {
    /// `validator_N_sk.ssz`: field elements in canonical form.
    Ssz,
    /// `validator_N_sk.json`: field elements in Montgomery form.
    Json,
}

impl ForeignFormat {
    /// The format that a file's name stands for.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "ssz" => Some(Self::Ssz),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// What a validator's file is called in a devnet's `hash-sig-keys`.
    pub fn file_name(self, index: ValidatorIndex) -> PathBuf {
        match self {
            Self::Ssz => format!("validator_{index}_sk.ssz").into(),
            Self::Json => format!("validator_{index}_sk.json").into(),
        }
    }

    pub(crate) fn read(self, file: &mut File) -> Result<ForeignKey, KeyFileProblem> {
        match self {
            Self::Ssz => {
                let bytes = files::read_wiped(file, LARGEST_SSZ);
                let bytes = bytes.map_err(KeyFileProblem::Unreadable)?;
                ForeignKey::from_ssz_bytes(&bytes).map_err(|error| KeyFileProblem::ssz(&error))
            }
            // The parser's message may quote numbers of the secret, so only the place is taken from it.
            Self::Json => from_json(file).map_err(|error| KeyFileProblem::Json {
                line: error.line(),
                column: error.column(),
            }),
        }
    }

    pub(crate) fn write(self, key: &ForeignKey, file: &mut File) -> io::Result<()> {
        match self {
            Self::Ssz => file.write_all(&key.to_ssz_bytes()),
            Self::Json => to_json(key, file),
        }
    }
}

fn from_json(reader: impl Read) -> Result<ForeignKey, serde_json::Error> {
    serde_json::from_reader(&mut WipingReader::new(reader))
}

/// Writes a key as leanSig would.
fn to_json(key: &ForeignKey, writer: impl Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Marked<'a> {
        #[serde(flatten)]
        key: &'a ForeignKey,
        /// leanSig's type marker, without which it does not read a key.
        _encoding_type: (),
    }
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
    let marked = Marked {
        key,
        _encoding_type: (),
    };
    serde_json::to_writer(&mut writer, &marked)?;
    writer.flush()
}

/// The public key in the form of `validator_N_pk.json`, which some clients ask for beside the secret one.
pub(crate) fn public_key_json(key: &ForeignKey) -> Option<String> {
    #[derive(Serialize)]
    struct PublicKey {
        root: [ForeignElement; 8],
        parameter: [ForeignElement; 5],
    }
    let public_key = PublicKey {
        root: *key.top_tree.layers.last()?.nodes.first()?,
        parameter: key.parameter,
    };
    serde_json::to_string_pretty(&public_key).ok()
}

/// A buffered reader that wipes its buffer, for the text begins with the PRF key.
struct WipingReader<R> {
    inner: R,
    buffer: Box<[u8]>,
    position: usize,
    length: usize,
}

impl<R: Read> WipingReader<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            position: 0,
            length: 0,
        }
    }
}

impl<R: Read> Read for WipingReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.position == self.length {
            self.length = self.inner.read(&mut self.buffer)?;
            self.position = 0;
        }
        let available = &self.buffer[self.position..self.length];
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.position += count;
        Ok(count)
    }
}

impl<R> Drop for WipingReader<R> {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use quartet_xmss::{Derivation, KeyMaterial, Scheme, SecretKey, Threads};

    use super::*;
    use crate::keystore::tests::{SECRET, said, shows_secret};

    #[test]
    fn a_key_survives_both_encodings_and_errors_quote_nothing() {
        let material = KeyMaterial::from_parts(
            Scheme::Test,
            Derivation::LeanSig,
            [200; 32],
            &[0; 20],
            32,
            64,
            &[],
        )
        .unwrap();
        let key = SecretKey::build(material, Threads::One, &|_| {});
        let foreign = ForeignKey::export(&key, 50, Threads::One, &|_| {}).unwrap();
        let directory = tempfile::tempdir().unwrap();
        for format in [ForeignFormat::Ssz, ForeignFormat::Json] {
            let path = directory.path().join(format.file_name(0));
            assert_eq!(ForeignFormat::of(&path), Some(format));
            format
                .write(&foreign, &mut File::create(&path).unwrap())
                .unwrap();
            assert!(format.read(&mut File::open(&path).unwrap()).unwrap() == foreign);
        }
        let mut json = Vec::new();
        to_json(&foreign, &mut json).unwrap();
        assert!(json.ends_with(br#","_encoding_type":null}"#));
        let broken = String::from_utf8(json).unwrap().replacen("200", "300", 1);
        let path = directory.path().join("broken.json");
        std::fs::write(&path, broken).unwrap();
        let error = ForeignFormat::Json.read(&mut File::open(&path).unwrap());
        let message = error.unwrap_err().to_string();
        assert!(message.contains("line 1 column") && !message.contains("300"));
    }

    fn foreign_key(prf_key: [u8; 32]) -> ForeignKey {
        let (derivation, parameter) = (Derivation::LeanSig, [0; 20]);
        let scheme = Scheme::Test;
        let material =
            KeyMaterial::from_parts(scheme, derivation, prf_key, &parameter, 32, 64, &[]);
        let key = SecretKey::build(material.unwrap(), Threads::One, &|_| {});
        ForeignKey::export(&key, 50, Threads::One, &|_| {}).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_error_about_a_mutated_foreign_key_shows_a_part_of_its_secret(
            is_json in any::<bool>(),
            changes in proptest::collection::vec(
                (0..4u8, any::<usize>(), any::<usize>(), any::<u8>()), 1..5,
            ),
        ) {
            static KEY: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
                let key = foreign_key(SECRET);
                let mut json = Vec::new();
                to_json(&key, &mut json).unwrap();
                [key.to_ssz_bytes().to_vec(), json]
            });
            let format = if is_json { ForeignFormat::Json } else { ForeignFormat::Ssz };
            let mut bytes = KEY[usize::from(is_json)].clone();
            for (kind, at, length, with) in changes {
                // The beginning has the secret, and the lengths that are needed to read the rest.
                let at = at % bytes.len().min(if at % 3 == 0 { usize::MAX } else { 400 });
                let end = (at + length % 40).min(bytes.len());
                match kind {
                    0 => drop(bytes.splice(at..end, [])),
                    1 => bytes[at] = with,
                    2 => drop(bytes.splice(at..at, [with])),
                    _ => {
                        let secret = SECRET.iter().copied().cycle().skip(length % 32);
                        bytes[at..end].iter_mut().zip(secret).for_each(|(to, from)| *to = from);
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            let read = format.read(&mut file).and_then(|key| crate::load::import(&key));
            if let Err(problem) = read {
                let said = said(problem);
                prop_assert!(!shows_secret(&said), "{}", said);
            }
        }
    }
}
