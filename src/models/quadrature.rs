//! Expectations and integrals of smooth functions, each by the rule that converges geometrically for it.

/// E f(p, 1 − p) for p ~ Beta(a, b), a, b > 0, of a positive f that is smooth in the logit of p.
///
/// The trapezoidal rule over the logit converges geometrically, because the density decays exponentially in both
/// directions and is analytic in a strip (Trefethen & Weideman 2014). The weights are normalised by their own sum, so
/// no beta function is needed and common errors cancel. `f` gets p and 1 − p, each accurate where it is small.
pub(crate) fn beta_expectation(a: f64, b: f64, f: impl Fn(f64, f64) -> f64) -> f64 {
    /// A term this small beside both sums no longer counts; beyond the mode of the density terms fall geometrically.
    const NEGLIGIBLE: f64 = 1e-18;
    /// Guards against an `f` that outgrows the density for ever.
    const MAX_NODES: u32 = 1_000_000;

    let mode = (a / b).ln();
    let spread = (1.0 / a + 1.0 / b).sqrt();
    let step = 0.25_f64.min(0.4 * spread);
    let log_density = |y: f64| -a * (-y).exp().ln_1p() - b * y.exp().ln_1p();
    let peak = log_density(mode);
    let (mut mass, mut total) = (0.0, 0.0);
    for (direction, first) in [(1.0, 0_u32), (-1.0, 1)] {
        for node in first..MAX_NODES {
            let y = mode + direction * step * f64::from(node);
            let weight = (log_density(y) - peak).exp();
            let value = weight * f(1.0 / (1.0 + (-y).exp()), 1.0 / (1.0 + y.exp()));
            mass += weight;
            total += value;
            if weight <= NEGLIGIBLE * mass && value <= NEGLIGIBLE * total {
                break;
            }
        }
    }
    total / mass
}

/// Nodes and weights of the Gauss–Legendre rule of 8 points on [0, 1], exact for polynomials up to degree 15
/// (DLMF 3.5.15).
pub(crate) const GAUSS_LEGENDRE: [(f64, f64); 8] = [
    (0.019855071751231884, 0.05061426814518813),
    (0.10166676129318664, 0.11119051722668724),
    (0.2372337950418355, 0.15685332293894363),
    (0.4082826787521751, 0.181341891689181),
    (0.591717321247825, 0.181341891689181),
    (0.7627662049581645, 0.15685332293894363),
    (0.8983332387068134, 0.11119051722668724),
    (0.9801449282487681, 0.05061426814518813),
];
