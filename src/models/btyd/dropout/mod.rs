//! Purchases at a constant rate until an unseen time τ: what the models have in common whose τ has a density.
//!
//! While a customer, one buys by a Poisson process of rate λ; over customers λ ~ Gamma(r, rate α). One leaves at τ, which
//! is independent of λ, with survival S(τ) and density f(τ) over customers: the [`Dropout`]. Per customer, with
//! R = r + x, before the integral is solved:
//!
//! ```text
//! L = Γ(R)/Γ(r) · αʳ · { S(T) (α+T)^−R + ∫ f(τ) (α+τ)^−R dτ over τ from t_x to T }
//! ```
//!
//! The integral is taken by quadrature. Its closed forms are differences of hypergeometric functions, which cancel where
//! t_x is close to T and where the counts are large; its integrand is positive, and under it the derivatives are as
//! simple as the value.
//!
//! A customer who is alive at T is a new one of the same family: λ ~ Gamma(R, α+T), and a dropout that has aged by T.
//! So predictions are those of new customers.

mod derivatives;
mod likelihood;
mod predict;

pub(super) use derivatives::{Terms, evaluate};
pub(super) use predict::discounted_time;

use crate::quadrature::LOG_CHANGE;

/// How long customers stay, over customers: S(τ) with its density f(τ).
pub(super) trait Dropout: Copy + Send + Sync {
    /// The time over which S bends first: the distance from 0 to its nearest singularity below 0, or less.
    fn scale(&self) -> f64;

    /// That of the customers who stayed for `age`.
    fn aged(&self, age: f64) -> Self;

    /// ln S(τ).
    fn log_survival(&self, time: f64) -> f64;

    /// ln f(τ).
    fn log_density(&self, time: f64) -> f64;

    /// Of S and f, as [`crate::quadrature::Panels`] wants it.
    fn rate(&self, time: f64) -> f64;

    /// E min(τ, `time`) = ∫ S(u) du over u from 0 to `time`.
    fn time_within(&self, time: f64) -> f64;
}

/// Purchases until τ, with known parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nbd<D> {
    pub(super) r: f64,
    pub(super) alpha: f64,
    pub(super) dropout: D,
}

impl<D: Dropout> Nbd<D> {
    /// The offset of panels.
    fn offset(&self) -> f64 {
        self.alpha.min(self.dropout.scale())
    }

    /// The rate of panels of f(τ) (α+τ)^−`count`.
    fn rate(&self, count: f64, time: f64) -> f64 {
        count / (LOG_CHANGE * (self.alpha + time)) + self.dropout.rate(time)
    }
}
