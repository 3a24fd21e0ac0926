//! What an honest validator attests and proposes.

use crate::{
    block::{Block, Envelope, Vote},
    names::{Root, Slot, Validator},
    node::{Context, Node},
    transition::{PostState, is_justifiable_after},
};

/// `JUSTIFICATION_LOOKBACK_SLOTS`.
const LOOKBACK: usize = 3;

impl Node {
    /// What a validator attests in the current slot.
    #[must_use]
    pub fn attestation(&self, context: Context<'_>, validator: Validator) -> Vote {
        self.attestation_for(context, validator, self.head)
    }

    /// What a validator would attest in the current slot if `head` were its head.
    #[must_use]
    pub fn attestation_for(&self, context: Context<'_>, validator: Validator, head: Root) -> Vote {
        let blocks = context.blocks;
        let post = blocks.post(head).cloned();
        let post = post.unwrap_or_else(PostState::genesis);
        let chain: Vec<Root> = blocks.chain(head).collect();
        self.vote(context, validator, head, &chain, &post)
    }

    /// The vote for a head whose chain and post-state are given.
    fn vote(
        &self,
        context: Context<'_>,
        validator: Validator,
        head: Root,
        chain: &[Root],
        post: &PostState,
    ) -> Vote {
        let slot = |root| context.blocks.slot(root);
        let (source, finalized) = if context.rules.source_of_the_head {
            (post.justified, slot(post.finalized))
        } else {
            (self.justified, slot(self.finalized))
        };
        // A head that is being proposed is not among the blocks yet.
        let head_slot = context
            .blocks
            .get(head)
            .map_or(context.slot, |block| block.slot);
        let exact = |root: Root| if root == head { head_slot } else { slot(root) };
        let safe = slot(self.safe_target);
        let mut steps = 0;
        while steps < LOOKBACK && steps + 1 < chain.len() && exact(chain[steps]) > safe {
            steps += 1;
        }
        let justifiable =
            |root: &&Root| is_justifiable_after(exact(**root), finalized) == Some(true);
        let target = chain[steps..].iter().find(justifiable).copied();
        let target = target
            .filter(|target| exact(*target) >= slot(source))
            .filter(|target| self.may_attest(context, source, *target))
            .unwrap_or(source);
        Vote {
            validator,
            slot: context.slot,
            head,
            source,
            target,
        }
    }

    /// Whether the proposed rules of publication allow a validator to attest this source and target.
    fn may_attest(&self, context: Context<'_>, source: Root, target: Root) -> bool {
        let slot = |root: Root| {
            context
                .blocks
                .get(root)
                .map_or(context.slot, |block| block.slot)
        };
        let allowed = |attested: Root| {
            let two_of_a_slot = slot(attested) == slot(target) && attested != target;
            let older = slot(attested) > slot(target);
            let forbidden = (context.rules.one_target_per_slot && two_of_a_slot)
                || (context.rules.no_surround && older);
            !forbidden
        };
        self.attested_targets.iter().all(allowed)
            && !(context.rules.no_surround && slot(self.attested_source) > slot(source))
    }

    /// Remembers what the own validator attested.
    pub fn note_own_vote(&mut self, context: Context<'_>, vote: Vote) {
        let rules = context.rules;
        let slot = |root| context.blocks.slot(root);
        if vote.target == vote.source || !(rules.one_target_per_slot || rules.no_surround) {
            return;
        }
        self.attested_targets.insert(vote.target);
        if slot(vote.source) > slot(self.attested_source) {
            self.attested_source = vote.source;
        }
    }

    /// The block that a validator proposes in the current slot on its head.
    #[must_use]
    pub fn proposal(&self, context: Context<'_>) -> Option<Block> {
        self.proposal_on(context, self.head)
    }

    /// The block that an honest proposer would make if `parent` were its head.
    #[must_use]
    pub fn proposal_on(&self, context: Context<'_>, parent: Root) -> Option<Block> {
        let blocks = context.blocks;
        let body = self.body(context, parent, blocks.post(parent)?);
        let mut block = sealed(context, parent, body, Envelope::Bound)?;
        let root = blocks.next_root();
        let mut chain = vec![root];
        chain.extend(blocks.chain(parent));
        let proposer = context.proposer(context.slot);
        block.proposer_vote = Some(self.vote(context, proposer, root, &chain, &block.post));
        Some(block)
    }

    /// The votes to carry on `parent`: by the rules all that would count there, then the newest ones from the latest
    /// justified checkpoint.
    fn body(&self, context: Context<'_>, parent: Root, pre: &PostState) -> Vec<Vote> {
        let blocks = context.blocks;
        let mut body: Vec<Vote> = Vec::new();
        let mut post = pre.clone();
        loop {
            let before = body.len();
            let newest = || self.known.iter().flatten().copied();
            let candidates: Vec<Vote> = if context.rules.carry_votes {
                self.kept.iter().copied().chain(newest()).collect()
            } else {
                newest().collect()
            };
            for vote in candidates {
                let is_newest = self.known[usize::from(vote.validator)] == Some(vote);
                let wanted = (context.rules.carry_votes && post.counts_anew(blocks, parent, &vote))
                    || (is_newest && vote.source == post.justified);
                let in_tree = vote
                    .names()
                    .iter()
                    .all(|root| self.imported.contains(*root));
                if !wanted || !in_tree || body.contains(&vote) {
                    continue;
                }
                body.push(vote);
                match pre.apply(blocks, parent, context.slot, &body, context.validators) {
                    Some(after) => post = after,
                    None => {
                        body.pop();
                    }
                }
            }
            if body.len() == before {
                return body;
            }
        }
    }
}

/// A block of the current slot, without the proposer's attestation; `None` if it is invalid.
#[must_use]
pub(crate) fn sealed(
    context: Context<'_>,
    parent: Root,
    body: Vec<Vote>,
    envelope: Envelope,
) -> Option<Block> {
    let slot: Slot = context.slot;
    let pre = context.blocks.post(parent)?;
    let post = pre.apply(context.blocks, parent, slot, &body, context.validators)?;
    let mut ancestors = context.blocks.get(parent)?.ancestors;
    ancestors.insert(parent);
    Some(Block {
        slot,
        parent,
        body,
        envelope,
        proposer_vote: None,
        post,
        ancestors,
    })
}
