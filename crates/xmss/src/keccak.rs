//! Keccak-f[1600] over lanes of 64-bit words: the pseudo-random function hashes many short inputs side by side.

use crate::lanes::{Lanes, Task, Words};

const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// The permutation, for every lane. Words are indexed x + 5y, as in FIPS 202.
#[inline(always)]
pub(crate) fn permute<L: Lanes>(state: &mut [L::Words; 25]) {
    L::out_of_line(Permute(state));
}

struct Permute<'a, W>(&'a mut [W; 25]);

impl<W: Words> Task for Permute<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for constant in ROUND_CONSTANTS {
            round(self.0, W::splat(constant));
        }
    }
}

#[inline(always)]
fn round<W: Words>(a: &mut [W; 25], constant: W) {
    // θ
    let c0 = a[0].xor5(a[5], a[10], a[15], a[20]);
    let c1 = a[1].xor5(a[6], a[11], a[16], a[21]);
    let c2 = a[2].xor5(a[7], a[12], a[17], a[22]);
    let c3 = a[3].xor5(a[8], a[13], a[18], a[23]);
    let c4 = a[4].xor5(a[9], a[14], a[19], a[24]);
    let d0 = c4.xor(c1.rotate_left(1));
    let d1 = c0.xor(c2.rotate_left(1));
    let d2 = c1.xor(c3.rotate_left(1));
    let d3 = c2.xor(c4.rotate_left(1));
    let d4 = c3.xor(c0.rotate_left(1));
    // ρ and π: the word at (x, y) goes to (y, 2x + 3y), turned by its offset. One row of the result at a time.
    let b = [
        a[0].xor(d0),
        a[6].xor(d1).rotate_left(44),
        a[12].xor(d2).rotate_left(43),
        a[18].xor(d3).rotate_left(21),
        a[24].xor(d4).rotate_left(14),
        a[3].xor(d3).rotate_left(28),
        a[9].xor(d4).rotate_left(20),
        a[10].xor(d0).rotate_left(3),
        a[16].xor(d1).rotate_left(45),
        a[22].xor(d2).rotate_left(61),
        a[1].xor(d1).rotate_left(1),
        a[7].xor(d2).rotate_left(6),
        a[13].xor(d3).rotate_left(25),
        a[19].xor(d4).rotate_left(8),
        a[20].xor(d0).rotate_left(18),
        a[4].xor(d4).rotate_left(27),
        a[5].xor(d0).rotate_left(36),
        a[11].xor(d1).rotate_left(10),
        a[17].xor(d2).rotate_left(15),
        a[23].xor(d3).rotate_left(56),
        a[2].xor(d2).rotate_left(62),
        a[8].xor(d3).rotate_left(55),
        a[14].xor(d4).rotate_left(39),
        a[15].xor(d0).rotate_left(41),
        a[21].xor(d1).rotate_left(2),
    ];
    // χ, then ι
    for y in 0..5 {
        for x in 0..5 {
            a[5 * y + x] = b[5 * y + x].chi(b[5 * y + (x + 1) % 5], b[5 * y + (x + 2) % 5]);
        }
    }
    a[0] = a[0].xor(constant);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Scalar;

    #[test]
    fn shake128_of_nothing_is_the_known_answer() {
        let mut state = [0u64; 25];
        state[0] = 0x1f;
        state[20] = 0x80 << 56;
        permute::<Scalar>(&mut state);
        let output: Vec<u8> = state[..4]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let expected = [
            0x7f, 0x9c, 0x2b, 0xa4, 0xe8, 0x8f, 0x82, 0x7d, 0x61, 0x60, 0x45, 0x50, 0x76, 0x05,
            0x85, 0x3e, 0xd7, 0x3b, 0x80, 0x93, 0xf6, 0xef, 0xbc, 0x88, 0xeb, 0x1a, 0x6e, 0xac,
            0xfa, 0x66, 0xef, 0x26,
        ];
        assert_eq!(output, expected);
    }
}
