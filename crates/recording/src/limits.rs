//! How large a recording may get.

/// The fewest bytes that a recording may be limited to: some keyframes and what comes between.
pub const MIN_LIMIT: u64 = 16 << 20;
/// A ring has at least so many segments, so that little is lost when one is deleted.
const SEGMENTS: u64 = 16;
/// Longest segment: what is read at once to begin in the middle.
const MAX_SEGMENT: u64 = 16 << 20;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all files together; no less than [`MIN_LIMIT`] counts.
    pub total: u64,
    /// From so many bytes on a segment ends with the next keyframe.
    pub(crate) segment: u64,
    /// With so many bytes it ends.
    pub(crate) longest_segment: u64,
}

impl Limits {
    /// So many bytes in all, at least [`MIN_LIMIT`].
    pub fn of(total: u64) -> Self {
        Self::with_segments(total.max(MIN_LIMIT), MAX_SEGMENT)
    }

    /// So many bytes in all, in shorter segments than usual: for tests.
    pub fn with_segments(total: u64, longest: u64) -> Self {
        let segment = longest.min(total / SEGMENTS);
        Self {
            total,
            segment,
            longest_segment: total / 4,
        }
    }
}
