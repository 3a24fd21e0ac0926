//! A list of roots that is replaced as a whole.

use std::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer};
use ssz::{Decode, DecodeError, Encode};
use tree_hash::{Hash256, PackedEncoding, TreeHash, TreeHashType, mix_in_length};
use typenum::Unsigned;

use crate::{
    Root, TooManyRoots,
    merkle::{self, Node},
};

/// SSZ `List[Bytes32, N]` that never changes: a slice of roots, of which all clones are one, with its root once it has
/// been asked for.
#[derive(Clone)]
pub struct SharedRoots<N> {
    shared: Arc<Shared>,
    limit: PhantomData<N>,
}

#[derive(Default)]
struct Shared {
    roots: Vec<Root>,
    root: OnceLock<Root>,
}

impl<N: Unsigned> SharedRoots<N> {
    /// The list of these roots.
    ///
    /// # Errors
    /// When there are more than the limit.
    pub fn new(roots: Vec<Root>) -> Result<Self, TooManyRoots> {
        if roots.len() > N::USIZE {
            return Err(TooManyRoots {
                length: roots.len(),
                limit: N::USIZE,
            });
        }
        let root = OnceLock::new();
        Ok(Self {
            shared: Arc::new(Shared { roots, root }),
            limit: PhantomData,
        })
    }

    /// The list of these roots.
    ///
    /// # Errors
    /// When there are more than the limit.
    pub fn try_from_iter(roots: impl IntoIterator<Item = Root>) -> Result<Self, TooManyRoots> {
        // One more tells that there are too many; nobody needs the others.
        let most = N::USIZE.saturating_add(1);
        Self::new(roots.into_iter().take(most).collect())
    }
}

impl<N> Deref for SharedRoots<N> {
    type Target = [Root];

    fn deref(&self) -> &[Root] {
        &self.shared.roots
    }
}

impl<N> Default for SharedRoots<N> {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            limit: PhantomData,
        }
    }
}

impl<N> PartialEq for SharedRoots<N> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) || self[..] == other[..]
    }
}

impl<N> Eq for SharedRoots<N> {}

impl<N> fmt::Debug for SharedRoots<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}

impl<N: Unsigned> Encode for SharedRoots<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        size_of_val(&self[..])
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        for root in self.iter() {
            buf.extend_from_slice(root.as_slice());
        }
    }
}

impl<N: Unsigned> Decode for SharedRoots<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (roots, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            let why = format!("{} bytes are no whole number of roots", bytes.len());
            return Err(DecodeError::BytesInvalid(why));
        }
        Self::try_from_iter(roots.iter().copied().map(Root::new))
            .map_err(|error| DecodeError::BytesInvalid(error.to_string()))
    }
}

impl<N: Unsigned> TreeHash for SharedRoots<N> {
    fn tree_hash_type() -> TreeHashType {
        TreeHashType::List
    }

    fn tree_hash_packed_encoding(&self) -> PackedEncoding {
        unreachable!("a list is never packed into a leaf")
    }

    fn tree_hash_packing_factor() -> usize {
        unreachable!("a list is never packed into a leaf")
    }

    fn tree_hash_root(&self) -> Hash256 {
        *self.shared.root.get_or_init(|| {
            let depth = N::USIZE.next_power_of_two().ilog2() as usize;
            let mut leaves: Vec<Node> = self.iter().map(|root| root.0).collect();
            let root = merkle::root(&mut leaves, 0..depth);
            mix_in_length(&root.into(), self.len())
        })
    }
}

impl<N: Unsigned> Serialize for SharedRoots<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use milhouse::List;
    use typenum::{U8, U262144};

    use super::*;

    #[test]
    fn shared_roots_agree_with_the_plain_list() {
        for length in [0, 1, 2, 3, 7, 8, 600, 1025] {
            let roots: Vec<Root> = (0..length)
                .map(|n: u64| Root::left_padding_from(&n.to_be_bytes()))
                .collect();
            let plain = List::<Root, U262144>::new(roots.clone()).unwrap();
            let ours = SharedRoots::<U262144>::new(roots.clone()).unwrap();
            assert_eq!(ours.tree_hash_root(), plain.tree_hash_root());
            assert_eq!(ours.as_ssz_bytes(), plain.as_ssz_bytes());
            assert_eq!(ours.ssz_bytes_len(), plain.ssz_bytes_len());
            assert_eq!(
                SharedRoots::from_ssz_bytes(&plain.as_ssz_bytes()).as_ref(),
                Ok(&ours)
            );
            assert_eq!(ours[..], roots);
        }
        let ours = SharedRoots::<U262144>::from_ssz_bytes(&[0; 33]);
        assert!(ours.is_err() && List::<Root, U262144>::from_ssz_bytes(&[0; 33]).is_err());
    }

    #[test]
    fn the_limit_holds() {
        let error = TooManyRoots {
            length: 9,
            limit: 8,
        };
        assert_eq!(SharedRoots::<U8>::new(vec![Root::ZERO; 9]), Err(error));
        assert_eq!(
            SharedRoots::<U8>::try_from_iter(std::iter::repeat(Root::ZERO)),
            Err(error)
        );
        assert!(SharedRoots::<U8>::from_ssz_bytes(&[0; 9 * 32]).is_err());
        let full = SharedRoots::<U8>::new(vec![Root::ZERO; 8]).unwrap();
        let plain = List::<Root, U8>::new(vec![Root::ZERO; 8]).unwrap();
        assert_eq!(full.tree_hash_root(), plain.tree_hash_root());
    }
}
