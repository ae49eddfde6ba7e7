//! The integration tests: one binary, because each one links the engine.

mod publish;
mod support;
