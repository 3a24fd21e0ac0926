//! What has to be computed before an epoch can be signed in, piece by piece.

use quartet_types::ValidatorIndex;
use quartet_xmss::{SecretKey, SubtreeWork};

/// A piece of work, some milliseconds long.
pub(super) struct Work {
    pub(super) piece: SubtreeWork,
    /// Whether it is one of the many pieces of a whole bottom tree, and not the part around an epoch.
    pub(super) builds_tree: bool,
}

impl Work {
    /// What comes next before `epoch` can be signed.
    pub(super) fn toward(key: &SecretKey, epoch: u64) -> Option<Self> {
        Some(Self {
            piece: key.work_for(epoch)?,
            builds_tree: !is_kept(key, epoch),
        })
    }

    /// What comes next for signing from `epoch` on, soonest needed first.
    pub(super) fn ahead(key: &SecretKey, epoch: u64, validator: ValidatorIndex) -> Option<Self> {
        let tree = key.material().instance().scheme.epochs_per_tree();
        // A thousand keys enter their next parts in the same slot, but need not compute them in one.
        let part = key.epochs_per_subtree();
        let lead = part - validator % part.div_ceil(2);
        // Before the key is active, its beginning is what will be needed.
        let epoch = epoch.max(key.active().start);
        let next_tree = epoch.saturating_add(tree);
        Self::toward(key, epoch)
            .or_else(|| Self::toward(key, epoch.saturating_add(lead)))
            .or_else(|| {
                if is_kept(key, next_tree) {
                    None
                } else {
                    Self::toward(key, next_tree)
                }
            })
    }
}

fn is_kept(key: &SecretKey, epoch: u64) -> bool {
    key.stored_tree_epochs()
        .iter()
        .any(|range| range.contains(&epoch))
}
