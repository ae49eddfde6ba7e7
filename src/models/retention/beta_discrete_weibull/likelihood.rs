//! The log-likelihood with its first and second derivatives.
//!
//! With S(t) = B(γ, δ+t^c) / B(γ, δ) and h = ln S(t−1) − ln S(t), who leaves in period t counts
//!
//! ```text
//! ln P(T = t) = ln S(t−1) + ln(1 − e^(−h))
//! ```
//!
//! and who is still there after t renewals ln S(t). h is a second difference of lnΓ taken whole, not a difference of two
//! logarithms of survival, so that it is exact where few leave.

use crate::btyd::exact;
use crate::chunks::ordered_fold;
use crate::optimise::{Evaluation, Sums};
use crate::retention::log_survival::{Fall, fall_with_derivatives};
use crate::retention::tenures::Period;

/// Value, gradient and Hessian at (γ, δ, c).
pub(super) fn evaluate(periods: &[Period], parameters: [f64; 3]) -> Evaluation {
    ordered_fold(
        periods.len(),
        Sums::<3>::ZERO,
        |chunk| {
            let mut total = Sums::ZERO;
            for i in chunk {
                let Period { left, still, .. } = periods[i];
                let before = exact(i as u64);
                if still > 0.0 {
                    let fall = fall_with_derivatives(parameters, 0.0, before + 1.0);
                    add(&mut total, -still, &fall);
                }
                if left > 0.0 {
                    add(
                        &mut total,
                        -left,
                        &fall_with_derivatives(parameters, 0.0, before),
                    );
                    add_leaving(
                        &mut total,
                        left,
                        &fall_with_derivatives(parameters, before, 1.0),
                    );
                }
            }
            total
        },
        plus,
    )
    .into()
}

/// Adds `weight` times the fall.
fn add(total: &mut Sums<3>, weight: f64, fall: &Fall) {
    total.value += weight * fall.value;
    for (sum, term) in total.gradient.iter_mut().zip(fall.gradient) {
        *sum += weight * term;
    }
    for (n, [i, j]) in TRIANGLE.into_iter().enumerate() {
        total.hessian[i][j] += weight * fall.hessian[n];
    }
}

/// Adds `weight` times ln(1 − e^(−h)), whose derivatives in h are q = 1/(eʰ − 1) and −q (1 + q).
fn add_leaving(total: &mut Sums<3>, weight: f64, fall: &Fall) {
    let h = fall.value;
    let left = -(-h).exp_m1();
    let q = 1.0 / h.exp_m1();
    total.value += weight * left.ln();
    for (sum, term) in total.gradient.iter_mut().zip(fall.gradient) {
        *sum += weight * q * term;
    }
    for (n, [i, j]) in TRIANGLE.into_iter().enumerate() {
        let product = (1.0 + q) * fall.gradient[i] * fall.gradient[j];
        total.hessian[i][j] += weight * q * (fall.hessian[n] - product);
    }
}

/// Rows and columns of the upper triangle in the order of [`Fall::hessian`].
const TRIANGLE: [[usize; 2]; 6] = [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]];

fn plus(a: Sums<3>, b: Sums<3>) -> Sums<3> {
    Sums {
        value: a.value + b.value,
        gradient: std::array::from_fn(|i| a.gradient[i] + b.gradient[i]),
        hessian: std::array::from_fn(|i| {
            std::array::from_fn(|j| a.hessian[i][j] + b.hessian[i][j])
        }),
    }
}
