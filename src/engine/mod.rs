//! The SQL engine as cvm uses it: one dialect, one set of functions, for planning and for running.

mod csv_text;
pub mod functions;
mod merge_joins;
pub mod session;
pub mod types;

pub use csv_text::to_csv;
pub use session::{Session, SessionOptions};
