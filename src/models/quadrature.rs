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

/// Nodes and weights of the Gauss–Legendre rule of 16 points on [0, 1], exact for polynomials up to degree 31.
const GAUSS_LEGENDRE_16: [(f64, f64); 16] = [
    (0.005299532504175033, 0.013576229705877048),
    (0.02771248846338371, 0.031126761969323947),
    (0.06718439880608412, 0.04757925584124639),
    (0.12229779582249849, 0.06231448562776694),
    (0.19106187779867811, 0.07479799440828837),
    (0.2709916111713863, 0.08457825969750127),
    (0.35919822461037054, 0.09130170752246179),
    (0.4524937450811813, 0.09472530522753425),
    (0.5475062549188188, 0.09472530522753425),
    (0.6408017753896295, 0.09130170752246179),
    (0.7290083888286137, 0.08457825969750127),
    (0.8089381222013219, 0.07479799440828837),
    (0.8777022041775016, 0.06231448562776694),
    (0.9328156011939158, 0.04757925584124639),
    (0.9722875115366163, 0.031126761969323947),
    (0.994700467495825, 0.013576229705877048),
];

/// The panels of ∫ g(τ) dτ for a positive g of which is known how fast it bends.
///
/// Each panel is a Gauss–Legendre rule in z = ln(offset + τ). With `offset` the distance from 0 to the nearest
/// singularity of g below 0, powers of any such distances are analytic in z up to π off the axis, so that a panel may be
/// `WIDEST` long. Where g bends faster for other reasons, `rate` says so. The error is below 1e-14 of the integral
/// (tested), apart from that of g at a rounded τ.
pub(crate) struct Panels<F> {
    at: f64,
    end: f64,
    offset: f64,
    rate: F,
    left: u32,
}

/// A panel: where it begins, its length in z, and the rule that suffices.
pub(crate) struct Panel {
    pub(crate) start: f64,
    offset: f64,
    width: f64,
    rule: &'static [(f64, f64)],
}

/// A panel's change of ln g that 16 points integrate exactly in `f64`; a factor of `rate`.
pub(crate) const LOG_CHANGE: f64 = 16.0;

impl<F: Fn(f64) -> f64> Panels<F> {
    /// Over `start` to `end`, with `offset` positive. 1/`rate(τ)` is the longest panel near τ: [`LOG_CHANGE`] over the
    /// slope of ln g, or 1.3 times the distance to the nearest singularity off the axis.
    pub(crate) fn new(start: f64, end: f64, offset: f64, rate: F) -> Self {
        /// No integrand needs as many; a guard against rates beyond reason.
        const MOST: u32 = 10_000;
        Self {
            at: start,
            end,
            offset,
            rate,
            left: MOST,
        }
    }
}

impl<F: Fn(f64) -> f64> Iterator for Panels<F> {
    type Item = Panel;

    fn next(&mut self) -> Option<Panel> {
        /// In z. Half of it is ρ = 4.4 in Bernstein's ellipse, of which the error is about ρ^−32.
        const WIDEST: f64 = 3.0;
        /// 8 points suffice for a panel that is no wider and has no larger part of the admissible bend.
        const NARROW: f64 = 1.0;
        const STRAIGHT: f64 = 3.0 / 16.0;

        let start = self.at;
        let reach = self.offset + start;
        let rest = ((self.end - start) / reach).ln_1p();
        if self.left == 0 || rest.is_nan() || rest <= 0.0 {
            return None;
        }
        self.left -= 1;
        let before = reach * (self.rate)(start);
        let mut width = rest.min(WIDEST).min(1.0 / before);
        let (mut end, mut after);
        loop {
            end = start + reach * width.exp_m1();
            after = (self.offset + end) * (self.rate)(end);
            if after * width <= 1.0 + 1e-9 || end <= start {
                break;
            }
            // Where the rate grows, 1/`after` is admissible, but may be far too short.
            width = (1.0 / after).max(0.5 * width);
        }
        if width >= rest || self.left == 0 || end <= start {
            width = rest;
            self.at = self.end;
        } else {
            self.at = end;
        }
        let straight = width <= NARROW && width * before.max(after) <= STRAIGHT;
        let rule: &[(f64, f64)] = if straight {
            &GAUSS_LEGENDRE
        } else {
            &GAUSS_LEGENDRE_16
        };
        Some(Panel {
            start,
            offset: self.offset,
            width,
            rule,
        })
    }
}

impl Panel {
    /// The τ and weights of ∫ dτ over the panel.
    #[inline]
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (f64, f64)> {
        let reach = self.offset + self.start;
        self.rule.iter().map(move |(node, weight)| {
            let way = reach * (self.width * node).exp_m1();
            // dτ = (offset + τ) dz.
            (self.start + way, self.width * weight * (reach + way))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_legendre_is_exact_to_its_degree() {
        let rules: [(&[(f64, f64)], i32); 2] = [(&GAUSS_LEGENDRE, 15), (&GAUSS_LEGENDRE_16, 31)];
        for (rule, most) in rules {
            for degree in 0..=most {
                let integral: f64 = rule.iter().map(|(x, w)| w * x.powi(degree)).sum();
                let exact = 1.0 / f64::from(degree + 1);
                assert!(
                    (integral - exact).abs() < 1e-15,
                    "degree {degree}: {integral}"
                );
            }
        }
    }

    /// ∫ (c+τ)^−k dτ and ∫ k e^(−kτ) dτ over τ from `start` to `end`, flat and steep, over panels whose offset is that of
    /// the singularity or far less.
    #[test]
    fn panels_integrate_powers_and_exponentials() {
        let sum = |start: f64,
                   end: f64,
                   offset: f64,
                   rate: &dyn Fn(f64) -> f64,
                   g: &dyn Fn(f64) -> f64| {
            let panels = Panels::new(start, end, offset, rate);
            let nodes = |panel: Panel| panel.nodes().map(|(t, w)| w * g(t)).sum::<f64>();
            panels.map(nodes).sum::<f64>()
        };
        for (start, end) in [(0.0_f64, 1e-9), (0.0, 1.0), (2.5, 40.0), (0.0, 1e6)] {
            for k in [1e-3_f64, 0.5, 3.0, 100.0, 2000.0] {
                let c = 10.0;
                let length = ((end - start) / (c + start)).ln_1p();
                let exact = -((1.0 - k) * length).exp_m1() / (k - 1.0);
                for offset in [c, 1e-2 * c] {
                    let power =
                        |t: f64| (-k * ((t - start) / (c + start)).ln_1p()).exp() / (c + start);
                    let ours = sum(start, end, offset, &|t| k / (LOG_CHANGE * (c + t)), &power);
                    assert!(
                        (ours / exact - 1.0).abs() < 1e-14,
                        "{start} {end} {k} {offset} {ours} {exact}"
                    );
                }
                let exact = -(-k * (end - start)).exp_m1();
                let exponential = |t: f64| k * (-k * (t - start)).exp();
                let ours = sum(start, end, 1.0 / k, &|_| k / LOG_CHANGE, &exponential);
                // τ − start is rounded as τ is.
                let tolerance = 1e-14 + 1e-16 * k * start;
                assert!(
                    (ours / exact - 1.0).abs() < tolerance,
                    "{start} {end} {k} {ours} {exact}"
                );
            }
        }
        assert!(Panels::new(1.0, 1.0, 1.0, |_| 1.0).next().is_none());
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
