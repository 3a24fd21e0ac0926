//! Byte vectors of fixed length: public keys and signatures, opaque to everything but the scheme.

use std::{fmt, sync::Arc};

use alloy_primitives::hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use ssz::{Decode, DecodeError, Encode};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType};

use crate::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};

/// A byte string was not of the type's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} bytes, found {found}")]
pub struct WrongLength {
    /// Bytes the type has.
    pub expected: usize,
    /// Bytes that were given.
    pub found: usize,
}

/// A validator's public key in its canonical 52-byte form; whether it decodes is the scheme's to say.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; PUBLIC_KEY_BYTES]);

/// A signature as on the wire, 3112 bytes, shared so that a clone is cheap.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature(Arc<[u8; SIGNATURE_BYTES]>);

impl PublicKey {
    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.0
    }
}

impl Signature {
    /// The signature's bytes.
    pub fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

impl From<[u8; SIGNATURE_BYTES]> for Signature {
    fn from(bytes: [u8; SIGNATURE_BYTES]) -> Self {
        Self(Arc::new(bytes))
    }
}

impl TryFrom<&[u8]> for PublicKey {
    type Error = WrongLength;

    fn try_from(bytes: &[u8]) -> Result<Self, WrongLength> {
        bytes.try_into().map(Self).map_err(|_| WrongLength {
            expected: PUBLIC_KEY_BYTES,
            found: bytes.len(),
        })
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = WrongLength;

    fn try_from(bytes: &[u8]) -> Result<Self, WrongLength> {
        let wrong = |_| WrongLength {
            expected: SIGNATURE_BYTES,
            found: bytes.len(),
        };
        Arc::<[u8]>::from(bytes).try_into().map(Self).map_err(wrong)
    }
}

impl Default for PublicKey {
    fn default() -> Self {
        Self([0; PUBLIC_KEY_BYTES])
    }
}

impl Default for Signature {
    fn default() -> Self {
        [0; SIGNATURE_BYTES].into()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", hex::encode_prefixed(&self.0[..8]))
    }
}

macro_rules! byte_vector {
    ($name:ident, $length:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode_prefixed(self.as_bytes()))
            }
        }

        impl Encode for $name {
            fn is_ssz_fixed_len() -> bool {
                true
            }

            fn ssz_fixed_len() -> usize {
                $length
            }

            fn ssz_bytes_len(&self) -> usize {
                $length
            }

            fn ssz_append(&self, buf: &mut Vec<u8>) {
                buf.extend_from_slice(self.as_bytes());
            }
        }

        impl Decode for $name {
            fn is_ssz_fixed_len() -> bool {
                true
            }

            fn ssz_fixed_len() -> usize {
                $length
            }

            fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
                Self::try_from(bytes).map_err(|wrong| DecodeError::InvalidByteLength {
                    len: wrong.found,
                    expected: wrong.expected,
                })
            }
        }

        impl TreeHash for $name {
            fn tree_hash_type() -> TreeHashType {
                TreeHashType::Vector
            }

            fn tree_hash_packed_encoding(&self) -> PackedEncoding {
                unreachable!("a vector is never packed into a leaf")
            }

            fn tree_hash_packing_factor() -> usize {
                unreachable!("a vector is never packed into a leaf")
            }

            fn tree_hash_root(&self) -> Hash256 {
                tree_hash::merkle_root(self.as_bytes(), 0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let bytes = hex::decode(&text).map_err(D::Error::custom)?;
                Self::try_from(bytes.as_slice()).map_err(D::Error::custom)
            }
        }
    };
}

byte_vector!(PublicKey, PUBLIC_KEY_BYTES);
byte_vector!(Signature, SIGNATURE_BYTES);
