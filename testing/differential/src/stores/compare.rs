//! All that can be seen of both sides.

use anyhow::{Result, ensure};
use quartet_oracle::Vote;
use quartet_types::Attestation;

use super::Episode;

impl Episode<'_> {
    pub(super) fn compare(&mut self) -> Result<()> {
        let store = &self.oracle.store;
        let ours = self.subject.fork_choice();
        ensure!(ours.time() == store.time, "times differ");
        ensure!(
            ours.latest_justified() == store.latest_justified,
            "justified checkpoints differ"
        );
        ensure!(
            ours.latest_finalized() == store.latest_finalized,
            "finalized checkpoints differ"
        );
        ensure!(
            ours.head().root == store.head,
            "heads differ: {} and {}, deviations {:?}, weights {} {} and {:?} {:?}",
            ours.head(),
            store.head,
            store.deviations,
            store.weight(ours.head().root),
            store.weight(store.head),
            ours.weight_of(&ours.head().root),
            ours.weight_of(&store.head)
        );
        ensure!(
            ours.head().slot == store.slot(store.head),
            "slots of the head differ"
        );
        ensure!(
            ours.safe_target().root == store.safe_target,
            "safe targets differ"
        );
        ensure!(
            ours.safe_target().slot == store.slot(store.safe_target),
            "slots of the safe target differ"
        );
        let votes = |votes: &[Vote]| -> Vec<Attestation> {
            votes.iter().map(|vote| vote.attestation).collect()
        };
        let known: Vec<Attestation> = ours.known_attestations().collect();
        ensure!(known == votes(&store.known), "known votes differ");
        let new: Vec<Attestation> = ours.new_attestations().collect();
        ensure!(new == votes(&store.new), "new votes differ");
        let (cautious, strict) = store.targets();
        ensure!(ours.attestation_target() == cautious, "targets differ");
        let slot = store.current_slot();
        let data = store.attestation_data(slot);
        ensure!(
            ours.attestation_data(slot) == data,
            "attestation data differ"
        );
        self.counts.add("attestation data compared");
        match strict {
            Some(_) if store.forgotten.is_empty() => {
                ensure!(strict == cautious, "the cautious walk ends elsewhere");
                self.counts.add("target walk compared");
            }
            Some(_) => {}
            None => self.counts.add("the specification cannot attest"),
        }
        self.counts.when(
            "the source is the target",
            data.target == data.source && data.target.slot > 0,
        );
        self.counts.when(
            "safe target above the justified block",
            store.slot(store.safe_target) > store.latest_justified.slot,
        );
        self.counts.when(
            "vote without weight",
            store.known.iter().any(|vote| vote.is_weightless),
        );
        let (ties, weighty) = store.ties.take();
        self.counts.many("tie", ties);
        self.counts.many("tie with votes", weighty);
        if self.random.chance(60) {
            for node in ours.blocks() {
                ensure!(
                    node.weight == store.weight(node.block.root),
                    "weights of {} differ",
                    node.block.root
                );
            }
            self.counts.add("weights compared");
        }
        Ok(())
    }
}
