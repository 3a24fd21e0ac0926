//! Bits as the lengths of their runs, for lists that are long and even.

use ssz::{Decode, DecodeError, Encode};
use typenum::Unsigned;

use crate::Bitlist;

/// First byte of the encoded form: what the others are.
const RUNS: u8 = 0;
const PLAIN: u8 = 1;
/// In each byte of a run's length, the bits that count; the remaining bit says that more bytes follow.
const VARINT_BITS: u32 = 7;
const VARINT_MORE: u8 = 1 << VARINT_BITS;

/// A bit list for storing: the lengths of its runs where that is shorter than the bits, as it is when most of the bits
/// that are next to each other are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedBits<N: Unsigned>(Form<N>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form<N: Unsigned> {
    /// Lengths of the runs, beginning with the zero bits. No other than the first is empty.
    Runs(Vec<usize>),
    Plain(Bitlist<N>),
}

impl<N: Unsigned> PackedBits<N> {
    /// The bits themselves.
    pub fn unpack(self) -> Bitlist<N> {
        match self.0 {
            Form::Plain(bits) => bits,
            Form::Runs(runs) => {
                let mut bits = Bitlist::new();
                for (number, run) in runs.into_iter().enumerate() {
                    let value = number % 2 == 1;
                    // Together they are no longer than the list that was packed, or as was checked when they were read.
                    let _ = bits.extend(run, value);
                }
                bits
            }
        }
    }
}

impl<N: Unsigned> From<&Bitlist<N>> for PackedBits<N> {
    fn from(bits: &Bitlist<N>) -> Self {
        let mut runs = Vec::new();
        let (mut value, mut run) = (false, 0);
        let plain = bits.ssz_bytes_len();
        for bit in bits.iter() {
            if bit != value {
                runs.push(run);
                (value, run) = (bit, 0);
                if runs.len() > plain {
                    return Self(Form::Plain(bits.clone()));
                }
            }
            run += 1;
        }
        if run > 0 {
            runs.push(run);
        }
        if encoded_len(&runs) > plain {
            return Self(Form::Plain(bits.clone()));
        }
        Self(Form::Runs(runs))
    }
}

fn encoded_len(runs: &[usize]) -> usize {
    let bytes = |run: &usize| run.checked_ilog2().unwrap_or(0) / VARINT_BITS + 1;
    runs.iter().map(|run| bytes(run) as usize).sum()
}

impl<N: Unsigned> Encode for PackedBits<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        1 + match &self.0 {
            Form::Runs(runs) => encoded_len(runs),
            Form::Plain(bits) => bits.ssz_bytes_len(),
        }
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        match &self.0 {
            Form::Plain(bits) => {
                buf.push(PLAIN);
                bits.ssz_append(buf);
            }
            Form::Runs(runs) => {
                buf.push(RUNS);
                for run in runs {
                    let mut left = *run;
                    while left >= usize::from(VARINT_MORE) {
                        buf.push(left as u8 | VARINT_MORE);
                        left >>= VARINT_BITS;
                    }
                    buf.push(left as u8);
                }
            }
        }
    }
}

impl<N: Unsigned> Decode for PackedBits<N> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    /// Allocates in proportion to `bytes`, whatever they say.
    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&PLAIN, bits)) => Bitlist::from_ssz_bytes(bits).map(Form::Plain),
            Some((&RUNS, runs)) => read_runs(runs, N::USIZE).map(Form::Runs),
            _ => Err(invalid("they do not begin with a known form")),
        }
        .map(Self)
    }
}

fn invalid(why: &str) -> DecodeError {
    DecodeError::BytesInvalid(format!("packed bits: {why}"))
}

/// Reads runs that are `limit` bits long together, or less.
fn read_runs(bytes: &[u8], limit: usize) -> Result<Vec<usize>, DecodeError> {
    let (mut runs, mut left) = (Vec::new(), limit);
    let (mut run, mut shift) = (0usize, 0);
    for byte in bytes {
        let part = usize::from(byte & !VARINT_MORE);
        // Nothing is shifted out: the part before was within the limit, and so is this one or it is refused.
        if shift >= usize::BITS - VARINT_BITS || part > left >> shift {
            return Err(invalid("more bits than the limit"));
        }
        run |= part << shift;
        shift += VARINT_BITS;
        if byte & VARINT_MORE != 0 {
            continue;
        }
        if part == 0 && (shift > VARINT_BITS || !runs.is_empty()) {
            return Err(invalid(
                "an empty run, or a length with a zero byte too many",
            ));
        }
        left = left
            .checked_sub(run)
            .ok_or_else(|| invalid("more bits than the limit"))?;
        runs.push(run);
        (run, shift) = (0, 0);
    }
    match shift {
        0 => Ok(runs),
        _ => Err(invalid("they end in the middle of a length")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use typenum::{U1024, U262144};

    use super::*;

    type Bits = Bitlist<U262144>;

    fn round_trip(bits: &Bits) -> usize {
        let packed = PackedBits::from(bits);
        let bytes = packed.as_ssz_bytes();
        assert_eq!(bytes.len(), packed.ssz_bytes_len());
        let decoded = PackedBits::from_ssz_bytes(&bytes).unwrap();
        assert_eq!(decoded, packed);
        assert_eq!(&decoded.unpack(), bits);
        bytes.len()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn packed_bits_are_the_bits_and_never_much_longer(
            runs in prop::collection::vec((prop_oneof![1usize..4, 100usize..20_000], any::<bool>()), 0..20),
            noise in prop::collection::vec(any::<bool>(), 0..2_000),
        ) {
            let even = runs.iter().flat_map(|(run, bit)| std::iter::repeat_n(*bit, *run));
            let bits = Bits::try_from_iter(even.chain(noise).take(262_144)).unwrap();
            prop_assert!(round_trip(&bits) <= bits.ssz_bytes_len() + 1);
        }

        #[test]
        fn whatever_is_read_is_written_again_and_within_the_limit(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..4], 0..12),
        ) {
            if let Ok(packed) = PackedBits::<U1024>::from_ssz_bytes(&bytes) {
                prop_assert_eq!(packed.as_ssz_bytes(), bytes);
                prop_assert_eq!(&PackedBits::from_ssz_bytes(&packed.as_ssz_bytes()).unwrap(), &packed);
                prop_assert!(packed.unpack().len() <= 1024);
            }
        }
    }

    #[test]
    fn even_lists_take_a_few_bytes_however_long_they_are() {
        let mut bits = Bits::new();
        assert_eq!(round_trip(&bits), 1);
        bits.extend(100_000, true).unwrap();
        assert_eq!(round_trip(&bits), 5);
        bits.extend(162_144, false).unwrap();
        assert_eq!(round_trip(&bits), 8);
    }

    #[test]
    fn runs_beyond_the_limit_are_refused() {
        let read = |bytes: &[u8]| PackedBits::<U1024>::from_ssz_bytes(bytes);
        assert!(read(&[RUNS, 0x80, 0x08]).is_ok());
        assert!(read(&[RUNS, 0x81, 0x08]).is_err());
        assert!(read(&[RUNS, 0x80, 0x08, 1]).is_err());
        assert!(
            read(&[
                RUNS, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f
            ])
            .is_err()
        );
        assert!(read(&[RUNS, 5, 0, 5]).is_err());
        assert!(read(&[RUNS, 0x85, 0]).is_err());
        assert!(read(&[RUNS, 0x85]).is_err());
        assert!(read(&[2]).is_err() && read(&[]).is_err());
    }
}
