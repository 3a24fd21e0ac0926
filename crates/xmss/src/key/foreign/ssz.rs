//! The SSZ form of foreign keys, encoded by hand, with canonical field elements.

use zeroize::Zeroizing;

use super::{ForeignElement, ForeignKey, ForeignLayer, ForeignTree};
use crate::{
    encoding::DecodeError,
    field::{self, DIGEST_ELEMENTS},
    key::trees::Reader,
    parameters::PARAMETER_ELEMENTS,
    prf::KEY_BYTES,
};

/// Length of the part of the SSZ form before the trees.
const FIXED_BYTES: usize = KEY_BYTES + 4 * PARAMETER_ELEMENTS + 8 + 8 + 4 + 8 + 4 + 4;
const DIGEST_BYTES: usize = 4 * DIGEST_ELEMENTS;

impl ForeignKey {
    /// Decodes the SSZ form.
    ///
    /// # Errors
    /// Returns an error when the bytes are not exactly an encoding.
    pub fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = Reader { bytes, at: 0 };
        let prf_key = Zeroizing::new(rest.array::<KEY_BYTES>()?);
        let parameter = elements(rest.take(4 * PARAMETER_ELEMENTS)?, "parameter")?;
        let activation_epoch = u64::from_le_bytes(rest.array()?);
        let num_active_epochs = u64::from_le_bytes(rest.array()?);
        let top = u32::from_le_bytes(rest.array()?);
        let left_bottom_tree_index = u64::from_le_bytes(rest.array()?);
        let left = u32::from_le_bytes(rest.array()?);
        let right = u32::from_le_bytes(rest.array()?);
        expect_offset("top tree", top, FIXED_BYTES)?;
        let tree = |field, from: u32, to: usize| {
            let found = from;
            let bytes = bytes.get(from as usize..to).ok_or(DecodeError::Offset {
                field,
                expected: u32::try_from(to).unwrap_or(u32::MAX),
                found,
            })?;
            ForeignTree::from_ssz_bytes(bytes)
        };
        Ok(Self {
            prf_key: *prf_key,
            parameter,
            activation_epoch,
            num_active_epochs,
            top_tree: tree("left bottom tree", top, left as usize)?,
            left_bottom_tree_index,
            left_bottom_tree: tree("right bottom tree", left, right as usize)?,
            right_bottom_tree: tree("right bottom tree", right, bytes.len())?,
        })
    }

    /// Encodes the SSZ form. The bytes hold the secret.
    #[must_use]
    pub fn to_ssz_bytes(&self) -> Zeroizing<Vec<u8>> {
        let [top, left, right] = [
            &self.top_tree,
            &self.left_bottom_tree,
            &self.right_bottom_tree,
        ];
        let left_at = FIXED_BYTES + top.ssz_length();
        let right_at = left_at + left.ssz_length();
        let mut bytes = Zeroizing::new(Vec::with_capacity(right_at + right.ssz_length()));
        bytes.extend_from_slice(&self.prf_key);
        push_elements(&mut bytes, &self.parameter);
        bytes.extend_from_slice(&self.activation_epoch.to_le_bytes());
        bytes.extend_from_slice(&self.num_active_epochs.to_le_bytes());
        bytes.extend_from_slice(&(FIXED_BYTES as u32).to_le_bytes());
        bytes.extend_from_slice(&self.left_bottom_tree_index.to_le_bytes());
        bytes.extend_from_slice(&(left_at as u32).to_le_bytes());
        bytes.extend_from_slice(&(right_at as u32).to_le_bytes());
        for tree in [top, left, right] {
            tree.append_ssz(&mut bytes);
        }
        bytes
    }
}

impl ForeignTree {
    fn ssz_length(&self) -> usize {
        20 + self
            .layers
            .iter()
            .map(|layer| 4 + layer.ssz_length())
            .sum::<usize>()
    }

    fn append_ssz(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.depth.to_le_bytes());
        bytes.extend_from_slice(&self.lowest_layer.to_le_bytes());
        bytes.extend_from_slice(&20u32.to_le_bytes());
        let mut offset = 4 * self.layers.len();
        for layer in &self.layers {
            bytes.extend_from_slice(&(offset as u32).to_le_bytes());
            offset += layer.ssz_length();
        }
        for layer in &self.layers {
            bytes.extend_from_slice(&layer.start_index.to_le_bytes());
            bytes.extend_from_slice(&12u32.to_le_bytes());
            for node in &layer.nodes {
                push_elements(bytes, node);
            }
        }
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = Reader { bytes, at: 0 };
        let depth = u64::from_le_bytes(rest.array()?);
        let lowest_layer = u64::from_le_bytes(rest.array()?);
        expect_offset("layers", u32::from_le_bytes(rest.array()?), 20)?;
        let list = &bytes[20..];
        if list.is_empty() {
            return Ok(Self {
                depth,
                lowest_layer,
                layers: Vec::new(),
            });
        }
        // A list of variable-length items begins with an offset per item, so the first one tells their number.
        let mut offsets = Vec::new();
        let first = u32::from_le_bytes(rest.array()?);
        if !first.is_multiple_of(4) || first == 0 || first as usize > list.len() {
            return Err(DecodeError::Offset {
                field: "first layer",
                expected: 4,
                found: first,
            });
        }
        offsets.push(first as usize);
        for _ in 1..first / 4 {
            offsets.push(u32::from_le_bytes(rest.array()?) as usize);
        }
        offsets.push(list.len());
        let layers = offsets
            .windows(2)
            .map(|pair| {
                let layer = list.get(pair[0]..pair[1]).ok_or(DecodeError::Offset {
                    field: "layer",
                    expected: u32::try_from(pair[0]).unwrap_or(u32::MAX),
                    found: u32::try_from(pair[1]).unwrap_or(u32::MAX),
                })?;
                ForeignLayer::from_ssz_bytes(layer)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            depth,
            lowest_layer,
            layers,
        })
    }
}

impl ForeignLayer {
    fn ssz_length(&self) -> usize {
        12 + DIGEST_BYTES * self.nodes.len()
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = Reader { bytes, at: 0 };
        let start_index = u64::from_le_bytes(rest.array()?);
        expect_offset("nodes", u32::from_le_bytes(rest.array()?), 12)?;
        let nodes = &bytes[12..];
        if !nodes.len().is_multiple_of(DIGEST_BYTES) {
            let expected = 12 + nodes.len() / DIGEST_BYTES * DIGEST_BYTES;
            return Err(DecodeError::Length {
                what: "layer",
                expected,
                found: bytes.len(),
            });
        }
        let nodes = nodes
            .chunks_exact(DIGEST_BYTES)
            .map(|node| elements(node, "node"));
        Ok(Self {
            start_index,
            nodes: nodes.collect::<Result<_, _>>()?,
        })
    }
}

fn elements<const N: usize>(
    bytes: &[u8],
    field: &'static str,
) -> Result<[ForeignElement; N], DecodeError> {
    let mut elements = [0; N];
    field::read_canonical(bytes, &mut elements).map_err(|(index, value)| {
        DecodeError::NonCanonical {
            field,
            index,
            value,
        }
    })?;
    Ok(elements.map(ForeignElement))
}

fn push_elements(bytes: &mut Vec<u8>, elements: &[ForeignElement]) {
    for element in elements {
        bytes.extend_from_slice(&field::to_canonical(element.0).to_le_bytes());
    }
}

fn expect_offset(field: &'static str, found: u32, expected: usize) -> Result<(), DecodeError> {
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
