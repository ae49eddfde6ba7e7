//! The SQL engine as cvm uses it: one dialect, one set of functions, for planning and for running.

mod csv_text;
mod day_arithmetic;
pub mod functions;
mod joins_by_size;
mod layout;
mod limits;
mod parts;
pub mod session;
mod short_windows;
pub mod types;

pub use csv_text::to_csv;
pub use layout::Layout;
pub use limits::{ValueLimits, text_of};
pub use parts::Parted;
pub use session::{Session, SessionOptions};
