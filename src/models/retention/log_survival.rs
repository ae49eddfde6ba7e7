//! How survival falls between two ages, for a discrete Weibull lifetime whose parameter is beta-distributed.
//!
//! With θ ~ Beta(γ, δ) and S(t | θ) = (1 − θ)^u, u = t^c, survival is S(t) = B(γ, δ+u) / B(γ, δ), and between ages u and
//! u + w it falls by the factor e^(−D) with
//!
//! ```text
//! D = lnΓ(x+γ+w) − lnΓ(x+γ) − lnΓ(x+w) + lnΓ(x),   x = δ + u
//! ```
//!
//! a second difference of lnΓ: four large terms that nearly cancel where x is large beside γ w, and where the hazard of
//! interest is as small as γ w / x. [`fall`] takes the differences of Stirling's series term by term, in which each is
//! of the magnitude of the result.

use crate::special::{digamma, ln_gamma, trigamma};

/// Arguments at least this large are served by Stirling's series with the terms below.
const STIRLING_FROM: f64 = 12.0;
/// Coefficients of x⁻³, x⁻⁵, … in Stirling's series of lnΓ (DLMF 5.11.1); that of x⁻¹ is 1/12.
const STIRLING: [f64; 6] = [
    -1.0 / 360.0,
    1.0 / 1260.0,
    -1.0 / 1680.0,
    1.0 / 1188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
];

/// D ≥ 0 of the module's documentation for x, γ > 0 and w ≥ 0, to a few units of the last place; +∞ for w = ∞.
pub(super) fn fall(x: f64, gamma: f64, w: f64) -> f64 {
    if w == 0.0 {
        return 0.0;
    }
    if !w.is_finite() {
        return f64::INFINITY;
    }
    // lnΓ(x) = lnΓ(x+1) − ln x; every step adds a positive term.
    let (mut shifted, mut steps) = (x, 0.0);
    while shifted < STIRLING_FROM {
        steps -= log_cross(shifted, gamma, w);
        shifted += 1.0;
    }
    let x = shifted;
    let (with_gamma, with_w, with_both) = (x + gamma, x + w, x + gamma + w);
    let main = (x - 0.5) * log_cross(x, gamma, w)
        + gamma * (w / with_gamma).ln_1p()
        + w * (gamma / with_w).ln_1p();
    // 1/x has its second difference in closed form, those of higher powers are small beside it.
    let first = (gamma / with_gamma) * (w / with_w) * (1.0 + x / with_both) / (12.0 * x);
    let higher = stirling(with_both) - stirling(with_gamma) - stirling(with_w) + stirling(x);
    (steps + main + first + higher).max(0.0)
}

/// ln [(x+γ+w) x / ((x+γ)(x+w))] ≤ 0.
fn log_cross(x: f64, gamma: f64, w: f64) -> f64 {
    let lost = (gamma / (x + gamma)) * (w / (x + w));
    if lost < 0.5 {
        (-lost).ln_1p()
    } else {
        // 1 − lost cancels; the ratio does not.
        ((x / (x + gamma)) * ((x + gamma + w) / (x + w))).ln()
    }
}

fn stirling(x: f64) -> f64 {
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    STIRLING.iter().rev().fold(0.0, |sum, c| sum * square + c) * square * inverse
}

/// −ln of the share of those who are there at `age` t that are still there `more` later, for real t ≥ 0 and `more` ≥ 0
/// in periods.
pub(super) fn fall_between([gamma, delta, c]: [f64; 3], age: f64, more: f64) -> f64 {
    if more == 0.0 {
        return 0.0;
    }
    let u = age.powf(c);
    let w = if age == 0.0 {
        more.powf(c)
    } else {
        // (t + m)^c − t^c without the cancellation.
        u * (c * (more / age).ln_1p()).exp_m1()
    };
    if w < POWER_MAX && u < POWER_MAX {
        return fall(delta + u, gamma, w);
    }
    // Beyond the range of f64, where lnΓ(y+γ) − lnΓ(y) is γ ln y: only the logarithms of the powers are finite.
    let end = c * (age + more).ln();
    let start = if u < POWER_MAX {
        let x = delta + u;
        (ln_gamma(x + gamma) - ln_gamma(x)) / gamma
    } else {
        c * age.ln()
    };
    // w^γ is finite where w is not, if γ is small.
    (gamma * (end - start)).max(0.0)
}

/// t^c from here on is treated by its logarithm.
const POWER_MAX: f64 = 1e290;

/// −ln S(t) with its first and second derivatives in γ, δ and c.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fall {
    pub(super) value: f64,
    pub(super) gradient: [f64; 3],
    /// Upper triangle: γγ, γδ, γc, δδ, δc, cc.
    pub(super) hessian: [f64; 6],
}

/// The derivatives of −ln of the share of those there at `age` that are still there `more` later.
///
/// Not finite where t^c is not.
pub(super) fn fall_with_derivatives(parameters: [f64; 3], age: f64, more: f64) -> Fall {
    let [gamma, delta, c] = parameters;
    let end = age + more;
    let start = Power::new(age, c);
    let stop = Power::new(end, c);
    let (x, y) = (delta + start.value, delta + stop.value);
    let (xg, yg) = (x + gamma, y + gamma);
    // ∂D/∂γ, and ∂lnS/∂x at either end.
    let by_gamma = digamma(yg) - digamma(xg);
    let at_start = digamma(xg) - digamma(x);
    let at_stop = digamma(yg) - digamma(y);
    let (t_xg, t_yg) = (trigamma(xg), trigamma(yg));
    let curve_start = t_xg - trigamma(x);
    let curve_stop = t_yg - trigamma(y);
    Fall {
        value: fall_between(parameters, age, more),
        gradient: [
            by_gamma,
            at_stop - at_start,
            at_stop * stop.slope - at_start * start.slope,
        ],
        hessian: [
            t_yg - t_xg,
            t_yg - t_xg,
            t_yg * stop.slope - t_xg * start.slope,
            curve_stop - curve_start,
            curve_stop * stop.slope - curve_start * start.slope,
            curve_stop * stop.slope * stop.slope + at_stop * stop.curve
                - curve_start * start.slope * start.slope
                - at_start * start.curve,
        ],
    }
}

/// t^c with its derivatives in c.
struct Power {
    value: f64,
    slope: f64,
    curve: f64,
}

impl Power {
    fn new(t: f64, c: f64) -> Self {
        if t == 0.0 {
            return Self {
                value: 0.0,
                slope: 0.0,
                curve: 0.0,
            };
        }
        let (value, log) = (t.powf(c), t.ln());
        Self {
            value,
            slope: value * log,
            curve: value * log * log,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Second differences of lnΓ in 60-digit arithmetic (mpmath).
    #[test]
    fn the_fall_matches_mpmath() {
        for (x, gamma, w, expected) in [
            (3.806, 0.668, 1.0, 0.16170409419398013),
            (3.806, 0.668, 100.0, 2.235941818893042),
            (1.182, 0.704, 1.0, 0.4672502652273593),
            (1e-06, 0.5, 1.0, 13.122365377402328),
            (1e-06, 1e-06, 1e-06, 0.28768207245342586),
            (1000000.0, 1.0, 1.0, 9.999995000003334e-07),
            (1000000.0, 1e-06, 0.001, 1.0000004994996661e-15),
            (1000000000000.0, 2.0, 3.0, 5.999999999988e-12),
            (5.0, 1000000.0, 1.0, 12.206077645517674),
            (1000000.0, 1000000.0, 1000000.0, 523248.28760561184),
            (0.3, 20.0, 1e-09, 6.488312388096418e-09),
            (11.99, 0.2, 1e+100, 17.477885575426185),
            (12.01, 0.2, 1e+100, 17.526738806509965),
            (0.01, 250.0, 100000.0, 1754.5628968864798),
            (40.0, 0.001, 2e-05, 5.062955405704712e-10),
        ] {
            let actual = fall(x, gamma, w);
            assert!(
                (actual / expected - 1.0).abs() < 2e-14,
                "{x} {gamma} {w}: {actual}, not {expected}"
            );
        }
        assert_eq!(fall(3.8, 0.7, 0.0), 0.0);
        assert_eq!(fall(3.8, 0.7, f64::INFINITY), f64::INFINITY);
    }

    #[test]
    fn powers_beyond_the_range_go_on_smoothly() {
        for (age, more) in [(0.0, 100.0), (5.0, 95.0), (99.0, 1.0)] {
            // 100^c passes the limit here.
            let edge = POWER_MAX.log(100.0);
            let (below, above) = (
                fall_between([0.01, 2.0, edge * (1.0 - 1e-12)], age, more),
                fall_between([0.01, 2.0, edge * (1.0 + 1e-12)], age, more),
            );
            assert!(
                (above / below - 1.0).abs() < 1e-11,
                "{age}: {below} {above}"
            );
        }
        let far = fall_between([0.01, 2.0, 1e6], 100.0, 100.0);
        assert!((far - 0.01 * 1e6 * 2.0_f64.ln()).abs() < 1e-9, "{far}");
    }
}
