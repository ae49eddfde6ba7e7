//! Gaps between days as bytes, readable from either end.

use super::MergeError;

/// The bit of every byte of a gap but the first.
pub(super) const NEXT: u8 = 0x80;

/// A number of days between two days, as bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    pub(super) length: u8,
    bytes: [u8; Self::LONGEST],
}

impl Gap {
    pub(super) const LONGEST: usize = 5;

    #[inline]
    pub(super) fn between(from: i32, to: i32) -> Self {
        let mut left = to.wrapping_sub(from).cast_unsigned();
        let mut gap = Self {
            length: 1,
            bytes: [0; Self::LONGEST],
        };
        gap.bytes[0] = (left & 0x7f) as u8;
        left >>= 7;
        while left > 0 {
            gap.bytes[usize::from(gap.length)] = (left & 0x7f) as u8 | NEXT;
            gap.length += 1;
            left >>= 7;
        }
        gap
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// The last gap, and where it starts.
#[inline]
pub(super) fn last_gap(gaps: &[u8]) -> Option<(usize, i32)> {
    let mut gap = 0_u32;
    for (start, byte) in gaps.iter().enumerate().rev() {
        gap = (gap << 7) | u32::from(byte & 0x7f);
        if *byte < NEXT {
            return Some((start, gap.cast_signed()));
        }
    }
    None
}

/// Appends the days from the latest to the earliest.
#[inline]
pub(super) fn days_back(latest: i32, gaps: &[u8], days: &mut Vec<i32>) {
    let (mut day, mut end) = (latest, gaps.len());
    days.push(day);
    while let Some((start, gap)) = last_gap(&gaps[..end]) {
        day = day.wrapping_sub(gap);
        days.push(day);
        end = start;
    }
}

/// Whether the bytes are gaps: the first begins one, and none is longer than a gap can be.
pub(super) fn check(gaps: &[u8]) -> Result<(), MergeError> {
    let mut length = Gap::LONGEST;
    for byte in gaps {
        length = if *byte < NEXT { 1 } else { length + 1 };
        if length > Gap::LONGEST {
            return Err(MergeError::Unreadable);
        }
    }
    Ok(())
}
