//! Between memory and lanes: transposing digests, through scratch rows.

use super::{Lanes, MAX_WIDTH};

/// A scratch row: one number for each lane.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Row(pub(crate) [u32; MAX_WIDTH]);

impl Row {
    pub(crate) const ZERO: Self = Self([0; MAX_WIDTH]);
}

/// Transposes one digest per lane into one vector per element.
#[inline(always)]
pub(crate) fn gather<'a, L: Lanes, const N: usize>(
    of_lane: impl Fn(usize) -> &'a [u32; N],
) -> [L; N] {
    let mut rows = [Row::ZERO; N];
    for lane in 0..L::WIDTH {
        let source = of_lane(lane);
        for (row, value) in rows.iter_mut().zip(source) {
            row.0[lane] = *value;
        }
    }
    load_rows(&rows)
}

/// Loads scratch rows as vectors.
#[inline(always)]
pub(crate) fn load_rows<L: Lanes, const N: usize>(rows: &[Row; N]) -> [L; N] {
    let mut lanes = [L::splat(0); N];
    for (lanes, row) in lanes.iter_mut().zip(rows) {
        *lanes = L::load(&row.0);
    }
    lanes
}

/// Stores vectors as scratch rows.
#[inline(always)]
pub(crate) fn store_rows<L: Lanes, const N: usize>(lanes: &[L; N]) -> [Row; N] {
    let mut rows = [Row::ZERO; N];
    for (lanes, row) in lanes.iter().zip(&mut rows) {
        lanes.store(&mut row.0);
    }
    rows
}

/// The same element in every lane.
#[inline(always)]
pub(crate) fn broadcast<L: Lanes, const N: usize>(elements: &[u32; N]) -> [L; N] {
    let mut lanes = [L::splat(0); N];
    for (lanes, element) in lanes.iter_mut().zip(elements) {
        *lanes = L::splat(*element);
    }
    lanes
}

/// Writes each lane's digest back, undoing [`gather`].
#[inline(always)]
pub(crate) fn scatter<L: Lanes, const N: usize>(
    lanes: &[L; N],
    mut write: impl FnMut(usize, [u32; N]),
) {
    let rows = store_rows(lanes);
    for lane in 0..L::WIDTH {
        let mut digest = [0; N];
        for (element, row) in digest.iter_mut().zip(&rows) {
            *element = row.0[lane];
        }
        write(lane, digest);
    }
}

/// Brings many elements into Montgomery form.
#[inline(always)]
pub(crate) fn all_to_montgomery<L: Lanes>(elements: &mut [u32]) {
    let mut chunks = elements.chunks_exact_mut(L::WIDTH);
    for chunk in &mut chunks {
        L::load(chunk).to_montgomery().store(chunk);
    }
    for element in chunks.into_remainder() {
        *element = crate::field::to_montgomery(*element);
    }
}
