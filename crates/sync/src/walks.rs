//! Gaps as part of catching up: when one is closed or given up, which peers are asked, and how that changes their
//! merit.

use std::sync::Arc;

use quartet_types::{Root, SignedBlockWithAttestation, Slot};

use crate::{
    Action, ChainView, Need, PeerName, SyncMachine, block_root,
    machine::{MAX_REQUESTS_PER_PEER, MAX_WALKS, Purpose, Request},
    peers::Peer,
    walk::{BlockFit, NextStep, Walk},
};

impl SyncMachine {
    /// A block of `slot` or before is missing, as `peer` has let us know. `need` says what needs it, `None` that it was
    /// merely claimed.
    pub fn want(
        &mut self,
        root: Root,
        slot: Slot,
        peer: Option<PeerName>,
        need: Option<Need>,
        view: &impl ChainView,
    ) {
        let missing = view.missing_ancestor(root);
        if view.in_chain(&missing) || view.pending(&missing) {
            return;
        }
        // A block that waits needs its ancestors.
        let need = if missing == root {
            need
        } else {
            need.max(Some(Need::Ancestor))
        };
        let mut walks = self.walks.values_mut();
        if let Some(walk) = walks.find(|walk| walk.covers(&missing)) {
            if let Some(peer) = peer {
                walk.add_sender(&missing, peer);
            }
            if let Some(need) = need {
                walk.add_need(&missing, need);
            }
            return;
        }
        // Claims take no places from needed gaps: each peer has one of its own.
        if need.is_some() && self.needed_walks().count() >= MAX_WALKS {
            let unserved = self.needed_walks().filter(|(_, walk)| !walk.confirmed());
            let least = unserved.map(|(number, walk)| (walk.first_need(), *number));
            match least.min().filter(|(least, _)| *least < need) {
                Some((_, number)) => self.walks.remove(&number),
                None => return,
            };
        }
        let number = self.number();
        self.walks
            .insert(number, Walk::new(missing, slot, peer, need));
    }

    /// Why a gap that is being closed needs this block.
    pub fn need(&self, root: &Root) -> Option<Need> {
        let walks = self.walks.values();
        walks.filter_map(|walk| walk.need(root)).max()
    }

    /// The proposer of a block has signed it: what it builds on is needed.
    pub fn on_authentic(&mut self, root: &Root) {
        for walk in self.walks.values_mut() {
            walk.on_authentic(root);
            if let Some(peer) = walk.first_server().filter(|_| walk.begins_with(root)) {
                self.peers.add_merit(peer, 1);
            }
        }
    }

    /// A block is of no use: no walk needs to begin with it.
    pub fn on_useless(&mut self, root: &Root) {
        self.walks.retain(|_, walk| !walk.begins_with(root));
    }

    /// A block turned out to be invalid: no block that builds on it is needed.
    pub fn on_invalid(&mut self, root: &Root) {
        self.walks.retain(|_, walk| !walk.covers(root));
    }

    /// A peer's copy of a block has bad signatures: another peer's may have good ones.
    pub fn on_bad_envelope(&mut self, root: &Root, peer: PeerName) {
        let mut walks = self.walks.values_mut();
        if let Some(walk) = walks.find(|walk| walk.covers(root)) {
            walk.on_failure(peer);
        }
        self.on_unchecked(root);
    }

    /// It could not be found out whether a block is valid. A walk for a mere claim has nothing left to fetch: the claim may be made
    /// again.
    pub fn on_unchecked(&mut self, root: &Root) {
        self.walks
            .retain(|_, walk| !(walk.begins_with(root) && walk.is_refuted()));
    }

    /// A peer claims something else now, or is gone: what it claimed before is of no interest unless it has been confirmed, or others
    /// claim it.
    pub(crate) fn forget_claim(&mut self, peer: &PeerName, unless: Option<&Root>) {
        self.walks.retain(|_, walk| {
            unless.is_some_and(|root| walk.begins_with(root)) || !walk.withdraw_claim(peer)
        });
    }

    fn needed_walks(&self) -> impl Iterator<Item = (&u64, &Walk)> {
        let walks = self.walks.iter();
        walks.filter(|(_, walk)| walk.first_need().is_some())
    }

    /// Takes note of blocks that a peer served for a walk, which is given up when they lead nowhere. False when the peer has
    /// claimed something else.
    pub(crate) fn receive(
        &mut self,
        number: u64,
        peer: &PeerName,
        blocks: &[Arc<SignedBlockWithAttestation>],
        view: &impl ChainView,
    ) -> bool {
        let Some(walk) = self.walks.get_mut(&number) else {
            return true;
        };
        if blocks.is_empty() {
            walk.on_failure(peer.clone());
        }
        let links = blocks
            .iter()
            .map(|block| walk.received(peer, block_root(block), block.block(), view));
        let worst = links.max().unwrap_or(BlockFit::Fits);
        if worst == BlockFit::Fits && !blocks.is_empty() && walk.is_certain() {
            self.peers.add_merit(peer, 1);
        }
        if worst != BlockFit::Fits {
            self.walks.remove(&number);
        }
        worst != BlockFit::IsNotAsClaimed
    }

    pub(crate) fn poll_walk(&mut self, number: u64, view: &impl ChainView) -> Option<Action> {
        let walk = self.walks.get_mut(&number)?;
        let open = self.requests.values().filter_map(|request| {
            let Purpose::Walk { walk, roots } = &request.purpose else {
                return None;
            };
            (*walk == number).then_some(roots)
        });
        let open: Vec<&Vec<Root>> = open.collect();
        let requested = |root: &Root| open.iter().any(|roots| roots.contains(root));
        let roots = match walk.next(view, open.len(), requested) {
            NextStep::Ask(roots) => roots,
            NextStep::Wait => return None,
            NextStep::Done => {
                self.walks.remove(&number);
                return None;
            }
        };
        let load = |peer: &PeerName| {
            self.requests
                .values()
                .filter(|request| request.peer == *peer)
                .count()
        };
        // A block that is merely claimed is requested only from the peers that claim it.
        let claims = |name: &PeerName, peer: &Peer| {
            walk.is_hinted_by(name) || walk.begins_with(&peer.status.head.root)
        };
        let is_claim = walk.is_mere_claim();
        let serving = self
            .peers
            .iter()
            .filter(|(name, peer)| peer.serves_blocks && (!is_claim || claims(name, peer)));
        let mut serving = serving.map(|(name, _)| name);
        let able = serving
            .clone()
            .filter(|name| load(name) < MAX_REQUESTS_PER_PEER);
        let peers: Vec<PeerName> = able.cloned().collect();
        let peer = match walk.choose(&peers, load) {
            Some(peer) => peer,
            // The peers that could help are busy with other walks; when these are answered, it is this one's turn.
            None if serving.any(|name| !walk.has_tried(name)) => return None,
            // Nobody is left to ask; unless an answer is still under way, start over or give up.
            None if open.is_empty() && !walk.ask_all_again() => {
                let walk = self.walks.remove(&number)?;
                return self.penalize_claimant(&walk);
            }
            None => return None,
        };
        let request = self.number();
        let action = Action::RequestBlocks {
            request,
            peer: peer.clone(),
            roots: roots.clone(),
        };
        let purpose = Purpose::Walk {
            walk: number,
            roots,
        };
        self.requests.insert(request, Request { peer, purpose });
        Some(action)
    }

    /// Penalizes the peer whose claimed head a walk was for, if it did not serve that head when asked again and again.
    fn penalize_claimant(&self, walk: &Walk) -> Option<Action> {
        let claimant = walk.hint().filter(|_| walk.is_mere_claim())?;
        let serves_blocks = self.peers.get(claimant)?.serves_blocks;
        serves_blocks.then(|| Action::Penalize {
            peer: claimant.clone(),
            reason: "it does not serve the head that it claims",
        })
    }
}
