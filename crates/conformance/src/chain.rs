//! The chain as the node serves it: blocks by root, and their states from genesis on.

use std::{collections::HashMap, sync::Arc};

use quartet_state_transition::state_transition;
use quartet_types::{Block, Root, SignedBlockWithAttestation, State};
use tree_hash::TreeHash as _;

use crate::{
    context::CaseContext,
    peer::{BLOCKS_BY_ROOT, Peer},
    requests::{ask_for_one, by_root},
    verdict::{Failure, broken, unsupported},
};

/// Most blocks that are fetched from a head back to a known block.
const MAX_STEPS: usize = 4096;

pub(crate) type Envelope = Arc<SignedBlockWithAttestation>;

/// What was fetched.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    states: HashMap<Root, Arc<State>>,
}

impl Chain {
    /// One that knows genesis, if there is one.
    pub(crate) fn new(genesis: Option<Arc<State>>) -> Self {
        let state = |state: Arc<State>| (Block::genesis(&state).tree_hash_root(), state);
        Self {
            states: genesis.map(state).into_iter().collect(),
        }
    }
}

impl CaseContext {
    /// The block with this root, as the node serves it.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn block(&self, peer: &Peer, root: Root) -> Result<Envelope, Failure> {
        let request = by_root(&[root]);
        let answer = ask_for_one(peer, BLOCKS_BY_ROOT, &request, self.answer_timeout).await?;
        let blocks = answer.blocks().map_err(broken)?;
        match blocks.into_iter().next() {
            Some((found, block)) if found == root => Ok(Arc::new(block)),
            Some((found, _)) => Err(broken(format!("asked for {root}, the node serves {found}"))),
            None => Err(broken(format!("the node does not serve {root}: {answer}"))),
        }
    }

    /// The state after the block with this root: its ancestors are asked for by root, and applied one after another.
    ///
    /// # Errors
    /// When genesis is not known, or the node does not serve the blocks, or they do not follow from genesis.
    pub(crate) async fn state(&self, peer: &Peer, root: Root) -> Result<Arc<State>, Failure> {
        if self.genesis.is_none() {
            return Err(unsupported(
                "the network's genesis was not given (--genesis)",
            ));
        }
        let mut chain = self.chain.lock().await;
        let (mut missing, mut parent) = (Vec::new(), root);
        let mut state = loop {
            if let Some(state) = chain.states.get(&parent) {
                break state.clone();
            }
            if missing.len() == MAX_STEPS {
                return Err(unsupported(format!(
                    "more than {MAX_STEPS} blocks from genesis"
                )));
            }
            let block = self.block(peer, parent).await?;
            let child = std::mem::replace(&mut parent, block.block().parent_root);
            missing.push((child, block));
        };
        for (root, block) in missing.into_iter().rev() {
            let next = state_transition(&state, block.block())
                .map_err(|error| broken(format!("block {root} does not follow: {error}")))?;
            state = Arc::new(next);
            chain.states.insert(root, state.clone());
        }
        Ok(state)
    }
}
