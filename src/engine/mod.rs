//! The SQL engine.

pub mod functions;
