//! A node that starts again takes up the chain from the database's index. The oracle is what a start did before there was one:
//! every block imported again, in order.
// A test that unwraps fails as it should.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*, sample::Index};
use quartet_chain::{
    ChainReader, ChainService, ChainServiceConfig, ChainServiceParts, ChainWriter, EventBus,
    ImportableBlock, LeanChain, chain_channel, network_channel,
};
use quartet_clock::Clock;
use quartet_processor::Processor;
use quartet_state_transition::{Selection, build_block};
use quartet_storage::Database;
use quartet_types::{
    Attestation, Block, BlockSignatures, BlockWithAttestation, INTERVALS_PER_SLOT, PublicKey, Root,
    SECONDS_PER_SLOT, Signature, SignedAttestation, SignedBlockWithAttestation, Slot, State,
    proposer_index,
};
use quartet_xmss::Scheme;
use tree_hash::TreeHash as _;

/// How far back somebody may build.
const RECENT: usize = 6;

/// A block: how many slots after the one before, on which of the newest blocks, and whose votes come after it.
#[derive(Clone, Debug)]
struct Round {
    slots: Slot,
    parent: Option<Index>,
    votes: Vec<bool>,
    /// Whether the process is killed after the block has been written, before the database hears of what that finalizes.
    dies: bool,
}

fn rounds() -> impl Strategy<Value = (usize, Vec<Round>)> {
    let round = |validators| {
        let parent = proptest::option::weighted(0.3, any::<Index>());
        // Long gaps, so that the intervals of stored states are crossed.
        let slots = prop_oneof![4 => 1u64..3, 1 => 20u64..70];
        let votes = vec(proptest::bool::weighted(0.75), validators);
        let dies = proptest::bool::weighted(0.1);
        (slots, parent, votes, dies).prop_map(|(slots, parent, votes, dies)| Round {
            slots,
            parent,
            votes,
            dies,
        })
    };
    (4usize..8).prop_flat_map(move |validators| (Just(validators), vec(round(validators), 1..60)))
}

fn genesis(validators: usize) -> State {
    let keys: Vec<PublicKey> = (0..validators)
        .map(|index| PublicKey([index as u8; 52]))
        .collect();
    State::genesis(0, &keys).unwrap()
}

/// A node that imports what it is given and keeps it as the chain service does.
struct Node {
    chain: ChainWriter,
    store: Arc<Database>,
    imported: Vec<ImportableBlock>,
    slot: Slot,
}

impl Node {
    fn new(genesis: &State) -> Self {
        let network = Block::genesis(genesis).tree_hash_root();
        let store = Database::in_memory(network).unwrap();
        let chain = LeanChain::from_genesis(genesis.clone());
        chain.write_anchor(&store).unwrap();
        Self {
            chain: ChainWriter::new(chain),
            store: Arc::new(store),
            imported: Vec::new(),
            slot: 0,
        }
    }

    fn reader(&self) -> ChainReader {
        ChainReader::new(self.chain.reader(), self.store.clone())
    }

    fn play(&mut self, round: &Round) {
        self.slot += round.slots;
        let slot = self.slot;
        let (parent, candidates) = self.chain.change(|chain| {
            chain.advance(slot * INTERVALS_PER_SLOT);
            chain.accept_new_attestations();
            let blocks: Vec<_> = chain.fork_choice().blocks().collect();
            let recent = &blocks[blocks.len().saturating_sub(RECENT)..];
            let parent = match &round.parent {
                Some(index) => recent[index.index(recent.len())].block.root,
                None => chain.head().root,
            };
            let votes = chain.fork_choice().known_attestations();
            let known = |vote: &Attestation| chain.contains(&vote.data.head.root);
            (parent, votes.filter(known).collect::<Vec<_>>())
        });
        let state = self.reader().state(parent).unwrap().unwrap();
        let (block, post_state) =
            build_block(&state, slot, &candidates, Selection::AllThatCount).unwrap();
        let importable = seal(&self.chain.read(), block, post_state);
        self.imported.push(importable.clone());
        let store = &self.store;
        self.chain.change(|chain| {
            store.put(chain.to_store(&importable)).unwrap();
            let pruned = chain.import_block(importable).unwrap();
            if !pruned.is_empty() && !round.dies {
                let finalized = chain.latest_finalized();
                let moved = store.finalize(finalized, &pruned.final_chain, slot);
                moved.unwrap();
            }
            chain.advance(slot * INTERVALS_PER_SLOT + 1);
            let data = chain.attestation_data(slot);
            let proposer = proposer_index(slot, chain.validator_count());
            let voters = round.votes.iter().zip(0..).filter(|(votes, _)| **votes);
            for (_, validator_id) in voters.filter(|(_, validator)| Some(*validator) != proposer) {
                let signed = SignedAttestation {
                    message: Attestation { validator_id, data },
                    signature: Signature::default(),
                };
                chain.import_attestation(&signed).unwrap();
            }
        });
    }
}

fn seal(chain: &LeanChain, block: Block, post_state: State) -> ImportableBlock {
    let root = block.tree_hash_root();
    let signatures = vec![Signature::default(); block.body.attestations.len() + 1];
    // Its own vote is for what the head is before it.
    let proposer_attestation = Attestation {
        validator_id: block.proposer_index,
        data: chain.attestation_data(block.slot),
    };
    let message = BlockWithAttestation {
        block,
        proposer_attestation,
    };
    let signature = BlockSignatures::try_from(signatures).unwrap();
    ImportableBlock {
        root,
        block: Arc::new(SignedBlockWithAttestation { message, signature }),
        post_state: Arc::new(post_state),
    }
}

/// A start with this database, as the binary does it.
fn restart(genesis: &State, store: &Arc<Database>, slot: Slot) -> LeanChain {
    let chain = ChainWriter::new(LeanChain::from_genesis(genesis.clone()));
    let shared = chain.reader();
    let (_, inbox) = chain_channel();
    let (network, _) = network_channel();
    let parts = ChainServiceParts {
        chain,
        inbox,
        network,
        store: store.clone(),
        events: EventBus::new(),
        processor: Processor::inline(),
        clock: Clock::manual(0, Duration::from_secs(slot * SECONDS_PER_SLOT)),
        verifier: &Scheme::Test,
    };
    let service = ChainService::new(ChainServiceConfig::default(), parts);
    drop(service.unwrap());
    shared.into_inner().unwrap()
}

/// Every block imported again.
fn replay(genesis: &State, imported: &[ImportableBlock]) -> LeanChain {
    let mut chain = LeanChain::from_genesis(genesis.clone());
    for importable in imported {
        chain.advance(importable.block.block().slot * INTERVALS_PER_SLOT);
        // What finality has left behind since is refused, as it was at first.
        let _ = chain.import_block(importable.clone());
    }
    chain
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_node_that_starts_again_is_where_importing_all_blocks_again_would_take_it(
        (validators, rounds) in rounds(),
    ) {
        let genesis = genesis(validators);
        let mut node = Node::new(&genesis);
        for round in &rounds {
            node.play(round);
            if round.dies {
                node.chain = ChainWriter::new(restart(&genesis, &node.store, node.slot));
            }
        }
        let mut chain = restart(&genesis, &node.store, node.slot);
        let mut replayed = replay(&genesis, &node.imported);
        // The votes of proposers count from the end of a slot on.
        for chain in [&mut chain, &mut replayed] {
            chain.advance((node.slot + 1) * INTERVALS_PER_SLOT);
        }
        prop_assert_eq!(chain.head(), replayed.head());
        prop_assert_eq!(chain.latest_justified(), replayed.latest_justified());
        prop_assert_eq!(chain.latest_finalized(), replayed.latest_finalized());
        let tree = |chain: &LeanChain| {
            let mut blocks: Vec<_> = chain.fork_choice().blocks().collect();
            blocks.sort_by_key(|weighed| (weighed.block.slot, weighed.block.root));
            blocks
        };
        prop_assert_eq!(tree(&chain), tree(&replayed));
        for slot in 0..=node.slot {
            prop_assert_eq!(chain.canonical_root(slot), replayed.canonical_root(slot));
        }
        let reader = ChainReader::new(ChainWriter::new(chain).reader(), node.store.clone());
        for importable in &node.imported {
            let post_state = reader.state(importable.root).unwrap();
            prop_assert_eq!(post_state.as_deref(), Some(&*importable.post_state));
            let block = reader.block(importable.root).unwrap();
            prop_assert_eq!(block.as_ref(), Some(&importable.block));
        }
        let unknown = reader.state(Root::repeat_byte(9)).unwrap();
        prop_assert_eq!(unknown, None);
    }
}
