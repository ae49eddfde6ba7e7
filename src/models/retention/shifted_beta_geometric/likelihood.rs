//! The log-likelihood with its first and second derivatives.
//!
//! The rate at which period t is survived is (β+t−1) / (α+β+t−1) (Fader & Hardie 2007), so that with the
//! customers R who renew at t and the L who leave
//!
//! ```text
//! ln L = Σₜ R ln(b/s) + L ln(α/s),   b = β+t−1,  s = α+b
//! ```
//!
//! which equals the paper's sum over customers and needs no beta function, whose logarithms cancel where α
//! and β are large.

use crate::chunks::ordered_fold;
use crate::optimise::{Evaluation, Sums};
use crate::retention::tenures::Period;

/// Value, gradient and Hessian at (α, β).
pub(super) fn evaluate(periods: &[Period], [alpha, beta]: [f64; 2]) -> Evaluation {
    ordered_fold(
        periods.len(),
        Sums::<2>::ZERO,
        |chunk| {
            let mut total = Sums::ZERO;
            for i in chunk {
                add(
                    &mut total,
                    alpha,
                    beta + crate::btyd::exact(i as u64),
                    &periods[i],
                );
            }
            total
        },
        plus,
    )
    .into()
}

fn add(total: &mut Sums<2>, alpha: f64, b: f64, period: &Period) {
    let Period { renewed, left, .. } = *period;
    let s = alpha + b;
    // Of the smaller part by its complement, which does not round to 1.
    let log_stay = if alpha < b {
        -(alpha / b).ln_1p()
    } else {
        (b / s).ln()
    };
    let log_leave = if b < alpha {
        -(b / alpha).ln_1p()
    } else {
        (alpha / s).ln()
    };
    total.value += renewed * log_stay + left * log_leave;
    // L/α − (R+L)/s and R/b − (R+L)/s over a common denominator.
    let excess = left * b - renewed * alpha;
    total.gradient[0] += excess / (alpha * s);
    total.gradient[1] -= excess / (b * s);
    let both = (renewed + left) / (s * s);
    total.hessian[0][0] += both - left / (alpha * alpha);
    total.hessian[0][1] += both;
    total.hessian[1][1] += both - renewed / (b * b);
}

fn plus(a: Sums<2>, b: Sums<2>) -> Sums<2> {
    Sums {
        value: a.value + b.value,
        gradient: std::array::from_fn(|i| a.gradient[i] + b.gradient[i]),
        hessian: std::array::from_fn(|i| {
            std::array::from_fn(|j| a.hessian[i][j] + b.hessian[i][j])
        }),
    }
}
