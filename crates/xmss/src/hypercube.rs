//! The top layers of the hypercube {0, …, w−1}^v, and the map from a number to a vertex of them.
//!
//! A message hash is reduced modulo the number of vertices in layers 0 to the final one; the vertex with that number is
//! the codeword (leanSpec: `xmss/hypercube.py`, `xmss/message_hash.py`). Layer d holds the vertices whose coordinates
//! sum to v·(w−1) − d. A codeword counts only in the one layer of the target sum, so a number outside of it is refused
//! before any vertex is computed. Numbers are 192 bits wide, without allocation.

use crate::{field::P, parameters::Parameters};

/// Field elements that a message hash gives.
pub(crate) const HASH_ELEMENTS: usize = 15;

/// An unsigned number of 192 bits, low limb first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct U192([u64; 3]);

impl U192 {
    const ZERO: Self = Self([0; 3]);

    #[inline]
    fn plus(self, rhs: Self) -> Self {
        let (low, carry) = self.0[0].carrying_add(rhs.0[0], false);
        let (middle, carry) = self.0[1].carrying_add(rhs.0[1], carry);
        let (high, _) = self.0[2].carrying_add(rhs.0[2], carry);
        Self([low, middle, high])
    }

    /// The difference, and whether it is negative.
    #[inline]
    fn minus(self, rhs: Self) -> (Self, bool) {
        let (low, borrow) = self.0[0].borrowing_sub(rhs.0[0], false);
        let (middle, borrow) = self.0[1].borrowing_sub(rhs.0[1], borrow);
        let (high, borrow) = self.0[2].borrowing_sub(rhs.0[2], borrow);
        (Self([low, middle, high]), borrow)
    }

    /// The low 192 bits of the product.
    #[inline]
    fn times(self, factor: u64) -> Self {
        let mut limbs = [0; 3];
        let mut carry = 0;
        for (limb, value) in limbs.iter_mut().zip(self.0) {
            let product = u128::from(value) * u128::from(factor) + carry;
            *limb = product as u64;
            carry = product >> 64;
        }
        Self(limbs)
    }

    /// The low 64 bits of `self / 2^bits`.
    #[inline]
    fn shifted_right(self, bits: u32) -> u64 {
        let (limb, bit) = ((bits / 64) as usize, bits % 64);
        let low = self.0[limb];
        let high = self.0.get(limb + 1).copied().unwrap_or(0);
        ((u128::from(high) << 64 | u128::from(low)) >> bit) as u64
    }

    fn bits(self) -> u32 {
        match self.0 {
            [low, 0, 0] => 64 - low.leading_zeros(),
            [_, middle, 0] => 128 - middle.leading_zeros(),
            [_, _, high] => 192 - high.leading_zeros(),
        }
    }
}

/// The counts that the map needs, for one base and dimension.
#[derive(Debug)]
pub(crate) struct Hypercube {
    base: usize,
    dimension: usize,
    target_layer: usize,
    /// `sizes[n][d]`: vertices of layer d in n dimensions, for d up to the final layer.
    sizes: Vec<Vec<U192>>,
    /// The same numbers as 128-bit integers, for the dimensions, from none on, for which they fit.
    narrow: Vec<Vec<u128>>,
    /// `before[d]`: vertices in the layers below d; one entry more than there are layers.
    before: Vec<U192>,
    /// p^(14−i) modulo the number of vertices: the weight of the i-th element of a message hash.
    weights: [U192; HASH_ELEMENTS],
    /// Barrett reduction: ⌊2^(bits + 35) / vertices⌋, where bits is the length of the number of vertices.
    reciprocal: u64,
    bits: u32,
}

/// A sum of 15 products of 31 bits with a residue is shorter than the modulus by at most this.
const EXCESS_BITS: u32 = 35;

impl Hypercube {
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let (base, dimension) = (parameters.base, parameters.dimension);
        let layers = parameters.final_layer + 1;
        let mut sizes = vec![vec![U192::ZERO; layers]; dimension + 1];
        sizes[0][0] = U192([1, 0, 0]);
        for n in 1..=dimension {
            for d in 0..layers {
                sizes[n][d] = (d.saturating_sub(base - 1)..=d)
                    .fold(U192::ZERO, |sum, smaller| sum.plus(sizes[n - 1][smaller]));
            }
        }
        let narrow = sizes
            .iter()
            .take_while(|sizes| sizes.iter().all(|size| size.0[2] == 0))
            .map(|sizes| {
                sizes
                    .iter()
                    .map(|size| u128::from(size.0[1]) << 64 | u128::from(size.0[0]))
                    .collect()
            })
            .collect();
        let mut before = vec![U192::ZERO];
        for size in &sizes[dimension] {
            before.push(before[before.len() - 1].plus(*size));
        }
        let vertices = before[layers];
        let bits = vertices.bits();

        // Long division of 2^(bits + 35), bit by bit.
        let (mut reciprocal, mut remainder) = (0, U192::ZERO);
        for bit in (0..=bits + EXCESS_BITS).rev() {
            let incoming = U192([u64::from(bit == bits + EXCESS_BITS), 0, 0]);
            remainder = remainder.plus(remainder).plus(incoming);
            reciprocal <<= 1;
            if let (difference, false) = remainder.minus(vertices) {
                (reciprocal, remainder) = (reciprocal | 1, difference);
            }
        }

        let mut cube = Self {
            base,
            dimension,
            target_layer: dimension * (base - 1) - parameters.target_sum,
            sizes,
            narrow,
            before,
            weights: [U192::ZERO; HASH_ELEMENTS],
            reciprocal,
            bits,
        };
        let mut weight = U192([1, 0, 0]);
        for i in (0..HASH_ELEMENTS).rev() {
            cube.weights[i] = weight;
            weight = cube.residue(weight.times(u64::from(P)));
        }
        cube
    }

    fn vertices(&self) -> U192 {
        self.before[self.before.len() - 1]
    }

    /// `x` modulo the number of vertices, for x below 2^(bits + 35).
    #[inline]
    fn residue(&self, x: U192) -> U192 {
        let top = x.shifted_right(self.bits - 1);
        let quotient = (u128::from(top) * u128::from(self.reciprocal)) >> (EXCESS_BITS + 1);
        let (mut remainder, _) = x.minus(self.vertices().times(quotient as u64));
        // The estimate falls short by at most two.
        while let (smaller, false) = remainder.minus(self.vertices()) {
            remainder = smaller;
        }
        remainder
    }

    /// The vertex of a message hash, given as canonical elements, if it lies in the layer of the target sum.
    pub(crate) fn codeword(&self, hash: &[u32; HASH_ELEMENTS]) -> Option<Vec<u8>> {
        let mut sum = U192::ZERO;
        for (element, weight) in hash.iter().zip(&self.weights) {
            sum = sum.plus(weight.times(u64::from(*element)));
        }
        let number = self.residue(sum);
        let (offset, below) = number.minus(self.before[self.target_layer]);
        let (_, within) = offset.minus(self.sizes[self.dimension][self.target_layer]);
        (!below && within).then(|| self.vertex(self.target_layer, offset))
    }

    /// The vertex with number `offset` in `layer`, coordinate by coordinate: each value of a coordinate owns a
    /// block of the numbers that are left, the largest value first.
    fn vertex(&self, layer: usize, mut offset: U192) -> Vec<u8> {
        let top = self.base - 1;
        let mut layer = layer;
        let mut vertex = Vec::with_capacity(self.dimension);
        for left in (self.narrow.len()..self.dimension).rev() {
            let sizes = &self.sizes[left];
            let mut lost = layer.saturating_sub(top * left);
            while let (smaller, false) = offset.minus(sizes[layer - lost]) {
                offset = smaller;
                lost += 1;
            }
            vertex.push((top - lost) as u8);
            layer -= lost;
        }
        // From here on the numbers are of 128 bits. Most coordinates are among the two largest, but which is as
        // good as random: taking the first block is arithmetic instead of a branch.
        let mut offset = u128::from(offset.0[1]) << 64 | u128::from(offset.0[0]);
        for left in (0..self.narrow.len().min(self.dimension)).rev() {
            let sizes = &self.narrow[left];
            let mut lost = layer.saturating_sub(top * left);
            let (smaller, within) = offset.overflowing_sub(sizes[layer - lost]);
            offset = if within { offset } else { smaller };
            lost += usize::from(!within);
            while lost <= layer {
                let (smaller, within) = offset.overflowing_sub(sizes[layer - lost]);
                if within {
                    break;
                }
                offset = smaller;
                lost += 1;
            }
            vertex.push((top - lost) as u8);
            layer -= lost;
        }
        vertex
    }

    /// The vertex with a given number, whatever its layer; the number as decimal digits. For test vectors.
    pub(crate) fn vertex_at(&self, number: &str) -> Option<(usize, Vec<u8>)> {
        let number = number.bytes().try_fold(U192::ZERO, |value, digit| {
            let digit = u64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?);
            Some(value.times(10).plus(U192([digit, 0, 0])))
        })?;
        let layer = (0..self.before.len() - 1).find(|d| number.minus(self.before[d + 1]).1)?;
        let (offset, _) = number.minus(self.before[layer]);
        Some((layer, self.vertex(layer, offset)))
    }
}
