//! Sums of survival over periods, of which there may be very many.

use super::RetentionModel;
use crate::btyd::exact;
use crate::quadrature::GAUSS_LEGENDRE;

/// Terms are summed one by one at least until here, where survival is smooth at the scale of a period …
const LEAST_TERMS: f64 = 256.0;
/// … and until a term is this close to the one before. The next term of Euler and Maclaurin is then 1e-10 of a term,
/// and the sum some two hundred terms.
const SMOOTH: f64 = 0.005;
/// A panel of the integral spans at most this much of the logarithm of the integrand.
const PANEL_DECAY: f64 = 1.0;
/// What is left of a sum no longer counts.
const NEGLIGIBLE: f64 = 1e-15;

/// Σ S(n+m)/S(n) e^(−λ(m−1)), m = 1, …, `horizon`, for age n and force of interest λ per period, both at least 0; where
/// there is no horizon, λ is above 0. Relative error below 1e-10.
///
/// Terms are summed until they change little from one to the next; what remains is Euler and Maclaurin's formula with
/// the integral by Gauss and Legendre (DLMF 2.10.1), so the effort grows with the logarithm of the horizon.
pub(super) fn renewals<M: RetentionModel + ?Sized>(
    model: &M,
    age: f64,
    horizon: Option<u64>,
    force: f64,
) -> f64 {
    let last = horizon.map_or(f64::INFINITY, exact);
    let log_term = |m: f64| -(model.cumulative_hazard(age, m) + force * (m - 1.0));
    let (mut sum, mut m, mut before) = (0.0, 1.0, 0.0);
    while m <= last {
        let log = log_term(m);
        let term = log.exp();
        sum += term;
        if rest(term, m, last, force) <= NEGLIGIBLE * sum {
            return sum;
        }
        if m >= LEAST_TERMS && (before - log).abs() < SMOOTH {
            return sum + beyond(log_term, m, last, force, sum);
        }
        before = log;
        m += 1.0;
    }
    sum
}

/// An upper bound of the terms after m, which fall at least as fast as they are discounted.
fn rest(term: f64, m: f64, last: f64, force: f64) -> f64 {
    if term == 0.0 {
        return 0.0;
    }
    term * (1.0 / force).min(last - m)
}

/// Σ g(m) over m = `from` + 1, …, `last` of g = e^`log_term`, which changes little from one to the next.
fn beyond(log_term: impl Fn(f64) -> f64, from: f64, last: f64, force: f64, sum: f64) -> f64 {
    let term = |m: f64| log_term(m).exp();
    // A central difference of width 2 is near enough for a correction of a twelfth of it.
    let slope = |m: f64| 0.5 * (term(m + 1.0) - term(m - 1.0));
    let mut integral = 0.0;
    let mut start = from;
    let mut width = 0.5 * from;
    let mut log = log_term(from);
    while start < last {
        width = width.min(last - start);
        let end_log = log_term(start + width);
        if log - end_log > PANEL_DECAY && width > 1.0 {
            width *= 0.5;
            continue;
        }
        for (node, weight) in GAUSS_LEGENDRE {
            integral += weight * width * term(start + width * node);
        }
        start += width;
        log = end_log;
        if start < last && rest(log.exp(), start, last, force) <= NEGLIGIBLE * (sum + integral) {
            // The far end counts no more either.
            return integral - 0.5 * term(from) - slope(from) / 12.0;
        }
        // Survival bends over times of the magnitude of the age.
        width = (2.0 * width).min(0.5 * start);
    }
    integral + 0.5 * (term(last) - term(from)) + (slope(last) - slope(from)) / 12.0
}
