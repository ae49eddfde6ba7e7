//! Where the frame of a window begins and ends.

use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};

pub(super) fn starts_with_partition(frame: &WindowFrame) -> bool {
    matches!(&frame.start_bound, WindowFrameBound::Preceding(rows) if rows.is_null())
}

pub(super) fn ends_with_partition(frame: &WindowFrame) -> bool {
    matches!(&frame.end_bound, WindowFrameBound::Following(rows) if rows.is_null())
}

pub(super) fn starts_with_row(frame: &WindowFrame) -> bool {
    frame.units == WindowFrameUnits::Rows && frame.start_bound == WindowFrameBound::CurrentRow
}

pub(super) fn ends_with_row(frame: &WindowFrame) -> bool {
    frame.units == WindowFrameUnits::Rows && frame.end_bound == WindowFrameBound::CurrentRow
}
