//! The models against published values, against themselves, and at the edges.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly and says what it skips"
)]

mod ahead;
mod bg_bb;
mod bg_nbd;
mod cdnow;
mod covariates;
mod coverage;
mod dropout;
mod edges;
mod experiment;
mod gamma_gamma;
mod ggompertz_nbd;
mod intervals;
mod mbg_nbd;
mod pareto_nbd;
mod properties;
mod retention;
mod segment;
mod simulated;
mod special;
mod threads;
mod validation;

/// Asserts |actual − expected| ≤ tolerance.
#[track_caller]
fn close(actual: f64, expected: f64, tolerance: f64) {
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected} ± {tolerance}"
    );
}
