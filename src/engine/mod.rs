//! To be filled.

pub mod types;
