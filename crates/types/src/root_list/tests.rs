use milhouse::List;
use proptest::prelude::*;
use typenum::{U64, U256, U262144};

use super::*;

type Ours = RootList<U262144>;
type Reference = List<Root, U262144>;

fn root(number: usize) -> Root {
    let mut bytes = [7; ROOT_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Root::from(bytes)
}

fn ours(roots: &[Root]) -> Ours {
    Ours::try_from_iter(roots.iter().copied()).unwrap()
}

fn agrees(list: &Ours, roots: &[Root]) {
    let plain = Reference::new(roots.to_vec()).unwrap();
    assert_eq!(list.len(), roots.len());
    assert_eq!(list.is_empty(), roots.is_empty());
    assert!(list.iter().eq(roots));
    assert!((0..roots.len() + 300).all(|index| list.get(index) == roots.get(index)));
    assert_eq!(list.as_ssz_bytes(), plain.as_ssz_bytes());
    assert_eq!(list.ssz_bytes_len(), plain.ssz_bytes_len());
    assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
    let decoded = Ours::from_ssz_bytes(&plain.as_ssz_bytes()).unwrap();
    assert_eq!(&decoded, list);
    assert_eq!(decoded.tree_hash_root(), list.tree_hash_root());
    assert_eq!(format!("{list:?}"), format!("{roots:?}"));
}

/// Lengths near the ends of chunks, and others.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        0usize..700,
        (0usize..6, 0usize..3).prop_map(|(chunks, off)| (chunks * CHUNK + off).saturating_sub(1))
    ]
}

/// What happens to one of several lists.
#[derive(Debug, Clone)]
enum Step {
    Push(u8),
    Zeros(usize),
    Truncate(prop::sample::Index),
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        // Few values, so that branches sometimes append the same.
        6 => (0u8..3).prop_map(Step::Push),
        2 => length().prop_map(Step::Zeros),
        1 => any::<prop::sample::Index>().prop_map(Step::Truncate),
        2 => Just(Step::Clone),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn branches_of_one_list_agree_with_plain_lists(
        start in length(),
        steps in prop::collection::vec((any::<prop::sample::Index>(), step()), 0..60),
    ) {
        let roots: Vec<Root> = (0..start).map(root).collect();
        let mut lists = vec![(ours(&roots), roots)];
        for (which, step) in steps {
            let which = which.index(lists.len());
            let (list, roots) = &mut lists[which];
            match step {
                Step::Push(byte) => {
                    list.push(Root::repeat_byte(byte)).unwrap();
                    roots.push(Root::repeat_byte(byte));
                }
                Step::Zeros(count) => {
                    list.extend_zeros(count).unwrap();
                    roots.resize(roots.len() + count, Root::ZERO);
                }
                Step::Truncate(length) => {
                    let length = length.index(roots.len() + 10);
                    *list = list.truncated(length);
                    roots.truncate(length);
                }
                Step::Clone => {
                    let copy = lists[which].clone();
                    lists.push(copy);
                }
            }
        }
        for (list, roots) in &lists {
            agrees(list, roots);
            for (other, others) in &lists {
                prop_assert_eq!(list == other, roots == others);
            }
        }
    }

    #[test]
    fn a_list_is_what_it_was(before in length(), after in length()) {
        let roots: Vec<Root> = (0..before + after).map(root).collect();
        let list = ours(&roots);
        agrees(&list.truncated(before), &roots[..before]);
        agrees(&list.truncated(usize::MAX), &roots);
    }

    #[test]
    fn decoding_accepts_what_the_plain_list_accepts(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let plain = Reference::from_ssz_bytes(&bytes);
        prop_assert_eq!(plain.is_ok(), Ours::from_ssz_bytes(&bytes).is_ok());
    }
}

#[test]
fn the_limit_holds() {
    let mut list = RootList::<U256>::new();
    list.extend_zeros(200).unwrap();
    let full = |length| Err(TooManyRoots { length, limit: 256 });
    assert_eq!(list.extend_zeros(57), full(257));
    assert_eq!(list.extend_zeros(usize::MAX), full(usize::MAX));
    assert_eq!(list.len(), 200);
    list.extend_zeros(56).unwrap();
    assert_eq!(list.push(root(1)), full(257));
    assert_eq!(list.len(), 256);
    let plain = List::<Root, U256>::new(vec![Root::ZERO; 256]).unwrap();
    assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
    assert!(RootList::<U256>::from_ssz_bytes(&[0; 256 * 32]).is_ok());
    assert!(RootList::<U256>::from_ssz_bytes(&[0; 257 * 32]).is_err());
}

#[test]
fn a_full_list_and_a_long_one_agree_with_plain_lists() {
    for length in [(1 << 17) + 77, 1 << 18] {
        let roots: Vec<Root> = (0..length).map(root).collect();
        agrees(&ours(&roots), &roots);
    }
}

#[test]
fn a_list_smaller_than_a_chunk_has_the_root_of_its_own_depth() {
    for length in [0, 1, 31, 63, 64] {
        let roots: Vec<Root> = (0..length).map(root).collect();
        let list = RootList::<U64>::try_from_iter(roots.iter().copied()).unwrap();
        let plain = List::<Root, U64>::new(roots).unwrap();
        assert_eq!(list.tree_hash_root(), plain.tree_hash_root());
    }
}

#[test]
fn branches_share_what_they_have_in_common() {
    let roots: Vec<Root> = (0..10 * CHUNK + 5).map(root).collect();
    let list = ours(&roots);
    let (mut a, mut b, mut c) = (list.clone(), list.clone(), list.truncated(3 * CHUNK));
    a.push(root(1)).unwrap();
    b.push(root(1)).unwrap();
    assert!(Arc::ptr_eq(&a.tail, &list.tail) && Arc::ptr_eq(&b.tail, &list.tail));
    b.push(root(2)).unwrap();
    a.push(root(3)).unwrap();
    assert!(Arc::ptr_eq(&b.tail, &list.tail) && !Arc::ptr_eq(&a.tail, &list.tail));
    c.push(root(4)).unwrap();
    let shared = |list: &Ours, index: usize| {
        Arc::ptr_eq(&list.full.chunks()[index], &a.full.chunks()[index])
    };
    assert!((0..10).all(|index| shared(&b, index)) && (0..3).all(|index| shared(&c, index)));
    // Lists that fill one tail have one chunk of it.
    let list = ours(&roots);
    let (mut d, mut e) = (list.clone(), list.clone());
    d.extend_zeros(CHUNK).unwrap();
    e.extend_zeros(CHUNK).unwrap();
    assert!(Arc::ptr_eq(&d.full.chunks()[10], &e.full.chunks()[10]));
}

#[test]
fn whole_chunks_of_zeros_are_one() {
    let mut list = ours(&[root(1)]);
    list.extend_zeros(5 * CHUNK).unwrap();
    let zeros = &list.full.chunks()[1..];
    assert_eq!(zeros.len(), 4);
    assert!(zeros.iter().all(|chunk| Arc::ptr_eq(chunk, &Chunk::zero())));
}
