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
    // ln(1 + eʸ), also where eʸ overflows.
    let soft = |y: f64| y.max(0.0) + (-y.abs()).exp().ln_1p();
    let log_density = |y: f64| -a * soft(-y) - b * soft(y);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_legendre_is_exact_to_degree_15() {
        for degree in 0..=15 {
            let integral: f64 = GAUSS_LEGENDRE.iter().map(|(x, w)| w * x.powi(degree)).sum();
            let exact = 1.0 / f64::from(degree + 1);
            assert!(
                (integral - exact).abs() < 1e-15,
                "degree {degree}: {integral}"
            );
        }
    }

    /// E p = a/(a+b) and E (1−p)² = b(b+1)/((a+b)(a+b+1)), at shapes from nearly two points to nearly one.
    #[test]
    fn beta_expectations_are_the_moments() {
        for a in [0.01, 0.8, 1.0, 30.0, 1e4] {
            for b in [0.01, 0.8, 2.5, 200.0, 1e4] {
                let mean = beta_expectation(a, b, |p, _| p);
                assert!((mean * (a + b) / a - 1.0).abs() < 1e-12, "{a} {b} {mean}");
                let square = beta_expectation(a, b, |_, q| q * q);
                let exact = b * (b + 1.0) / ((a + b) * (a + b + 1.0));
                assert!((square / exact - 1.0).abs() < 1e-12, "{a} {b} {square}");
            }
        }
    }
}
