//! The partial rounds: one S-box, then the internal matrix, all ones plus a diagonal.
//!
//! A round takes the sum s of all elements, after the S-box on the first, and makes every element x into s + d·x.
//! Most entries of the diagonal come in pairs d and −d. For the two elements a and b of such a pair let u = a + b
//! and v = a − b. Then a round makes them u' = 2s + d·v and v' = d·u, so that from the second round on
//! u' = 2s + d²·(u of the round before): one product and one addition for two elements, and one term in the sum
//! instead of two. Only after the last round are a and b computed again.

use crate::{field::to_montgomery, lanes::Lanes};

/// The diagonal of one width. Its first entry is −2 in all widths.
pub(crate) trait Diagonal<const W: usize, const PAIRS: usize, const SINGLES: usize> {
    /// Positions of the entries d and −d of every pair.
    const PAIRS_AT: [[usize; 2]; PAIRS];
    /// Positions of the entries without a partner, except the first.
    const SINGLES_AT: [usize; SINGLES];

    /// d·x for every pair.
    fn once<L: Lanes>(x: &[L; PAIRS]) -> [L; PAIRS];
    /// d²·x for every pair.
    fn twice<L: Lanes>(x: &[L; PAIRS]) -> [L; PAIRS];
    /// s + d·x for every single.
    fn singles<L: Lanes>(sum: L, x: &[L; SINGLES]) -> [L; SINGLES];
}

/// 2^-48, the square of 2^-24 = −127.
const SQUARE_OF_127: u32 = to_montgomery(127 * 127);

#[inline(always)]
fn times_3<L: Lanes>(x: L) -> L {
    x.double().add(x)
}

#[inline(always)]
fn times_9<L: Lanes>(x: L) -> L {
    x.times_power::<3>().add(x)
}

/// −2, 1, 2, ½, 3, 4, −½, −3, −4, then 2 to the powers −8, −3, −24, and minus those to −8, −3, −4, −24.
pub(crate) struct Diagonal16;

impl Diagonal<16, 6, 3> for Diagonal16 {
    const PAIRS_AT: [[usize; 2]; 6] = [[3, 6], [4, 7], [5, 8], [9, 12], [10, 13], [11, 15]];
    const SINGLES_AT: [usize; 3] = [1, 2, 14];

    #[inline(always)]
    fn once<L: Lanes>(x: &[L; 6]) -> [L; 6] {
        [
            x[0].halve(),
            times_3(x[1]),
            x[2].double().double(),
            x[3].shifted::<8>(),
            x[4].shifted::<3>(),
            x[5].shifted::<24>(),
        ]
    }

    #[inline(always)]
    fn twice<L: Lanes>(x: &[L; 6]) -> [L; 6] {
        [
            x[0].shifted::<2>(),
            times_9(x[1]),
            x[2].times_power::<4>(),
            x[3].shifted::<16>(),
            x[4].shifted::<6>(),
            x[5].mul(L::splat(SQUARE_OF_127)),
        ]
    }

    #[inline(always)]
    fn singles<L: Lanes>(sum: L, x: &[L; 3]) -> [L; 3] {
        [
            sum.add(x[0]),
            sum.add(x[1].double()),
            sum.sub(x[2].shifted::<4>()),
        ]
    }
}

/// −2, 1, 2, ½, 3, 4, −½, −3, −4, then 2 to the powers −8, −2, −3, −4, −5, −6, −24, and minus those to
/// −8, −3, −4, −5, −6, −7, −9, −24.
pub(crate) struct Diagonal24;

impl Diagonal<24, 9, 5> for Diagonal24 {
    const PAIRS_AT: [[usize; 2]; 9] = [
        [3, 6],
        [4, 7],
        [5, 8],
        [9, 16],
        [11, 17],
        [12, 18],
        [13, 19],
        [14, 20],
        [15, 23],
    ];
    const SINGLES_AT: [usize; 5] = [1, 2, 10, 21, 22];

    #[inline(always)]
    fn once<L: Lanes>(x: &[L; 9]) -> [L; 9] {
        [
            x[0].halve(),
            times_3(x[1]),
            x[2].double().double(),
            x[3].shifted::<8>(),
            x[4].shifted::<3>(),
            x[5].shifted::<4>(),
            x[6].shifted::<5>(),
            x[7].shifted::<6>(),
            x[8].shifted::<24>(),
        ]
    }

    #[inline(always)]
    fn twice<L: Lanes>(x: &[L; 9]) -> [L; 9] {
        [
            x[0].shifted::<2>(),
            times_9(x[1]),
            x[2].times_power::<4>(),
            x[3].shifted::<16>(),
            x[4].shifted::<6>(),
            x[5].shifted::<8>(),
            x[6].shifted::<10>(),
            x[7].shifted::<12>(),
            x[8].mul(L::splat(SQUARE_OF_127)),
        ]
    }

    #[inline(always)]
    fn singles<L: Lanes>(sum: L, x: &[L; 5]) -> [L; 5] {
        [
            sum.add(x[0]),
            sum.add(x[1].double()),
            sum.add(x[2].shifted::<2>()),
            sum.sub(x[3].shifted::<7>()),
            sum.sub(x[4].shifted::<9>()),
        ]
    }
}

/// A state during the partial rounds.
struct Inner<L, const PAIRS: usize, const SINGLES: usize> {
    first: L,
    singles: [L; SINGLES],
    /// u of every pair.
    sums: [L; PAIRS],
    /// u of every pair before the last round; before the first round, v.
    before: [L; PAIRS],
}

/// All partial rounds.
#[inline(always)]
pub(crate) fn partial_rounds<
    L: Lanes,
    D: Diagonal<W, PAIRS, SINGLES>,
    const W: usize,
    const PAIRS: usize,
    const SINGLES: usize,
>(
    state: &mut [L; W],
    constants: &[u32],
) {
    let Some((first_constant, constants)) = constants.split_first() else {
        return;
    };
    let zero = L::splat(0);
    let mut inner = Inner {
        first: state[0],
        singles: [zero; SINGLES],
        sums: [zero; PAIRS],
        before: [zero; PAIRS],
    };
    for i in 0..SINGLES {
        inner.singles[i] = state[D::SINGLES_AT[i]];
    }
    for i in 0..PAIRS {
        let [a, b] = D::PAIRS_AT[i];
        inner.sums[i] = state[a].add(state[b]);
        inner.before[i] = state[a].sub(state[b]);
    }
    inner.round::<D, W>(*first_constant, true);
    for constant in constants {
        inner.round::<D, W>(*constant, false);
    }
    state[0] = inner.first;
    for i in 0..SINGLES {
        state[D::SINGLES_AT[i]] = inner.singles[i];
    }
    let differences = D::once(&inner.before);
    for i in 0..PAIRS {
        let [a, b] = D::PAIRS_AT[i];
        state[a] = inner.sums[i].add(differences[i]).halve();
        state[b] = state[a].sub(differences[i]);
    }
}

impl<L: Lanes, const PAIRS: usize, const SINGLES: usize> Inner<L, PAIRS, SINGLES> {
    #[inline(always)]
    fn round<D: Diagonal<W, PAIRS, SINGLES>, const W: usize>(
        &mut self,
        constant: u32,
        is_first: bool,
    ) {
        // Independent chains: this is off the path of the S-box.
        let (mut even, mut odd) = (self.sums[0], self.sums[1]);
        for i in 1..PAIRS / 2 {
            even = even.add(self.sums[2 * i]);
            odd = odd.add(self.sums[2 * i + 1]);
        }
        if PAIRS % 2 == 1 {
            even = even.add(self.sums[PAIRS - 1]);
        }
        let mut rest = self.singles[0];
        for i in 1..SINGLES {
            rest = rest.add(self.singles[i]);
        }
        let rest = rest.add(even.add(odd));
        let cube = self.first.add_and_cube(L::splat(constant));
        let sum = rest.add(cube);
        self.first = rest.sub(cube);
        self.singles = D::singles(sum, &self.singles);
        let twice_sum = sum.double();
        let mut next = if is_first {
            D::once(&self.before)
        } else {
            D::twice(&self.before)
        };
        for next in &mut next {
            *next = twice_sum.add(*next);
        }
        self.before = self.sums;
        self.sums = next;
    }
}
