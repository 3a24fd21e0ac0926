//! Every operation of every back-end against arithmetic modulo p, at the edges and at random.

use proptest::prelude::*;

use super::{Backend, Kernel, Lanes, MAX_WIDTH, Row, Vector};
use crate::{
    field::{P, to_canonical},
    poseidon2::{self, ConstantOrder, Constants},
};

/// Results of all operations on two rows, as elements.
struct Operations {
    a: Row,
    b: Row,
}

const COUNT: usize = 19;

impl Kernel for Operations {
    type Output = (usize, Vec<[u32; MAX_WIDTH]>);

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let (a, b) = (L::load(&self.a.0), L::load(&self.b.0));
        let results: [L; COUNT] = [
            a.add(b),
            a.sub(b),
            a.double(),
            a.halve(),
            a.mul(b),
            a.add_and_cube(L::splat(self.b.0[0].wrapping_sub(P))),
            a.shifted::<2>(),
            a.shifted::<3>(),
            a.shifted::<4>(),
            a.shifted::<5>(),
            a.shifted::<6>(),
            a.shifted::<7>(),
            a.shifted::<8>(),
            a.shifted::<9>(),
            a.shifted::<10>(),
            a.shifted::<12>(),
            a.shifted::<16>(),
            a.shifted::<24>(),
            a.times_power::<3>().add(a.times_power::<4>()),
        ];
        let mut rows = Vec::new();
        for result in results {
            let mut row = Row::ZERO;
            result.store(&mut row.0);
            rows.push(row.0);
        }
        (L::WIDTH, rows)
    }
}

/// The same, on canonical numbers, by definition.
fn expected(a: u32, b: u32, first_b: u32) -> [u32; COUNT] {
    let p = u64::from(P);
    let [a, b, first_b] = [a, b, first_b].map(|element| u64::from(to_canonical(element)));
    let half = p.div_ceil(2);
    let shift = |n: u32| (0..n).fold(a, |x, _| x * half % p);
    let sum = (a + first_b) % p;
    [
        (a + b) % p,
        (a + p - b) % p,
        2 * a % p,
        a * half % p,
        a * b % p,
        sum * sum % p * sum % p,
        shift(2),
        shift(3),
        shift(4),
        shift(5),
        shift(6),
        shift(7),
        shift(8),
        shift(9),
        shift(10),
        shift(12),
        shift(16),
        shift(24),
        24 * a % p,
    ]
    .map(|number| number as u32)
}

fn check(a: [u32; MAX_WIDTH], b: [u32; MAX_WIDTH]) {
    for backend in Backend::all() {
        let (width, rows) = backend.run(Operations {
            a: Row(a),
            b: Row(b),
        });
        for lane in 0..width {
            let results: Vec<u32> = rows.iter().map(|row| row[lane]).collect();
            assert!(
                results.iter().all(|element| *element < P),
                "{backend:?}: not reduced"
            );
            let results: Vec<u32> = results.into_iter().map(to_canonical).collect();
            assert_eq!(
                results,
                expected(a[lane], b[lane], b[0]),
                "{backend:?}, {} and {}",
                a[lane],
                b[lane]
            );
        }
    }
}

/// Elements whose representation is at an edge of some range.
const EDGES: [u32; MAX_WIDTH] = [
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    (1 << 15) - 1,
    1 << 15,
    (1 << 16) - 1,
    1 << 16,
    (1 << 24) - 1,
    1 << 24,
    P / 2,
    P - 2,
    P - 1,
];

#[test]
fn operations_are_right_at_the_edges() {
    for turn in 0..MAX_WIDTH {
        let mut other = EDGES;
        other.rotate_left(turn);
        check(EDGES, other);
    }
}

#[test]
fn any_number_becomes_a_montgomery_element() {
    struct Convert(Row);
    impl Kernel for Convert {
        type Output = (usize, Row);
        #[inline(always)]
        fn run<L: Lanes>(self) -> (usize, Row) {
            let mut row = Row::ZERO;
            L::load(&self.0.0).to_montgomery().store(&mut row.0);
            (L::WIDTH, row)
        }
    }
    let numbers: [u32; MAX_WIDTH] = std::array::from_fn(|i| u32::MAX - i as u32 * 0x1010_1011);
    for backend in Backend::all() {
        let (width, row) = backend.run(Convert(Row(numbers)));
        for lane in 0..width {
            assert_eq!(to_canonical(row.0[lane]), numbers[lane] % P);
        }
    }
}

proptest! {
    #[test]
    fn operations_are_right_at_random(
        a in prop::array::uniform16(0..P),
        b in prop::array::uniform16(0..P),
    ) {
        check(a, b);
    }

    #[test]
    fn single_lanes_permute_as_the_scalar_one(state in prop::array::uniform24(0..P)) {
        struct Permute([u32; 24]);
        impl Kernel for Permute {
            type Output = [u32; 24];
            #[inline(always)]
            fn run<L: Lanes>(self) -> [u32; 24] {
                let constants = Constants::new(ConstantOrder::Interop);
                let mut state = [L::Single::splat(0); 24];
                for i in 0..24 {
                    state[i] = L::Single::splat(self.0[i]);
                }
                poseidon2::permute24::<L::Single, 24>(&mut state, &constants);
                let mut output = [0; 24];
                for i in 0..24 {
                    state[i].store(&mut output[i..]);
                }
                output
            }
        }
        for backend in Backend::all() {
            prop_assert_eq!(backend.run(Permute(state)), Backend::SCALAR.run(Permute(state)));
        }
    }

    #[test]
    fn all_ones_or_zero_select(mask in any::<[bool; MAX_WIDTH]>()) {
        struct Select(Row);
        impl Kernel for Select {
            type Output = (usize, Row);
            #[inline(always)]
            fn run<L: Lanes>(self) -> (usize, Row) {
                let mut row = Row::ZERO;
                L::splat(3).select(L::load(&self.0.0), L::splat(5)).store(&mut row.0);
                (L::WIDTH, row)
            }
        }
        let row = Row(mask.map(|bit| if bit { u32::MAX } else { 0 }));
        for backend in Backend::all() {
            let (width, selected) = backend.run(Select(row));
            for lane in 0..width {
                prop_assert_eq!(selected.0[lane], if mask[lane] { 5 } else { 3 });
            }
        }
    }
}
