//! The time until a customer leaves is gamma-Gompertz: S(τ) = (β/(β + e^(bτ) − 1))ˢ.

use crate::btyd::dropout::{Dropout, Terms, discounted_time};
use crate::optimise::Sums;
use crate::quadrature::LOG_CHANGE;

/// A Gompertz time of growth b over customers whose frailty is Gamma(s, rate β).
#[derive(Debug, Clone, Copy)]
pub(super) struct GammaGompertz {
    pub(super) b: f64,
    pub(super) s: f64,
    pub(super) beta: f64,
}

/// Functions of bτ at one τ, each accurate for any β and at both ends of bτ.
struct Growth {
    /// ln((β + e^(bτ) − 1)/β).
    log: f64,
    /// e^(−bτ).
    decay: f64,
    /// p = e^(bτ)/(β + e^(bτ) − 1): the rate of leaving over s b.
    share: f64,
    /// (1 − e^(−bτ)) p/β: 1/β − 1/(β + e^(bτ) − 1).
    lost: f64,
}

impl GammaGompertz {
    #[inline]
    fn at(&self, time: f64) -> Growth {
        /// e^(bτ) is finite up to here and beyond.
        const FAR: f64 = 600.0;
        let exponent = self.b * time;
        let growth = exponent.exp_m1();
        let scaled = growth / self.beta;
        let (log, decay, passed) = if exponent < FAR && scaled.is_finite() {
            let decay = 1.0 / (1.0 + growth);
            (scaled.ln_1p(), decay, growth * decay)
        } else {
            let (decay, passed) = ((-exponent).exp(), -(-exponent).exp_m1());
            let log = exponent + (self.beta * decay + passed).ln() - self.beta.ln();
            (log, decay, passed)
        };
        let share = 1.0 / (self.beta * decay + passed);
        Growth {
            log,
            decay,
            share,
            lost: passed * share / self.beta,
        }
    }

    /// Derivatives of −`count` ln((β + e^(bτ) − 1)/β).
    #[inline]
    fn power(&self, count: f64, time: f64, growth: &Growth) -> Sums<5> {
        let Growth {
            log,
            decay,
            share,
            lost,
        } = *growth;
        let beta = self.beta;
        let mut sums = Sums::ZERO;
        sums.value = -count * log;
        sums.gradient[2] = -count * time * share;
        sums.gradient[3] = -log;
        sums.gradient[4] = count * lost;
        // p(1 − p) without a difference.
        let curve = share * share * (beta - 1.0) * decay;
        sums.hessian[2][2] = -count * time * time * curve;
        sums.hessian[2][3] = -time * share;
        sums.hessian[2][4] = count * time * share * share * decay;
        sums.hessian[3][4] = lost;
        sums.hessian[4][4] = -count * lost * (1.0 / beta + share * decay);
        sums
    }
}

impl Dropout for GammaGompertz {
    /// For β < 1 the singularity lies at ln(1−β)/b.
    fn scale(&self) -> f64 {
        let nearest = if self.beta < 1.0 {
            -(-self.beta).ln_1p()
        } else {
            1.0
        };
        nearest.min(1.0) / self.b
    }

    /// β becomes 1 + (β − 1) e^(−b age).
    fn aged(&self, age: f64) -> Self {
        let exponent = -self.b * age;
        Self {
            beta: self.beta * exponent.exp() - exponent.exp_m1(),
            ..*self
        }
    }

    fn log_survival(&self, time: f64) -> f64 {
        -self.s * self.at(time).log
    }

    #[inline]
    fn log_density(&self, time: f64) -> f64 {
        let Growth { log, share, .. } = self.at(time);
        (self.s * self.b * share).ln() - self.s * log
    }

    /// Singularities lie π/b or more off the axis, and matter as long as 1 + (β−1) e^(−bτ) differs from 1.
    fn rate(&self, time: f64) -> f64 {
        /// 1.3 times π.
        const LONGEST: f64 = 4.0;
        const NONE: f64 = 1e-18;
        let Growth { decay, share, .. } = self.at(time);
        // 1 − p − s p, where 1 − p = (β − 1) e^(−bτ) p.
        let rest = (self.beta - 1.0) * decay;
        let slope = self.b * share * (rest - self.s).abs() / LOG_CHANGE;
        if rest.abs() > NONE {
            slope.max(self.b / LONGEST)
        } else {
            slope
        }
    }

    fn time_within(&self, time: f64) -> f64 {
        // The bound holds exactly.
        discounted_time(self, 0.0, time).min(time)
    }
}

/// In the parameters r, α, b, s, β.
impl Terms<5> for GammaGompertz {
    fn survival(&self, time: f64) -> Sums<5> {
        self.power(self.s, time, &self.at(time))
    }

    #[inline]
    fn density(&self, time: f64) -> Sums<5> {
        let GammaGompertz { b, s, beta } = *self;
        let growth = self.at(time);
        let mut sums = self.power(s + 1.0, time, &growth);
        // As s b p S(τ), and 1 − p = (β − 1) e^(−bτ) p: for large bτ the sums cancel.
        sums.value = (s * b * growth.share).ln() - s * growth.log;
        sums.gradient[2] = 1.0 / b + time * growth.share * ((beta - 1.0) * growth.decay - s);
        sums.gradient[3] += 1.0 / s;
        sums.gradient[4] -= 1.0 / beta;
        sums.hessian[2][2] -= 1.0 / (b * b);
        sums.hessian[3][3] -= 1.0 / (s * s);
        sums.hessian[4][4] += 1.0 / (beta * beta);
        sums
    }
}
