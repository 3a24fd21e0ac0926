//! How both back-ends of x86-64 multiply: the even and the odd lanes apart, as products of 64 bits.

use crate::{
    field::{MU, P},
    lanes::{Lanes, Task, Vector, Words},
};

/// What the instruction sets have besides [`Vector`].
pub(crate) trait Products: Vector {
    type Words: Words;
    type Narrow: Lanes;
    type Single: Lanes;

    /// The unsigned products of the low halves of the 64-bit lanes.
    fn multiply_unsigned(self, rhs: Self) -> Self;
    /// The signed ones. Written as an instruction because the compiler knows the intrinsic as arithmetic, and turns
    /// products with a constant into longer sequences.
    fn multiply_signed(self, rhs: Self) -> Self;
    /// Subtracts 64-bit lanes.
    fn wrapping_sub_wide(self, rhs: Self) -> Self;
    /// The high halves of the 64-bit lanes in the place of the low ones.
    fn high_as_low(self) -> Self;
    /// High halves of the even products, `self`, next to those of the odd ones.
    fn high_halves(self, odd: Self) -> Self;
    /// In every lane the sum of two products of 16 signed bits.
    fn sum_of_products(self, rhs: Self) -> Self;
    /// In every half of a lane the sum of two products of 8 bits, those of `rhs` signed.
    fn sum_of_byte_products(self, rhs: Self) -> Self;
    /// Runs the task in a function that is compiled for the instruction set.
    fn out_of_line<T: Task>(task: T) -> T::Output;
}

/// Subtracts q·p, which clears the low half of each signed product; what is left is in the high half.
#[inline(always)]
fn reduce_signed<V: Products>(product: V) -> V {
    let q = product.multiply_signed(V::splat(MU));
    product.wrapping_sub_wide(q.multiply_signed(V::splat(P)))
}

impl<V: Products> Lanes for V {
    type Words = <V as Products>::Words;
    type Narrow = <V as Products>::Narrow;
    type Single = <V as Products>::Single;

    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        let even = self.multiply_unsigned(rhs);
        let odd = self.high_as_low().multiply_unsigned(rhs.high_as_low());
        let (mu, p) = (V::splat(MU), V::splat(P));
        let (q_even, q_odd) = (even.multiply_unsigned(mu), odd.multiply_unsigned(mu));
        let (qp_even, qp_odd) = (q_even.multiply_unsigned(p), q_odd.multiply_unsigned(p));
        even.high_halves(odd)
            .wrapping_sub(qp_even.high_halves(qp_odd))
            .add_p_if_negative()
    }

    #[inline(always)]
    fn cube(self) -> Self {
        // All values are signed, between −p and p, until the last line.
        let (even, odd) = (self, self.high_as_low());
        let square_even = reduce_signed(even.multiply_signed(even)).high_as_low();
        let square_odd = reduce_signed(odd.multiply_signed(odd)).high_as_low();
        let cube_even = reduce_signed(square_even.multiply_signed(even));
        let cube_odd = reduce_signed(square_odd.multiply_signed(odd));
        cube_even.high_halves(cube_odd).add_p_if_negative()
    }

    #[inline(always)]
    fn shifted<const N: u32>(self) -> Self {
        // As everywhere, but that multiplying bytes or halves of a lane by 127 takes one instruction where they
        // are few bits.
        let difference = if N == 16 {
            // The low half counts as signed, so the high one is rounded.
            let low_127 = self.sum_of_products(V::splat(127 << 8));
            let rounded = self.wrapping_add(V::splat(1 << 15));
            rounded.shift_right(16).wrapping_sub(low_127)
        } else if N < 16 {
            let low_127 = if N == 8 {
                self.sum_of_byte_products(V::splat(127))
            } else {
                self.and(V::splat((1 << N) - 1))
                    .sum_of_products(V::splat(127))
            };
            self.shift_right(N).wrapping_sub(low_127.shift_left(24 - N))
        } else {
            let low = self.shift_left(32 - N);
            self.shift_right(N)
                .wrapping_add(low.shift_right(8))
                .wrapping_sub(low.shift_right(1))
        };
        difference.add_p_if_negative()
    }

    #[inline(always)]
    fn out_of_line<T: Task>(task: T) -> T::Output {
        <V as Products>::out_of_line(task)
    }
}
