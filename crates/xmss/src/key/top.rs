//! The top tree: from the roots of the bottom trees to the root of the key.

use std::ops::Range;

use super::material::KeyMaterial;
use crate::field::Digest;
use crate::hash::ParentLayer;
use crate::lanes::Backend;
use crate::parameters::Parameters;

/// Layers of the top tree, each padded so that every node has its sibling; the last is the root alone.
#[derive(Clone, Debug)]
pub(crate) struct TopTree {
    layers: Vec<TopLayer>,
}

/// A stretch of one layer.
#[derive(Clone, Debug)]
pub(crate) struct TopLayer {
    pub(crate) start: u64,
    pub(crate) nodes: Vec<Digest>,
}

impl TopTree {
    /// Builds the tree over the roots of all bottom trees of the key.
    pub(crate) fn build(material: &KeyMaterial, roots: &[Digest]) -> Self {
        let context = material.instance.context();
        let lowest = context.parameters.bottom_height();
        let mut layers = Vec::new();
        let mut layer = TopLayer {
            start: material.trees().start,
            nodes: roots.to_vec(),
        };
        for level in lowest..context.parameters.log_lifetime {
            let (before, after) = padding_of(layer.start, layer.nodes.len() as u64);
            if let Some(index) = before {
                layer.nodes.insert(0, material.padding_node(level, index));
                layer.start = index;
            }
            if let Some(index) = after {
                layer.nodes.push(material.padding_node(level, index));
            }
            let parents = Backend::best().run(ParentLayer {
                context,
                parameter: &material.parameter,
                level: level + 1,
                first: layer.start / 2,
                children: &layer.nodes,
            });
            let start = layer.start / 2;
            layers.push(layer);
            layer = TopLayer {
                start,
                nodes: parents,
            };
        }
        layers.push(layer);
        Self { layers }
    }

    pub(crate) fn root(&self) -> Digest {
        self.layers[self.layers.len() - 1].nodes[0]
    }

    /// The layers, from the roots of the bottom trees to the root.
    pub(crate) fn layers(&self) -> &[TopLayer] {
        &self.layers
    }

    /// Siblings on the way from a bottom tree, which must be of the active range, to the root.
    pub(crate) fn path(&self, tree: u64) -> impl Iterator<Item = Digest> {
        let below_root = self.layers.len() - 1;
        self.layers[..below_root]
            .iter()
            .enumerate()
            .map(move |(height, layer)| {
                let sibling = (tree >> height) ^ 1;
                layer.nodes[(sibling - layer.start) as usize]
            })
    }
}

/// Which neighbours a stretch of nodes lacks: before an odd start, after an even end.
fn padding_of(start: u64, count: u64) -> (Option<u64>, Option<u64>) {
    let end = start + count;
    (
        (start % 2 == 1).then(|| start - 1),
        (end % 2 == 1).then_some(end),
    )
}

/// Layer and index of every padding node of a top tree over `trees`.
pub(crate) fn padding_positions(parameters: &Parameters, trees: Range<u64>) -> Vec<(u32, u64)> {
    let mut positions = Vec::new();
    let (mut start, mut end) = (trees.start, trees.end);
    for layer in parameters.bottom_height()..parameters.log_lifetime {
        let (before, after) = padding_of(start, end - start);
        positions.extend(before.into_iter().chain(after).map(|index| (layer, index)));
        (start, end) = (start / 2, end.div_ceil(2));
    }
    positions
}
