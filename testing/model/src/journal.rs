//! What a node does, in order, for somebody who follows it with other code.

use std::hash::{Hash, Hasher};

use crate::{
    block::Vote,
    names::{Root, Slot},
};

/// One thing that a node did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeEvent {
    /// It imported a block, with its body's votes.
    Imported(Root),
    /// It heard a vote of which it knows all names.
    Heard(Vote),
    /// It chose the safe target anew.
    SafeTarget,
    /// It accepted the votes that waited.
    Accepted,
}

/// The events of a node, if they are recorded, each with its slot. No part of the node's state: two nodes that differ
/// in this alone are the same.
#[derive(Debug, Clone, Default)]
pub struct Journal(Option<Vec<(Slot, NodeEvent)>>);

impl Journal {
    pub(crate) fn begin() -> Self {
        Self(Some(Vec::new()))
    }

    pub(crate) fn note(&mut self, slot: Slot, event: NodeEvent) {
        if let Some(events) = &mut self.0 {
            events.push((slot, event));
        }
    }

    /// What was done since this was asked last.
    pub fn take(&mut self) -> Vec<(Slot, NodeEvent)> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl PartialEq for Journal {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Journal {}

impl Hash for Journal {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
