//! What the writer does for the finalized chain's past: it finds out which blocks are missing, and stores those that have come.

use std::{collections::BTreeSet, sync::Arc};

use quartet_storage::{Database, DatabaseError, Missing};
use quartet_types::{Block, PublicKey, Root, SignedBlockWithAttestation, Slot, State, Validators};

use crate::{
    SharedChain, StoreError, lean_chain::unsigned, reader::block_root, recent::block_bytes,
};

/// If the kept part has grown by so many slots, it may grow further: [`Database::extend_kept`] looks at as many blocks at a time.
const EXTENDED: Slot = 4096;

pub(crate) type Blocks = Vec<Arc<SignedBlockWithAttestation>>;

/// What the writer has done.
#[derive(Debug)]
pub(crate) enum Worked {
    Looked(Missing),
    Kept {
        request: u64,
        roots: BTreeSet<Root>,
        bytes: usize,
    },
}

/// Finds out what is missing, and from where on blocks are kept.
pub(crate) fn look(
    store: &Database,
    chain: &SharedChain,
    below: Option<Slot>,
    limit: usize,
) -> Result<(Worked, Slot), StoreError> {
    let mut kept_from = match below {
        None => extend(store)?,
        Some(_) => store.kept_from()?.unwrap_or_default(),
    };
    let mut missing = store.missing_blocks(below, limit)?;
    if missing.blocks.last().is_some_and(|last| last.slot == 0) {
        // Nobody serves the genesis block: all make it themselves.
        let (genesis_time, validators) = {
            let chain = chain.read();
            (chain.genesis_time(), chain.validators().clone())
        };
        if let Some(genesis) = genesis(genesis_time, &validators)
            && is_kept(store, genesis)?
        {
            missing.blocks.pop();
            kept_from = extend(store)?;
        }
    }
    Ok((Worked::Looked(missing), kept_from))
}

fn genesis(genesis_time: u64, validators: &Validators) -> Option<SignedBlockWithAttestation> {
    let keys: Vec<PublicKey> = validators.iter().map(|entry| entry.pubkey).collect();
    let state = State::genesis(genesis_time, &keys).ok()?;
    Some(unsigned(Block::genesis(&state)))
}

/// Stores the blocks that were asked for and whose signatures are all valid, since peers that get them from us check these.
/// Returns from which slot on blocks are kept then.
pub(crate) fn keep(
    store: &Database,
    request: u64,
    asked: &BTreeSet<Root>,
    blocks: Blocks,
    is_signed: impl Fn(&SignedBlockWithAttestation) -> bool,
) -> Result<(Worked, Slot), StoreError> {
    let (mut roots, mut bytes) = (BTreeSet::new(), 0);
    for block in blocks {
        let root = block_root(&block);
        let size = block_bytes(&block);
        if asked.contains(&root) && is_signed(&block) && is_kept(store, block)? {
            roots.insert(root);
            bytes += size;
        }
    }
    let kept_from = if roots.is_empty() {
        store.kept_from()?.unwrap_or_default()
    } else {
        extend(store)?
    };
    let kept = Worked::Kept {
        request,
        roots,
        bytes,
    };
    Ok((kept, kept_from))
}

/// Whether a block is in the database now, or need not be.
fn is_kept(
    store: &Database,
    block: impl Into<Arc<SignedBlockWithAttestation>>,
) -> Result<bool, StoreError> {
    match store.put_finalized_block(block.into()) {
        // Retention may have passed it meanwhile.
        Ok(_) => Ok(true),
        Err(DatabaseError::Refused { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes what waits, and returns from where on blocks are kept without gaps.
fn extend(store: &Database) -> Result<Slot, StoreError> {
    let mut before = store.kept_from()?.unwrap_or_default();
    loop {
        let kept = store.extend_kept()?;
        if before.saturating_sub(kept) < EXTENDED {
            return Ok(kept);
        }
        before = kept;
    }
}

#[cfg(test)]
mod tests {
    // A test that unwraps fails as it should.
    #![allow(clippy::unwrap_used)]

    use quartet_state_transition::{Selection, build_block};
    use quartet_storage::StoredBlock;
    use quartet_types::{BlockSignatures, Checkpoint, Signature};
    use tree_hash::TreeHash as _;

    use super::*;
    use crate::{ChainWriter, LeanChain};

    fn is_whole(block: &SignedBlockWithAttestation) -> bool {
        block.signature.len() == block.block().body.attestations.len() + 1
    }

    fn genesis_state() -> State {
        let keys: Vec<PublicKey> = (0..4).map(|index| PublicKey([index; 52])).collect();
        State::genesis(0, &keys).unwrap()
    }

    /// A chain of so many blocks, with the state after the last one.
    fn chain(length: Slot) -> (Vec<SignedBlockWithAttestation>, State) {
        let (mut blocks, mut state) = (Vec::new(), genesis_state());
        for slot in 1..=length {
            let (block, after) = build_block(&state, slot, &[], Selection::AllThatCount).unwrap();
            let mut block = unsigned(block);
            block.signature = BlockSignatures::try_from(vec![Signature::default()]).unwrap();
            blocks.push(block);
            state = after;
        }
        (blocks, state)
    }

    /// A database that starts from the last one.
    fn database(last: &SignedBlockWithAttestation, state: State) -> Database {
        let network = Block::genesis(&genesis_state()).tree_hash_root();
        let database = Database::in_memory(network).unwrap();
        let started = database.start_from(&StoredBlock {
            root: block_root(last),
            block: Arc::new(last.clone()),
            justified: Checkpoint::default(),
            finalized: Checkpoint::default(),
            state: Some(Arc::new(state)),
        });
        started.unwrap();
        database
    }

    #[test]
    fn only_requested_blocks_with_valid_signatures_are_stored() {
        let (blocks, state) = chain(5);
        let store = database(&blocks[4], state);
        let root = |slot: usize| block_root(&blocks[slot - 1]);
        let asked: BTreeSet<Root> = [root(4), root(3), root(2)].into();
        let mut bare = blocks[1].clone();
        bare.signature = BlockSignatures::default();
        let mut other = blocks[2].clone();
        other.message.block.state_root = Root::repeat_byte(1);
        let served = [other, bare, blocks[3].clone(), blocks[0].clone()];
        let served = served.map(Arc::new).to_vec();
        let (worked, kept_from) = keep(&store, 7, &asked, served, is_whole).unwrap();
        let Worked::Kept {
            request,
            roots,
            bytes,
        } = worked
        else {
            panic!("{worked:?}");
        };
        assert_eq!((request, roots), (7, [root(4)].into()));
        assert!(bytes > 0);
        assert_eq!(kept_from, 4);
        let kept: Vec<bool> = (1..=5)
            .map(|slot| store.contains(root(slot)).unwrap())
            .collect();
        assert_eq!(kept, [false, false, false, true, true]);
    }

    #[test]
    fn the_genesis_block_is_made_where_it_is_missing() {
        let (blocks, state) = chain(3);
        let store = database(&blocks[2], state);
        let chain = ChainWriter::new(LeanChain::from_genesis(genesis_state())).reader();
        let (worked, kept_from) = look(&store, &chain, None, 99).unwrap();
        let Worked::Looked(Missing {
            blocks: missing,
            next,
        }) = worked
        else {
            panic!("{worked:?}");
        };
        let slots: Vec<Slot> = missing.iter().map(|block| block.slot).collect();
        assert_eq!((slots, next, kept_from), (vec![2, 1], None, 3));
        let asked: BTreeSet<Root> = missing.iter().map(|block| block.root).collect();
        let served = blocks[..2].iter().cloned().map(Arc::new).collect();
        let (_, kept_from) = keep(&store, 1, &asked, served, is_whole).unwrap();
        assert_eq!(kept_from, 0);
    }
}
