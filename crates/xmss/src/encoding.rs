//! The bytes of public keys and signatures, checked to the last bit.

use thiserror::Error;

use crate::{
    field::{self, DIGEST_ELEMENTS, Digest, P},
    parameters::{PARAMETER_ELEMENTS, Parameters, RANDOMNESS_ELEMENTS, Scheme},
};

/// Length of an encoded public key: Merkle root, then parameter; 13 elements of four bytes.
pub const PUBLIC_KEY_BYTES: usize = 52;

/// Length of an encoded signature. Signatures of the test scheme are shorter, and padded with zeros.
pub const SIGNATURE_BYTES: usize = 3112;

const DIGEST_BYTES: usize = 4 * DIGEST_ELEMENTS;
const RANDOMNESS_BYTES: usize = 4 * RANDOMNESS_ELEMENTS;
/// Two offsets with the randomness between them.
const FIXED_BYTES: usize = 4 + RANDOMNESS_BYTES + 4;

/// Why bytes are not a public key, a signature or a secret key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// There are too few or too many bytes.
    #[error("{what} has {found} bytes, expected {expected}")]
    Length {
        /// What was being read.
        what: &'static str,
        /// The length it must have.
        expected: usize,
        /// The length it has.
        found: usize,
    },
    /// An SSZ offset does not point to where its field must begin.
    #[error("offset of {field} is {found}, expected {expected}")]
    Offset {
        /// The field that the offset belongs to.
        field: &'static str,
        /// The only offset possible.
        expected: u32,
        /// The offset found.
        found: u32,
    },
    /// A field element is written with a number that is not below the prime.
    #[error("element {index} of {field} is {value}, which is not below the prime {P}")]
    NonCanonical {
        /// The field that the element belongs to.
        field: &'static str,
        /// Position of the element within its field.
        index: usize,
        /// The number found.
        value: u32,
    },
    /// The bytes after a signature of the test scheme are not all zero.
    #[error("padding byte {position} is {value}, expected 0")]
    Padding {
        /// Position in the signature's bytes.
        position: usize,
        /// The byte found.
        value: u8,
    },
}

fn elements<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u32; N], DecodeError> {
    let mut elements = [0; N];
    field::read_canonical(bytes, &mut elements).map_err(|(index, value)| {
        DecodeError::NonCanonical {
            field,
            index,
            value,
        }
    })?;
    Ok(elements)
}

/// A public key, decoded: the root of the Merkle tree and the parameter that makes its hashes its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey {
    pub(crate) root: Digest,
    pub(crate) parameter: [u32; PARAMETER_ELEMENTS],
}

impl PublicKey {
    /// Decodes a public key.
    ///
    /// # Errors
    /// Returns an error when the length is not [`PUBLIC_KEY_BYTES`] or an element is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() != PUBLIC_KEY_BYTES {
            return Err(DecodeError::Length {
                what: "public key",
                expected: PUBLIC_KEY_BYTES,
                found: bytes.len(),
            });
        }
        let (root, parameter) = bytes.split_at(DIGEST_BYTES);
        Ok(Self {
            root: elements(root, "root")?,
            parameter: elements(parameter, "parameter")?,
        })
    }

    /// Encodes the public key.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_BYTES] {
        let mut bytes = [0; PUBLIC_KEY_BYTES];
        field::write_canonical(&self.root, &mut bytes[..DIGEST_BYTES]);
        field::write_canonical(&self.parameter, &mut bytes[DIGEST_BYTES..]);
        bytes
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublicKey(0x")?;
        self.to_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A signature, decoded: the randomness that made the message a codeword, the siblings from the leaf to the root, and
/// one value of each chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub(crate) randomness: [u32; RANDOMNESS_ELEMENTS],
    pub(crate) path: Vec<Digest>,
    pub(crate) chains: Vec<Digest>,
}

impl Signature {
    /// Decodes a signature of `scheme` from its [`SIGNATURE_BYTES`].
    ///
    /// # Errors
    /// Returns an error when the length is wrong, an offset is not the only one possible, an element is not
    /// canonical, or a padding byte is not zero.
    pub fn from_bytes(scheme: Scheme, bytes: &[u8]) -> Result<Self, DecodeError> {
        let Parameters {
            dimension,
            log_lifetime,
            ..
        } = *scheme.parameters();
        let mut signature = Self {
            randomness: [0; RANDOMNESS_ELEMENTS],
            path: vec![[0; DIGEST_ELEMENTS]; log_lifetime as usize],
            chains: vec![[0; DIGEST_ELEMENTS]; dimension],
        };
        read(
            scheme,
            bytes,
            &mut signature.randomness,
            &mut signature.path,
            &mut signature.chains,
        )?;
        let Self {
            randomness,
            path,
            chains,
        } = &mut signature;
        let digests = path
            .as_flattened_mut()
            .iter_mut()
            .chain(chains.as_flattened_mut());
        for element in randomness.iter_mut().chain(digests) {
            *element = field::to_montgomery(*element);
        }
        Ok(signature)
    }

    /// Encodes the signature, padded with zeros to [`SIGNATURE_BYTES`].
    #[must_use]
    pub fn to_bytes(&self) -> Box<[u8; SIGNATURE_BYTES]> {
        let mut bytes = Box::new([0; SIGNATURE_BYTES]);
        let path_offset = FIXED_BYTES;
        let siblings = path_offset + 4;
        let chains = siblings + DIGEST_BYTES * self.path.len();
        let end = chains + DIGEST_BYTES * self.chains.len();
        bytes[..4].copy_from_slice(&(path_offset as u32).to_le_bytes());
        field::write_canonical(&self.randomness, &mut bytes[4..4 + RANDOMNESS_BYTES]);
        bytes[4 + RANDOMNESS_BYTES..FIXED_BYTES].copy_from_slice(&(chains as u32).to_le_bytes());
        bytes[path_offset..siblings].copy_from_slice(&4u32.to_le_bytes());
        field::write_canonical(self.path.as_flattened(), &mut bytes[siblings..chains]);
        field::write_canonical(self.chains.as_flattened(), &mut bytes[chains..end]);
        bytes
    }
}

/// Reads a signature into buffers of the right lengths, without allocation. The elements are checked, but left
/// as they are: to bring them into Montgomery form is faster in lanes.
pub(crate) fn read(
    scheme: Scheme,
    bytes: &[u8],
    randomness: &mut [u32; RANDOMNESS_ELEMENTS],
    path: &mut [Digest],
    chains: &mut [Digest],
) -> Result<(), DecodeError> {
    let Parameters {
        dimension,
        log_lifetime,
        ..
    } = *scheme.parameters();
    if bytes.len() != SIGNATURE_BYTES {
        return Err(DecodeError::Length {
            what: "signature",
            expected: SIGNATURE_BYTES,
            found: bytes.len(),
        });
    }
    let siblings = FIXED_BYTES + 4;
    let chains_at = siblings + DIGEST_BYTES * log_lifetime as usize;
    let end = chains_at + DIGEST_BYTES * dimension;
    offset(bytes, 0, "path", FIXED_BYTES)?;
    offset(bytes, 4 + RANDOMNESS_BYTES, "chain values", chains_at)?;
    offset(bytes, FIXED_BYTES, "siblings", 4)?;
    let non_canonical = |field| {
        move |(index, value)| DecodeError::NonCanonical {
            field,
            index,
            value,
        }
    };
    field::read_values(&bytes[4..], randomness).map_err(non_canonical("randomness"))?;
    field::read_values(&bytes[siblings..], path.as_flattened_mut())
        .map_err(non_canonical("path"))?;
    field::read_values(&bytes[chains_at..], chains.as_flattened_mut())
        .map_err(non_canonical("chain values"))?;
    match bytes[end..].iter().position(|byte| *byte != 0) {
        Some(position) => Err(DecodeError::Padding {
            position: end + position,
            value: bytes[end + position],
        }),
        None => Ok(()),
    }
}

fn offset(
    bytes: &[u8],
    at: usize,
    field: &'static str,
    expected: usize,
) -> Result<(), DecodeError> {
    let found = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let expected = expected as u32;
    if found == expected {
        Ok(())
    } else {
        Err(DecodeError::Offset {
            field,
            expected,
            found,
        })
    }
}
