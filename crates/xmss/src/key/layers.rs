//! Ranges of nodes, layer above layer, and the padding at their ends.

use std::ops::Range;

use super::{material::KeyMaterial, shape::padding_of};
use crate::{field::Digest, hash::ParentLayer, lanes::Backend};

/// Nodes of one layer, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRange {
    /// Index of the first node within its layer.
    pub(crate) start: u64,
    pub(crate) nodes: Vec<Digest>,
}

impl NodeRange {
    pub(crate) fn new(start: u64, nodes: Vec<Digest>) -> Self {
        Self { start, nodes }
    }

    /// Gives every node its sibling.
    fn pad(&mut self, material: &KeyMaterial, level: u32) {
        let end = self.start + self.nodes.len() as u64;
        let (before, after) = padding_of(&(self.start..end));
        if let Some(index) = before {
            self.nodes.insert(0, material.padding_node(level, index));
            self.start = index;
        }
        if let Some(index) = after {
            self.nodes.push(material.padding_node(level, index));
        }
    }
}

/// The layers from a range of the lowest of `levels` to the one at their end, where a single node must be left.
/// All but the last are padded, so that every node has its sibling.
pub(crate) fn climb(
    backend: Backend,
    material: &KeyMaterial,
    levels: Range<u32>,
    lowest: NodeRange,
) -> Vec<NodeRange> {
    let context = material.instance().context();
    let mut layers = Vec::with_capacity(levels.len() + 1);
    let mut layer = lowest;
    for level in levels {
        layer.pad(material, level);
        let start = layer.start / 2;
        let parents = backend.run(ParentLayer {
            context,
            parameter: &material.parameter,
            level: level + 1,
            first: start,
            children: &layer.nodes,
        });
        layers.push(layer);
        layer = NodeRange::new(start, parents);
    }
    layers.push(layer);
    layers
}

/// The node that the layers lead to.
pub(crate) fn root(layers: &[NodeRange]) -> Digest {
    layers[layers.len() - 1].nodes[0]
}

/// Siblings on the way from a node of the lowest layer, which must not be padding, to the last one.
pub(crate) fn siblings(layers: &[NodeRange], index: u64) -> impl Iterator<Item = Digest> {
    let below_root = layers.len() - 1;
    layers[..below_root]
        .iter()
        .enumerate()
        .map(move |(height, layer)| layer.nodes[(((index >> height) ^ 1) - layer.start) as usize])
}
