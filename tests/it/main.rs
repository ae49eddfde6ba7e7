//! The integration tests: one binary, because each one links the engine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may fail loudly"
)]

mod goldens;
mod pipelines;
mod publish;
mod runs;
mod support;
