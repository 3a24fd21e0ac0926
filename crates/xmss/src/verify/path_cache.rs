//! A cache of the paths of valid signatures: each key's last path, from leaf to root.
//!
//! A validator signs in epoch after epoch, and the paths of neighbouring epochs meet after a node or two. From the
//! meeting on, they have the same siblings, which are compared instead of hashed: equal children of equal nodes have
//! equal parents, so the result is that of hashing. Where anything differs, everything is hashed.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{encoding::PublicKey, field::Digest};

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

/// Where a signature's path up the tree ends: at the root, or earlier, at a node from which on it is cached.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathEnd {
    pub(super) level: usize,
    /// What the node there has to be.
    pub(super) node: Digest,
}

impl Path {
    /// The first node that the path of another epoch shares with this one, or that is a sibling on it, if all siblings
    /// above are the same.
    pub(super) fn meeting(&self, epoch: u64, siblings: &[Digest]) -> Option<PathEnd> {
        let out_of_line = (epoch ^ self.epoch).checked_ilog2();
        let (level, node, same_from) = match out_of_line {
            None => (0, self.nodes[0], 0),
            Some(level) => {
                let level = level as usize;
                // The children of the node in which the two paths meet.
                let meets = siblings[level] == self.nodes[level];
                (level, self.siblings[level], meets.then_some(level + 1)?)
            }
        };
        (siblings[same_from..] == self.siblings[same_from..]).then_some(PathEnd { level, node })
    }

    /// Makes this the path of an epoch that meets it, given the nodes and siblings up to the meeting.
    fn replace_lower(&mut self, epoch: u64, nodes: &[Digest], siblings: &[Digest]) {
        self.epoch = epoch;
        self.nodes[..nodes.len()].copy_from_slice(nodes);
        self.siblings[..siblings.len()].copy_from_slice(siblings);
    }
}

/// Public keys are hashes already, so little has to be done to spread them; somebody who grinds colliding keys only
/// makes their own signatures slower.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
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

type Paths = HashMap<PublicKey, Arc<Path>, BuildHasherDefault<KeyHasher>>;

/// The last paths of at most so many keys. A thread that finds a shard locked does without it.
#[derive(Debug)]
pub(super) struct PathCache {
    shards: Vec<Mutex<Paths>>,
    room: AtomicUsize,
}

impl PathCache {
    pub(super) fn new(most_keys: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            room: AtomicUsize::new(most_keys),
        }
    }

    fn shard(&self, key: &PublicKey) -> &Mutex<Paths> {
        // The map takes other bits of it.
        let hash = BuildHasherDefault::<KeyHasher>::default().hash_one(key);
        &self.shards[(hash >> 40) as usize % SHARDS]
    }

    pub(super) fn get(&self, key: &PublicKey) -> Option<Arc<Path>> {
        self.shard(key).try_lock().ok()?.get(key).cloned()
    }

    /// Stores the path of an epoch that meets the cached one, given its nodes and siblings up to the meeting. Changes
    /// the cached path in place where nothing else holds it.
    pub(super) fn insert_meeting(
        &self,
        key: &PublicKey,
        recalled: Arc<Path>,
        (epoch, nodes, siblings): (u64, &[Digest], &[Digest]),
    ) {
        let Ok(mut paths) = self.shard(key).try_lock() else {
            return;
        };
        if let Some(kept) = paths.get_mut(key) {
            // Another thread, or another signature of the batch, may have stored another path since.
            *kept = recalled;
            Arc::make_mut(kept).replace_lower(epoch, nodes, siblings);
        }
    }

    /// Replaces the key's last path; a new key gets a place only if there is one.
    pub(super) fn insert(&self, key: &PublicKey, path: Path) {
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
        let memory = PathCache::new(100);
        let key = |i: u32| PublicKey {
            root: [i; 8],
            parameter: [i; 5],
        };
        for round in 0..2 {
            for i in 0..300 {
                memory.insert(&key(i), path(round));
            }
        }
        let kept: Vec<_> = (0..300).filter_map(|i| memory.get(&key(i))).collect();
        assert_eq!(kept.len(), 100);
        assert!(kept.iter().all(|path| path.epoch == 1));
    }

    #[test]
    fn a_cached_path_is_replaced_and_clones_of_it_stay_as_they_were() {
        let memory = PathCache::new(1);
        let key = PublicKey {
            root: [1; 8],
            parameter: [2; 5],
        };
        memory.insert(&key, path(4));
        let get = || memory.get(&key).expect("kept");
        let (one, other) = (get(), get());
        let lower = [[55; 8]; 2];
        memory.insert_meeting(&key, one, (6, &lower, &lower));
        let kept = get();
        assert_eq!(
            (kept.epoch, kept.nodes[1], kept.nodes[2]),
            (6, [55; 8], [2; 8])
        );
        assert_eq!((kept.siblings[0], kept.siblings[2]), ([55; 8], [102; 8]));
        assert_eq!((other.epoch, other.nodes[0]), (4, [0; 8]));
        // A path that was taken before the last change is not mixed with it.
        memory.insert_meeting(&key, other, (5, &lower[..1], &lower[..1]));
        let kept = get();
        assert_eq!(
            (kept.epoch, kept.nodes[0], kept.nodes[1]),
            (5, [55; 8], [1; 8])
        );
    }

    #[test]
    fn nobody_waits_for_a_lock() {
        let memory = PathCache::new(10);
        let key = PublicKey {
            root: [1; 8],
            parameter: [2; 5],
        };
        memory.insert(&key, path(5));
        let locked = memory.shard(&key).lock().expect("no panic");
        assert!(memory.get(&key).is_none());
        memory.insert(&key, path(6));
        drop(locked);
        assert_eq!(memory.get(&key).expect("kept").epoch, 5);
    }
}
