//! Items that cannot be judged yet: their parent or head is unknown, or their slot has not begun.
//!
//! Everything here is bounded; when it is full, what lies furthest from the chain gives way, since
//! catching up fetches that again last.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use metrics::gauge;
use quartet_types::{
    Attestation, Root, SIGNATURE_BYTES, Signature, SignedBlockWithAttestation, Slot,
};

use crate::{GossipAttestation, VerdictSender, origin::Origin};

/// Most blocks that wait for a parent.
const MAX_BLOCKS: usize = 512;
/// Most memory of blocks that wait: a block can be as large as a gossip message.
const MAX_BLOCK_BYTES: usize = 64 << 20;
/// Most attestations that wait for a block.
const MAX_ATTESTATIONS: usize = 4096;
/// Most attestations that wait for the same block.
const MAX_ATTESTATIONS_PER_BLOCK: usize = 1024;
/// Most attestations that wait for their slot to begin, and most blocks.
const MAX_EARLY_ATTESTATIONS: usize = 256;
const MAX_EARLY_BLOCKS: usize = 16;

/// A block on its way into the chain.
#[derive(Debug)]
pub(crate) struct PendingBlock {
    pub(crate) root: Root,
    pub(crate) block: Arc<SignedBlockWithAttestation>,
    pub(crate) origin: Origin,
    /// Who waits to hear what became of it. Dropped unsent, it means "ignore".
    pub(crate) verdicts: Vec<VerdictSender>,
}

impl PendingBlock {
    pub(crate) fn slot(&self) -> Slot {
        self.block.block().slot
    }

    pub(crate) fn parent_root(&self) -> Root {
        self.block.block().parent_root
    }

    /// Memory that the block takes, near enough.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of::<SignedBlockWithAttestation>()
            + self.block.block().body.attestations.len() * size_of::<Attestation>()
            + self.block.signature.len() * (SIGNATURE_BYTES + size_of::<Signature>())
    }
}

#[derive(Debug)]
struct Parked {
    block: PendingBlock,
    waits_for: Root,
}

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    blocks: HashMap<Root, Parked>,
    block_bytes: usize,
    /// What waits for each block: its children, and blocks whose attestations name it.
    waiting: HashMap<Root, Vec<Root>>,
    /// The waiting blocks by slot, to find the one furthest from the chain.
    by_slot: BTreeSet<(Slot, Root)>,
    attestations: HashMap<Root, Vec<GossipAttestation>>,
    attestation_count: usize,
    early_blocks: BTreeMap<Slot, Vec<PendingBlock>>,
    early_attestations: BTreeMap<Slot, Vec<GossipAttestation>>,
}

impl Parking {
    /// Whether a block waits for another.
    pub(crate) fn contains(&self, root: &Root) -> bool {
        self.blocks.contains_key(root)
    }

    /// Whether a block waits for this one.
    pub(crate) fn is_awaited(&self, root: &Root) -> bool {
        self.waiting.contains_key(root)
    }

    /// The oldest ancestor of `root` that is not here: what has to be fetched for it.
    pub(crate) fn missing_ancestor(&self, root: Root) -> Root {
        let mut missing = root;
        while let Some(parked) = self.blocks.get(&missing) {
            missing = parked.waits_for;
        }
        missing
    }

    /// Parks a block until the older block `waits_for` is imported. When full, the newest gives way.
    pub(crate) fn park_block(&mut self, block: PendingBlock, waits_for: Root) {
        if self.blocks.contains_key(&block.root) {
            return;
        }
        let (key, bytes) = ((block.slot(), block.root), block.bytes());
        while self.blocks.len() >= MAX_BLOCKS || self.block_bytes + bytes > MAX_BLOCK_BYTES {
            match self.by_slot.last().copied() {
                Some(newest) if newest > key => {
                    self.take_block(newest.1);
                }
                _ => return,
            }
        }
        self.block_bytes += bytes;
        self.by_slot.insert(key);
        self.waiting.entry(waits_for).or_default().push(block.root);
        self.blocks.insert(block.root, Parked { block, waits_for });
        self.record();
    }

    /// Parks an attestation under the block that it names and that is unknown.
    pub(crate) fn park_attestation(&mut self, unknown: Root, attestation: GossipAttestation) {
        let waiting = self.attestations.entry(unknown).or_default();
        if self.attestation_count < MAX_ATTESTATIONS && waiting.len() < MAX_ATTESTATIONS_PER_BLOCK {
            waiting.push(attestation);
            self.attestation_count += 1;
        }
        self.record();
    }

    /// Takes out what waited for `root`.
    pub(crate) fn release(&mut self, root: &Root) -> (Vec<PendingBlock>, Vec<GossipAttestation>) {
        let waiting = self.waiting.get(root).cloned().unwrap_or_default();
        let blocks = waiting
            .into_iter()
            .filter_map(|root| self.take_block(root))
            .collect();
        let attestations = self.attestations.remove(root).unwrap_or_default();
        self.attestation_count -= attestations.len();
        self.record();
        (blocks, attestations)
    }

    /// Takes out every descendant of a block that turned out to be invalid.
    pub(crate) fn release_descendants(&mut self, root: Root) -> Vec<PendingBlock> {
        let mut released = Vec::new();
        let mut roots = vec![root];
        while let Some(root) = roots.pop() {
            let (blocks, _) = self.release(&root);
            roots.extend(blocks.iter().map(|block| block.root));
            released.extend(blocks);
        }
        released
    }

    /// Drops what lies at or before a finalized slot, and attestations of before.
    pub(crate) fn prune(&mut self, finalized: Slot) {
        let later = self.by_slot.split_off(&(finalized + 1, Root::ZERO));
        for (_, root) in std::mem::replace(&mut self.by_slot, later) {
            self.take_block(root);
        }
        self.attestations.retain(|_, waiting| {
            waiting.retain(|item| item.attestation.message.data.slot > finalized);
            !waiting.is_empty()
        });
        self.attestation_count = self.attestations.values().map(Vec::len).sum();
        self.record();
    }

    /// Holds a block until its slot begins.
    pub(crate) fn hold_block(&mut self, block: PendingBlock) {
        let held = self.early_blocks.entry(block.slot()).or_default();
        if held.len() < MAX_EARLY_BLOCKS && held.iter().all(|other| other.root != block.root) {
            held.push(block);
        }
    }

    /// Holds an attestation until its slot begins.
    pub(crate) fn hold_attestation(&mut self, attestation: GossipAttestation) {
        let slot = attestation.attestation.message.data.slot;
        let held = self.early_attestations.entry(slot).or_default();
        if held.len() < MAX_EARLY_ATTESTATIONS {
            held.push(attestation);
        }
    }

    /// Takes out what was held for slots up to `slot`.
    pub(crate) fn begin_slot(&mut self, slot: Slot) -> (Vec<PendingBlock>, Vec<GossipAttestation>) {
        let later = self.early_blocks.split_off(&(slot + 1));
        let blocks = std::mem::replace(&mut self.early_blocks, later);
        let later = self.early_attestations.split_off(&(slot + 1));
        let attestations = std::mem::replace(&mut self.early_attestations, later);
        (
            blocks.into_values().flatten().collect(),
            attestations.into_values().flatten().collect(),
        )
    }

    fn take_block(&mut self, root: Root) -> Option<PendingBlock> {
        let Parked { block, waits_for } = self.blocks.remove(&root)?;
        self.by_slot.remove(&(block.slot(), root));
        self.block_bytes -= block.bytes();
        if let Some(waiting) = self.waiting.get_mut(&waits_for) {
            waiting.retain(|other| *other != root);
            if waiting.is_empty() {
                self.waiting.remove(&waits_for);
            }
        }
        Some(block)
    }

    fn record(&self) {
        gauge!("quartet_parked_blocks").set(self.blocks.len() as f64);
        gauge!("quartet_parked_attestations").set(self.attestation_count as f64);
    }
}

#[cfg(test)]
mod tests {
    use quartet_types::{Block, BlockWithAttestation};
    use tree_hash::TreeHash as _;

    use super::*;
    use crate::PeerName;

    fn park(parking: &mut Parking, block: PendingBlock) {
        let parent_root = block.parent_root();
        parking.park_block(block, parent_root);
    }

    fn block(slot: Slot, parent_root: Root) -> PendingBlock {
        let block = Block {
            slot,
            parent_root,
            ..Block::default()
        };
        let root = block.tree_hash_root();
        let message = BlockWithAttestation {
            block,
            ..BlockWithAttestation::default()
        };
        PendingBlock {
            root,
            block: Arc::new(SignedBlockWithAttestation {
                message,
                ..Default::default()
            }),
            origin: Origin::Gossip(PeerName::new("peer")),
            verdicts: Vec::new(),
        }
    }

    #[test]
    fn children_are_released_when_their_parent_arrives() {
        let mut parking = Parking::default();
        let parent = block(1, Root::repeat_byte(9));
        let child = block(2, parent.root);
        let grandchild = block(3, child.root);
        let (child_root, grandchild_root, parent_root) = (child.root, grandchild.root, parent.root);
        park(&mut parking, grandchild);
        park(&mut parking, child);
        assert_eq!(parking.missing_ancestor(grandchild_root), parent_root);
        let (released, _) = parking.release(&parent_root);
        assert_eq!(
            released.iter().map(|b| b.root).collect::<Vec<_>>(),
            [child_root]
        );
        assert!(parking.contains(&grandchild_root));
        assert_eq!(parking.release_descendants(child_root).len(), 1);
        assert!(
            parking.blocks.is_empty() && parking.waiting.is_empty() && parking.by_slot.is_empty()
        );
    }

    #[test]
    fn the_newest_block_gives_way_when_full() {
        let mut parking = Parking::default();
        for slot in 1..=2 * MAX_BLOCKS as Slot {
            park(
                &mut parking,
                block(slot, Root::left_padding_from(&slot.to_be_bytes())),
            );
        }
        assert_eq!(parking.blocks.len(), MAX_BLOCKS);
        assert_eq!(parking.by_slot.last().unwrap().0, MAX_BLOCKS as Slot);
        park(&mut parking, block(0, Root::repeat_byte(7)));
        assert_eq!(parking.blocks.len(), MAX_BLOCKS);
        assert_eq!(parking.by_slot.first().unwrap().0, 0);
        assert_eq!(parking.by_slot.last().unwrap().0, MAX_BLOCKS as Slot - 1);
    }

    #[test]
    fn large_blocks_are_bounded_by_their_memory() {
        let mut parking = Parking::default();
        let signatures = vec![Signature::default(); 4096];
        for slot in 1..=20 {
            let mut large = block(slot, Root::left_padding_from(&slot.to_be_bytes()));
            let message = large.block.message.clone();
            let signature = signatures.clone().try_into().unwrap();
            large.block = Arc::new(SignedBlockWithAttestation { message, signature });
            park(&mut parking, large);
        }
        assert_eq!(parking.blocks.len(), 5);
        assert!(parking.block_bytes <= MAX_BLOCK_BYTES);
        parking.prune(20);
        assert_eq!(parking.block_bytes, 0);
    }

    #[test]
    fn finality_clears_what_it_leaves_behind() {
        let mut parking = Parking::default();
        for slot in 1..=10 {
            park(
                &mut parking,
                block(slot, Root::left_padding_from(&slot.to_be_bytes())),
            );
        }
        parking.prune(7);
        assert_eq!(parking.blocks.len(), 3);
        assert_eq!(parking.waiting.len(), 3);
    }

    #[test]
    fn early_blocks_wait_for_their_slot() {
        let mut parking = Parking::default();
        parking.hold_block(block(5, Root::ZERO));
        parking.hold_block(block(5, Root::ZERO));
        assert!(parking.begin_slot(4).0.is_empty());
        assert_eq!(parking.begin_slot(5).0.len(), 1);
        assert!(parking.begin_slot(6).0.is_empty());
    }
}
