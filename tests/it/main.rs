//! The integration tests: one binary, because each one links the engine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod backfill;
mod cache;
mod checks;
mod goldens;
mod history;
mod pipelines;
mod publish;
mod runs;
mod sources;
mod support;
mod telling;
