//! What the user wrote: the YAML files of a project as typed values, with spans kept. Resolves nothing.

pub mod source;
pub mod types;

pub use types::SqlType;
