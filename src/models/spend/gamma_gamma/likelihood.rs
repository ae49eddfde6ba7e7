//! The log-likelihood with its first and second derivatives.
//!
//! Per customer with x purchases of mean m (Fader & Hardie 2013, equation 1a):
//!
//! ```text
//! ln L = lnΓ(px+q) − lnΓ(px) − lnΓ(q) + q ln v + (px−1) ln m + px ln x − (px+q) ln(v + xm)
//! ```
//!
//! Only ln(v + xm) needs a pass over the customers, of one logarithm each; the gamma functions are taken once for each
//! distinct x.

use super::GammaGamma;
use crate::chunks::ordered_fold;
use crate::optimise::{Evaluation, Sums as Derivatives};
use crate::special::{digamma, ln_gamma, trigamma};
use crate::spend::{Row, Spender, Table};

/// The log-likelihood of one customer.
pub(super) fn of_spender(model: &GammaGamma, spender: &Spender) -> f64 {
    let GammaGamma { p, q, v } = *model;
    let (x, m) = (spender.count(), spender.mean_spend());
    let shape = p * x;
    let gammas = ln_gamma(shape + q) - ln_gamma(shape) - ln_gamma(q);
    gammas + q * v.ln() + (shape - 1.0) * m.ln() + shape * x.ln() - (shape + q) * (v + x * m).ln()
}

/// Sums over customers, n a row, with y = v + xm: n ln y, n x ln y, n/y, n x/y, n/y², n x/y².
type Sums = [f64; 6];

fn sums(table: &Table, v: f64) -> Sums {
    ordered_fold(
        table.rows.len(),
        [0.0; 6],
        |chunk| {
            let mut sums = [0.0; 6];
            for &Row {
                spend,
                count,
                customers: n,
            } in &table.rows[chunk]
            {
                let x = table.counts[count as usize].purchases;
                let y = v + spend;
                let (log, inverse) = (n * y.ln(), n / y);
                let square = inverse / y;
                sums[0] += log;
                sums[1] += x * log;
                sums[2] += inverse;
                sums[3] += x * inverse;
                sums[4] += square;
                sums[5] += x * square;
            }
            sums
        },
        |a, b| std::array::from_fn(|i| a[i] + b[i]),
    )
}

/// Value, gradient and Hessian at (p, q, v).
pub(super) fn evaluate(table: &Table, &[p, q, v]: &[f64; 3]) -> Evaluation {
    let [log, x_log, inverse, x_inverse, square, x_square] = sums(table, v);
    let mut total = Derivatives::<3>::ZERO;
    total.value = -(p * x_log + q * log);
    total.gradient = [-x_log, -log, -(p * x_inverse + q * inverse)];
    total.hessian[0][2] = -x_inverse;
    total.hessian[1][2] = -inverse;
    total.hessian[2][2] = p * x_square + q * square;

    let (log_v, at_q) = (v.ln(), [ln_gamma(q), digamma(q), trigamma(q)]);
    for same in &table.counts {
        let (x, n, sum_log_spend) = (same.purchases, same.customers, same.sum_log_spend);
        let (shape, log_x) = (p * x, x.ln());
        let sum = shape + q;
        total.value += n * (ln_gamma(sum) - ln_gamma(shape) - at_q[0] + q * log_v + shape * log_x);
        total.value += (shape - 1.0) * sum_log_spend;
        let at_sum = digamma(sum);
        total.gradient[0] += x * (n * (at_sum - digamma(shape) + log_x) + sum_log_spend);
        total.gradient[1] += n * (at_sum - at_q[1] + log_v);
        total.gradient[2] += n * q / v;
        let at_sum = trigamma(sum);
        total.hessian[0][0] += n * x * x * (at_sum - trigamma(shape));
        total.hessian[0][1] += n * x * at_sum;
        total.hessian[1][1] += n * (at_sum - at_q[2]);
        total.hessian[1][2] += n / v;
        total.hessian[2][2] -= n * q / (v * v);
    }
    total.into()
}
