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

use crate::special::trigamma;

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

/// Coefficients of x⁻², x⁻⁴, … in ln x − 1/(2x) − ψ(x) (DLMF 5.11.2).
const DIGAMMA: [f64; 6] = [
    1.0 / 12.0,
    -1.0 / 120.0,
    1.0 / 252.0,
    -1.0 / 240.0,
    1.0 / 132.0,
    -691.0 / 32_760.0,
];
/// Coefficients of x⁻³, x⁻⁵, … in ψ′(x) − 1/x − 1/(2x²), the Bernoulli numbers.
const TRIGAMMA: [f64; 6] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
];

/// D ≥ 0 of the module's documentation for x, γ > 0 and w ≥ 0; +∞ for w = ∞. Relative error below 1e-13 unless γ w is
/// as small as 1e-8.
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

/// ψ(x+a) − ψ(x) ≥ 0 for x > 0, a ≥ 0. The terms are positive but for those of the series, which are small beside them:
/// the relative error is about 1e-14, and 1e-17/a for small a.
fn digamma_rise(x: f64, a: f64) -> f64 {
    let (mut shifted, mut sum) = (x, 0.0);
    while shifted < STIRLING_FROM {
        sum += (a / shifted) / (shifted + a);
        shifted += 1.0;
    }
    let (x, y) = (shifted, shifted + a);
    let series = |x: f64| even_powers(x, &DIGAMMA);
    sum + (a / x).ln_1p() + 0.5 * (a / x) / y + (series(x) - series(y))
}

/// ψ′(x) − ψ′(x+a) ≥ 0 for x > 0, a ≥ 0, likewise.
fn trigamma_fall(x: f64, a: f64) -> f64 {
    // 1/x² − 1/y² = (a/x)/y (1/x + 1/y).
    let squares = |x: f64, y: f64| (a / x) / y * (1.0 / x + 1.0 / y);
    let (mut shifted, mut sum) = (x, 0.0);
    while shifted < STIRLING_FROM {
        sum += squares(shifted, shifted + a);
        shifted += 1.0;
    }
    let (x, y) = (shifted, shifted + a);
    let series = |x: f64| even_powers(x, &TRIGAMMA) / x;
    sum + (a / x) / y + 0.5 * squares(x, y) + (series(x) - series(y))
}

/// Σ cₖ x^(−2k), k = 1, 2, …
fn even_powers(x: f64, coefficients: &[f64]) -> f64 {
    let square = 1.0 / (x * x);
    square
        * coefficients
            .iter()
            .rev()
            .fold(0.0, |sum, c| sum * square + c)
}

/// −ln of the share of those who are there at `age` t that are still there `more` later, for real t ≥ 0 and `more` ≥ 0
/// in periods.
pub(super) fn fall_between([gamma, delta, c]: [f64; 3], age: f64, more: f64) -> f64 {
    if more == 0.0 {
        return 0.0;
    }
    let u = age.powf(c);
    let w = growth(age, more, c);
    if w < POWER_MAX && u < POWER_MAX {
        return fall(delta + u, gamma, w);
    }
    // Beyond the range of f64 only the logarithms of the powers are finite, and lnΓ(y+γ) − lnΓ(y) is γ ln y.
    if u < POWER_SMALL {
        let rest = c * (age + more).ln() - POWER_MAX.ln();
        fall(delta + u, gamma, POWER_MAX) + gamma * rest.max(0.0)
    } else {
        gamma * c * (more / age).ln_1p()
    }
}

/// (t + m)^c − t^c without the cancellation.
fn growth(age: f64, more: f64, c: f64) -> f64 {
    if age == 0.0 {
        more.powf(c)
    } else {
        age.powf(c) * (c * (more / age).ln_1p()).exp_m1()
    }
}

/// t^c from here on is treated by its logarithm.
const POWER_MAX: f64 = 1e290;
/// t^c up to here is nothing beside it.
const POWER_SMALL: f64 = 1e200;

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
    let (start, stop) = (Power::new(age, c), Power::new(age + more, c));
    let w = growth(age, more, c);
    let x = delta + start.value;
    let y = x + w;
    let xg = x + gamma;
    // ∂D/∂γ and ∂D/∂u at either end, and their derivatives.
    let by_gamma = digamma_rise(xg, w);
    let (at_start, at_stop) = (digamma_rise(x, gamma), digamma_rise(y, gamma));
    let bend = trigamma_fall(xg, w);
    let (bend_start, bend_stop) = (trigamma_fall(x, gamma), trigamma_fall(y, gamma));
    let (t_xg, t_yg) = (trigamma(xg), trigamma(y + gamma));
    Fall {
        value: fall_between(parameters, age, more),
        gradient: [
            by_gamma,
            at_stop - at_start,
            at_stop * stop.slope - at_start * start.slope,
        ],
        hessian: [
            -bend,
            -bend,
            t_yg * stop.slope - t_xg * start.slope,
            bend_start - bend_stop,
            bend_start * start.slope - bend_stop * stop.slope,
            at_stop * stop.curve
                - at_start * start.curve
                - (bend_stop * stop.slope * stop.slope - bend_start * start.slope * start.slope),
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

    /// Second differences of lnΓ in 200-digit arithmetic (mpmath).
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
            (11.99, 0.2, 1e+100, 45.561613848703274),
            (12.01, 0.2, 1e+100, 45.56126922552133),
            (0.01, 250.0, 100000.0, 1754.5628968864798),
            (40.0, 0.001, 2e-05, 5.062955405704712e-10),
        ] {
            let actual = fall(x, gamma, w);
            assert!(
                (actual / expected - 1.0).abs() < 1e-13,
                "{x} {gamma} {w}: {actual}, not {expected}"
            );
        }
        assert_eq!(fall(3.8, 0.7, 0.0), 0.0);
        assert_eq!(fall(3.8, 0.7, f64::INFINITY), f64::INFINITY);
    }

    /// Differences of ψ and ψ′ in 200-digit arithmetic (mpmath).
    #[test]
    fn differences_of_polygammas_match_mpmath() {
        for (x, a, rise, fall) in [
            (1e-06, 0.001, 999001.0006447297, 999999001997.0065),
            (0.7, 3.8, 2.6088944800574634, 2.5853240536556004),
            (3.8, 0.7, 0.19118108036725467, 0.052056038745884624),
            (11.99, 1.0, 0.08340283569641367, 0.006956033002202975),
            (12.01, 1.0, 0.08326394671107411, 0.006932884821904589),
            (12.5, 1e-06, 8.328522113536026e-08, 6.932436009081886e-09),
            (250.0, 1000000.0, 8.29630044231332, 0.004007010916070299),
            (1000000.0, 1.0, 1e-06, 1e-12),
            (1000000000.0, 0.5, 5.00000000125e-10, 5.0000000025e-19),
            (5.0, 1e+100, 228.75239163097277, 0.22132295573711533),
        ] {
            let actual = [digamma_rise(x, a), trigamma_fall(x, a)];
            let tolerance = if a < 1e-3 { 1e-10 } else { 1e-13 };
            for (actual, expected) in actual.into_iter().zip([rise, fall]) {
                assert!(
                    (actual / expected - 1.0).abs() < tolerance,
                    "{x} {a}: {actual}, not {expected}"
                );
            }
        }
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
