//! Raw tables: objects in a store, read under the contract that a source file declares.
//!
//! ```text
//! listing ─▶ bytes ─▶ decompress ─▶ text ─▶ csv, ndjson ─▶ cell ─▶ rows ─▶ batches for SQL
//!    objects    ranges                 records           values   └▶ set_aside
//!            └▶ parquet, a row group at a time ─────────────────▶
//! ```
//!
//! What holds:
//!
//! - Rows read = rows kept + rows set aside. A row that does not fit is set aside once, for its first column that does
//!   not fit; nothing becomes null or is rounded in silence.
//! - Counts and rows set aside do not depend on what SQL asks for, how often it scans, or how many threads there are.
//! - No object is held whole in memory.
//! - What is wrong with an object as a whole (a column that is gone or of another type, a quote that is never closed, a gzip
//!   file cut off) is an error that names it: there is no telling how many rows it had.
//!
//! To add a format: a file with a `FormatEntry`, and a line in [`FORMATS`].

mod bytes;
mod cell;
mod csv;
mod decompress;
mod drift;
mod error;
mod format;
mod guard;
mod listing;
mod ndjson;
mod number;
mod parquet;
mod parquet_cast;
mod provider;
mod reading;
mod rows;
mod selection;
mod set_aside;
mod split;
mod table;
mod tally;
mod text;
mod time;

#[cfg(test)]
mod checksum_tests;
#[cfg(test)]
mod drift_tests;
#[cfg(test)]
mod parquet_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod shared_data_tests;
#[cfg(test)]
mod tests;

pub use error::SourceError;
pub use format::{FORMATS, FormatEntry};
pub use provider::RawTableProvider;
pub use reading::Reading;
pub use selection::Selection;
pub use set_aside::{
    CUT_MARK, RAW_TEXT_BYTES, SetAside, SetAsideBatches, schema as set_aside_schema,
};
pub use table::{FILE_COLUMN, LINE_COLUMN, Tolerance, check, schema};
pub use tally::{Counts, ObjectInfo, SourceTally};
