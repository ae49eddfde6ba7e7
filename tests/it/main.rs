//! The integration tests: one binary, because each one links the engine.

mod pipelines;
mod publish;
mod support;
