//! The time until a customer leaves is Pareto (of the second kind): S(τ) = (β/(β+τ))ˢ.

use crate::btyd::dropout::{Dropout, Terms};
use crate::optimise::Sums;
use crate::quadrature::LOG_CHANGE;

/// An exponential time over customers whose rate is Gamma(s, rate β).
#[derive(Debug, Clone, Copy)]
pub(super) struct Pareto {
    pub(super) s: f64,
    pub(super) beta: f64,
}

impl Dropout for Pareto {
    fn scale(&self) -> f64 {
        self.beta
    }

    fn aged(&self, age: f64) -> Self {
        Self {
            s: self.s,
            beta: self.beta + age,
        }
    }

    fn log_survival(&self, time: f64) -> f64 {
        -self.s * (time / self.beta).ln_1p()
    }

    #[inline]
    fn log_density(&self, time: f64) -> f64 {
        (self.s / self.beta).ln() - (self.s + 1.0) * (time / self.beta).ln_1p()
    }

    fn rate(&self, time: f64) -> f64 {
        (self.s + 1.0) / (LOG_CHANGE * (self.beta + time))
    }

    /// β (1 − e^((1−s)ℓ)) / (s − 1) with ℓ = ln(1 + time/β), and β ℓ at s = 1; accurate on both sides of it.
    fn time_within(&self, time: f64) -> f64 {
        let growth = (time / self.beta).ln_1p();
        let exponent = (self.s - 1.0) * growth;
        if exponent == 0.0 {
            return self.beta * growth;
        }
        // The bound holds exactly.
        (self.beta * growth * (-(-exponent).exp_m1() / exponent)).min(time)
    }
}

/// In the parameters r, α, s, β.
impl Terms<4> for Pareto {
    fn survival(&self, time: f64) -> Sums<4> {
        let Pareto { s, beta } = *self;
        let log = (time / beta).ln_1p();
        let inverse = 1.0 / (beta + time);
        // 1/β − 1/(β+τ).
        let lost = time / beta * inverse;
        let mut sums = Sums::ZERO;
        sums.value = -s * log;
        sums.gradient[2] = -log;
        sums.gradient[3] = s * lost;
        sums.hessian[2][3] = lost;
        sums.hessian[3][3] = -s * lost * (1.0 / beta + inverse);
        sums
    }

    #[inline]
    fn density(&self, time: f64) -> Sums<4> {
        let Pareto { s, beta } = *self;
        let log = (time / beta).ln_1p();
        let inverse = 1.0 / (beta + time);
        let lost = time / beta * inverse;
        let mut sums = Sums::ZERO;
        sums.value = (s / beta).ln() - (s + 1.0) * log;
        sums.gradient[2] = 1.0 / s - log;
        sums.gradient[3] = (s + 1.0) * lost - 1.0 / beta;
        sums.hessian[2][2] = -1.0 / (s * s);
        sums.hessian[2][3] = lost;
        sums.hessian[3][3] = 1.0 / (beta * beta) - (s + 1.0) * lost * (1.0 / beta + inverse);
        sums
    }
}
