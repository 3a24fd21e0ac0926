//! What is remembered of signatures that were valid: each key's last path, leaf to root.
//!
//! A validator signs in epoch after epoch, and the paths of neighbouring epochs meet after a node or two. From the
//! meeting on, they have the same siblings, which are compared instead of hashed: equal children of equal nodes
//! have equal parents, so the verdict is that of hashing. Where anything differs, all is hashed.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::encoding::PublicKey;
use crate::field::Digest;

/// Locks, so that threads seldom look for keys behind the same one.
const SHARDS: usize = 64;

/// A path that leads from an epoch's leaf to the root of its key, level by level: 2 KiB.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) epoch: u64,
    /// The leaf, and all above it but the root.
    pub(super) nodes: Box<[Digest]>,
    pub(super) siblings: Box<[Digest]>,
}

/// Where a signature's way up the tree ends: at the root, or earlier, at a node from which it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop {
    pub(super) level: usize,
    /// What the node there has to be.
    pub(super) node: Digest,
}

impl Path {
    /// The first node that the way of another epoch shares with this path, or that is a sibling on it, if from
    /// there on its siblings are the same.
    pub(super) fn meeting(&self, epoch: u64, siblings: &[Digest]) -> Option<Stop> {
        let apart = (epoch ^ self.epoch).checked_ilog2();
        let (level, node, same_from) = match apart {
            None => (0, self.nodes[0], 0),
            Some(level) => {
                let level = level as usize;
                // The children of the node in which the two ways meet.
                let meets = siblings[level] == self.nodes[level];
                (level, self.siblings[level], meets.then_some(level + 1)?)
            }
        };
        (siblings[same_from..] == self.siblings[same_from..]).then_some(Stop { level, node })
    }

    /// Makes this the path of an epoch that meets it, given the nodes and siblings up to the meeting.
    fn turn_to(&mut self, epoch: u64, nodes: &[Digest], siblings: &[Digest]) {
        self.epoch = epoch;
        self.nodes[..nodes.len()].copy_from_slice(nodes);
        self.siblings[..siblings.len()].copy_from_slice(siblings);
    }
}

/// Public keys are hashes already, so little has to be done to spread them; who grinds keys that fall together
/// makes their own signatures slower.
#[derive(Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        // 2^64 divided by the golden ratio.
        self.0 = (self.0.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

type Paths = HashMap<PublicKey, Arc<Path>, BuildHasherDefault<Fold>>;

/// The last paths of at most so many keys. Whoever finds a part of it locked does without.
#[derive(Debug)]
pub(super) struct PathMemory {
    shards: Vec<Mutex<Paths>>,
    room: AtomicUsize,
}

impl PathMemory {
    pub(super) fn new(most_keys: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            room: AtomicUsize::new(most_keys),
        }
    }

    fn shard(&self, key: &PublicKey) -> &Mutex<Paths> {
        // The map takes other bits of it.
        let hash = BuildHasherDefault::<Fold>::default().hash_one(key);
        &self.shards[(hash >> 40) as usize % SHARDS]
    }

    pub(super) fn recall(&self, key: &PublicKey) -> Option<Arc<Path>> {
        self.shard(key).try_lock().ok()?.get(key).cloned()
    }

    /// Keeps the path of an epoch that meets the one that was recalled, given what it has up to the meeting. In place
    /// where nobody else has recalled it.
    pub(super) fn keep_meeting(
        &self,
        key: &PublicKey,
        recalled: Arc<Path>,
        (epoch, nodes, siblings): (u64, &[Digest], &[Digest]),
    ) {
        let Ok(mut paths) = self.shard(key).try_lock() else {
            return;
        };
        if let Some(kept) = paths.get_mut(key) {
            // Another thread, or another signature of the batch, may have kept something else since.
            *kept = recalled;
            Arc::make_mut(kept).turn_to(epoch, nodes, siblings);
        }
    }

    /// Keeps the path in the place of the key's last one; of a new key only if there is room.
    pub(super) fn keep(&self, key: &PublicKey, path: Path) {
        let Ok(mut paths) = self.shard(key).try_lock() else {
            return;
        };
        if let Some(kept) = paths.get_mut(key) {
            *kept = Arc::new(path);
            return;
        }
        let take = |room: usize| room.checked_sub(1);
        let taken = self
            .room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        if taken.is_ok() {
            paths.insert(*key, Arc::new(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(epoch: u64) -> Path {
        let digests = |first: u32| (first..first + 8).map(|i| [i; 8]).collect();
        Path {
            epoch,
            nodes: digests(0),
            siblings: digests(100),
        }
    }

    #[test]
    fn ways_meet_below_the_highest_bit_in_which_epochs_differ() {
        let path = path(0b1011_0110);
        for (epoch, level) in [
            (0b1011_0111, 0),
            (0b1011_0100, 1),
            (0b1011_1111, 3),
            (0b0000_0000, 7),
        ] {
            let mut siblings = path.siblings.to_vec();
            assert!(path.meeting(epoch, &siblings).is_none());
            siblings[level] = path.nodes[level];
            for below in 0..level {
                siblings[below] = [77; 8];
            }
            let stop = path
                .meeting(epoch, &siblings)
                .expect("the same from there on");
            assert_eq!((stop.level, stop.node), (level, path.siblings[level]));
            for above in level..8 {
                let mut siblings = siblings.clone();
                siblings[above][3] ^= 1;
                assert!(path.meeting(epoch, &siblings).is_none(), "{above}");
            }
        }
        let stop = path.meeting(path.epoch, &path.siblings).expect("the same");
        assert_eq!((stop.level, stop.node), (0, path.nodes[0]));
    }

    #[test]
    fn no_more_keys_are_kept_than_there_is_room_for() {
        let memory = PathMemory::new(100);
        let key = |i: u32| PublicKey {
            root: [i; 8],
            parameter: [i; 5],
        };
        for round in 0..2 {
            for i in 0..300 {
                memory.keep(&key(i), path(round));
            }
        }
        let kept: Vec<_> = (0..300).filter_map(|i| memory.recall(&key(i))).collect();
        assert_eq!(kept.len(), 100);
        assert!(kept.iter().all(|path| path.epoch == 1));
    }

    #[test]
    fn a_path_turns_to_another_epoch_and_what_was_recalled_stays() {
        let memory = PathMemory::new(1);
        let key = PublicKey {
            root: [1; 8],
            parameter: [2; 5],
        };
        memory.keep(&key, path(4));
        let recall = || memory.recall(&key).expect("kept");
        let (one, other) = (recall(), recall());
        let lower = [[55; 8]; 2];
        memory.keep_meeting(&key, one, (6, &lower, &lower));
        let kept = recall();
        assert_eq!(
            (kept.epoch, kept.nodes[1], kept.nodes[2]),
            (6, [55; 8], [2; 8])
        );
        assert_eq!((kept.siblings[0], kept.siblings[2]), ([55; 8], [102; 8]));
        assert_eq!((other.epoch, other.nodes[0]), (4, [0; 8]));
        // What was recalled before the last change is not mixed with it.
        memory.keep_meeting(&key, other, (5, &lower[..1], &lower[..1]));
        let kept = recall();
        assert_eq!(
            (kept.epoch, kept.nodes[0], kept.nodes[1]),
            (5, [55; 8], [1; 8])
        );
    }

    #[test]
    fn nobody_waits_for_a_lock() {
        let memory = PathMemory::new(10);
        let key = PublicKey {
            root: [1; 8],
            parameter: [2; 5],
        };
        memory.keep(&key, path(5));
        let locked = memory.shard(&key).lock().expect("no panic");
        assert!(memory.recall(&key).is_none());
        memory.keep(&key, path(6));
        drop(locked);
        assert_eq!(memory.recall(&key).expect("kept").epoch, 5);
    }
}
