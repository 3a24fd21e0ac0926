use proptest::prelude::*;
use ssz::{Decode as _, Encode as _};
use ssz_types::BitList as Reference;
use tree_hash::TreeHash as _;
use typenum::{U1024, U4096, U65536, U262144};

use super::*;

fn reference(bits: &[bool]) -> Reference<U262144> {
    let mut list = Reference::with_capacity(bits.len()).unwrap();
    for (index, bit) in bits.iter().enumerate() {
        list.set(index, *bit).unwrap();
    }
    list
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_last_set_bit_is_found_from_anywhere(
        length in 0usize..20_000,
        set in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ends in prop::collection::vec(0usize..21_000, 1..40),
    ) {
        let mut list = Bitlist::<U262144>::new();
        list.extend_zeros(length).unwrap();
        for index in set.iter().filter(|_| length > 0) {
            list.set(index.index(length), true).unwrap();
        }
        let bits: Vec<bool> = list.iter().collect();
        let around = set.iter().filter(|_| length > 0).map(|index| index.index(length));
        let around = around.flat_map(|bit| [bit, bit + 1]);
        for end in ends.iter().copied().chain(around) {
            let naive = bits.iter().take(end).rposition(|bit| *bit);
            prop_assert_eq!(list.last_set_before(end), naive, "before {}", end);
        }
    }

    #[test]
    fn agrees_with_the_plain_bit_list(
        bits in prop::collection::vec(any::<bool>(), 0..20_000),
        flips in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        zeros in 0usize..9_000,
    ) {
        let mut list = Bitlist::<U262144>::try_from_iter(bits.iter().copied()).unwrap();
        prop_assert_eq!(list.tree_hash_root(), reference(&bits).tree_hash_root());

        let before = (list.clone(), list.tree_hash_root());
        let mut bits = bits;
        bits.resize(bits.len() + zeros, false);
        list.extend_zeros(zeros).unwrap();
        for flip in &flips {
            if bits.is_empty() {
                break;
            }
            let index = flip.index(bits.len());
            bits[index] = !bits[index];
            list.set(index, bits[index]).unwrap();
        }
        let plain = reference(&bits);
        prop_assert_eq!(list.as_ssz_bytes(), plain.as_ssz_bytes());
        prop_assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
        prop_assert_eq!(before.0.tree_hash_root(), before.1, "a clone is not written through");

        let decoded = Bitlist::<U262144>::from_ssz_bytes(&plain.as_ssz_bytes()).unwrap();
        prop_assert_eq!(&decoded, &list);
        prop_assert_eq!(decoded.tree_hash_root(), list.tree_hash_root());
    }

    #[test]
    fn decoding_accepts_what_the_plain_bit_list_accepts(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let plain = Reference::<U262144>::from_ssz_bytes(&bytes);
        let ours = Bitlist::<U262144>::from_ssz_bytes(&bytes);
        prop_assert_eq!(plain.is_ok(), ours.is_ok());
        if let Ok(ours) = ours {
            prop_assert_eq!(ours.as_ssz_bytes(), bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn words_are_read_and_written_as_bits(
        bits in prop::collection::vec(any::<bool>(), 0..9_000),
        writes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..65, any::<u64>()), 0..40),
        ones in 0usize..9_000,
    ) {
        let mut list = Bitlist::<U262144>::try_from_iter(bits.iter().copied()).unwrap();
        let mut bits = bits;
        list.extend(ones, true).unwrap();
        bits.resize(bits.len() + ones, true);
        for (start, count, word) in writes {
            let start = start.index(bits.len() + 1);
            if start + count > bits.len() {
                prop_assert!(list.set_bits(start, count, word).is_err());
                continue;
            }
            list.set_bits(start, count, word).unwrap();
            for offset in 0..count {
                bits[start + offset] |= word >> offset & 1 == 1;
            }
            let read = list.bits(start, count);
            let expected = (0..count).map(|offset| u64::from(bits[start + offset]) << offset);
            prop_assert_eq!(read, expected.sum::<u64>());
        }
        let plain = reference(&bits);
        prop_assert_eq!(list.as_ssz_bytes(), plain.as_ssz_bytes());
        prop_assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
        prop_assert_eq!(list.last_set_before(usize::MAX), bits.iter().rposition(|bit| *bit));
    }

    #[test]
    fn a_list_is_put_together_of_parts_of_others(
        bits in prop::collection::vec(any::<bool>(), 1..20_000),
        parts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..12),
    ) {
        let source = Bitlist::<U262144>::try_from_iter(bits.iter().copied()).unwrap();
        source.tree_hash_root();
        let (mut list, mut expected) = (Bitlist::new(), Vec::new());
        for (start, end, whole) in parts {
            let chunk = if whole { CHUNK_BITS } else { 1 };
            let at = |index: prop::sample::Index| index.index(bits.len() + 1) / chunk * chunk;
            let (start, end) = (at(start).min(at(end)), at(start).max(at(end)));
            list.extend_from(&source, start..end).unwrap();
            expected.extend_from_slice(&bits[start..end]);
        }
        let expected = Bitlist::try_from_iter(expected).unwrap();
        prop_assert_eq!(&list, &expected);
        prop_assert_eq!(list.tree_hash_root(), expected.tree_hash_root());
        prop_assert_eq!(source.as_ssz_bytes(), reference(&bits).as_ssz_bytes(), "a source is not written to");
    }
}

#[test]
fn whole_chunks_that_move_as_such_are_shared() {
    let source =
        Bitlist::<U262144>::try_from_iter((0..3 * CHUNK_BITS).map(|bit| bit % 5 == 0)).unwrap();
    let mut list = Bitlist::<U262144>::new();
    list.extend(CHUNK_BITS, true).unwrap();
    list.extend_from(&source, 0..source.len()).unwrap();
    let moved = list.chunks[1..].iter().zip(&source.chunks);
    assert!(moved.into_iter().all(|(a, b)| Arc::ptr_eq(a, b)));
}

#[test]
fn whole_chunks_round_trip() {
    let list = Bitlist::<U65536>::try_from_iter((0..CHUNK_BITS).map(|i| i % 3 == 0)).unwrap();
    let decoded = Bitlist::<U65536>::from_ssz_bytes(&list.as_ssz_bytes()).unwrap();
    assert_eq!(decoded, list);
    assert_eq!(decoded.tree_hash_root(), list.tree_hash_root());
}

#[test]
fn a_list_smaller_than_a_chunk_has_the_root_of_its_own_depth() {
    for length in [0, 1, 255, 300, 1024] {
        let bits = (0..length).map(|i| i % 3 == 0);
        let list = Bitlist::<U1024>::try_from_iter(bits).unwrap();
        let plain = Reference::<U1024>::from_ssz_bytes(&list.as_ssz_bytes()).unwrap();
        assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
    }
    for length in [0, 1, 255, 256, 300, 4096] {
        let bits = (0..length).map(|i| i % 3 == 0);
        let list = Bitlist::<U4096>::try_from_iter(bits).unwrap();
        let plain = ssz_types::BitList::<U4096>::from_ssz_bytes(&list.as_ssz_bytes()).unwrap();
        assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
    }
}

#[test]
fn the_limit_holds() {
    let mut list = Bitlist::<U65536>::new();
    list.extend_zeros(65536).unwrap();
    let error = BitlistError::TooLong {
        length: 65537,
        limit: 65536,
    };
    assert_eq!(list.push(true), Err(error));
    assert_eq!(list.len(), 65536);
    let out = BitlistError::OutOfRange {
        index: 65536,
        length: 65536,
    };
    assert_eq!(list.set(65536, true), Err(out));
}
