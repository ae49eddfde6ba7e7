//! Maximum likelihood over positive parameters: Newton's method in a trust region, on the logarithms of the parameters.
//!
//! The small dense problems here have an objective that is a sum over millions of rows, and one pass over them gives
//! value, gradient and Hessian together. `argmin` asks for the three in separate passes and reports why it stopped but
//! not whether the point is a maximum; `num-dual` would derive the Hessian at several times the cost of the closed
//! form. So the trust-region loop (Nocedal & Wright 2006, chapter 4) is here, on `nalgebra`'s eigenvalues.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Value, gradient and Hessian of a log-likelihood with respect to its natural parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The log-likelihood.
    pub value: f64,
    /// First derivatives, one a parameter.
    pub gradient: Vec<f64>,
    /// Second derivatives, symmetric.
    pub hessian: Vec<Vec<f64>>,
}

impl Evaluation {
    fn is_finite(&self) -> bool {
        self.value.is_finite()
            && self.gradient.iter().all(|g| g.is_finite())
            && self.hessian.iter().flatten().all(|h| h.is_finite())
    }
}

/// An [`Evaluation`] of a known number of parameters while it is summed: on the stack, and only the upper triangle of
/// the Hessian counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sums<const N: usize> {
    pub(crate) value: f64,
    pub(crate) gradient: [f64; N],
    pub(crate) hessian: [[f64; N]; N],
}

impl<const N: usize> Sums<N> {
    /// The empty sum.
    pub(crate) const ZERO: Self = Self {
        value: 0.0,
        gradient: [0.0; N],
        hessian: [[0.0; N]; N],
    };
}

impl<const N: usize> From<Sums<N>> for Evaluation {
    fn from(sums: Sums<N>) -> Self {
        let upper = |i: usize, j: usize| sums.hessian[i.min(j)][i.max(j)];
        Self {
            value: sums.value,
            gradient: sums.gradient.to_vec(),
            hessian: (0..N)
                .map(|i| (0..N).map(|j| upper(i, j)).collect())
                .collect(),
        }
    }
}

/// Limits of the search. The defaults suit every model of this crate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchLimits {
    /// Newton steps from each starting point before giving up.
    pub max_iterations: u32,
    /// A parameter may lie this factor above or below its natural scale; a search that wants further has not converged.
    pub range: f64,
}

impl Default for SearchLimits {
    fn default() -> Self {
        Self {
            max_iterations: 200,
            range: 1e6,
        }
    }
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The gradient vanishes to rounding and the log-likelihood curves down in every direction: a strict local maximum.
    Converged,
    /// The likelihood still rises where a parameter comes near 10⁶ times its natural scale or a millionth of it: the
    /// data do not hold the heterogeneity that the model looks for.
    AtBound,
    /// The gradient vanishes but some direction is flat: the data do not identify every parameter.
    Flat,
    /// The permitted number of steps was used up.
    MaxIterations,
    /// No step improves the likelihood although the gradient does not vanish.
    Stalled,
}

impl StopReason {
    /// A stable name for tables and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::AtBound => "at_bound",
            Self::Flat => "flat",
            Self::MaxIterations => "max_iterations",
            Self::Stalled => "stalled",
        }
    }
}

/// How a fit ended. Nothing but [`StopReason::Converged`] counts as convergence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convergence {
    /// Whether the reported parameters are a strict local maximum, and no other start found a higher point.
    pub converged: bool,
    /// Why the search that gave the reported parameters ended.
    pub reason: StopReason,
    /// Steps of that search over all rows.
    pub iterations: u32,
    /// Passes over all rows by all searches; those over a sample are not counted.
    pub evaluations: u32,
    /// Largest absolute derivative with respect to the logarithm of a parameter, at the reported parameters.
    pub gradient_norm: f64,
    /// Number of starting points.
    pub starts: u32,
    /// How many of them ended at the reported log-likelihood (within 1e-6 of its magnitude), or at the maximum of a
    /// sample that leads to it.
    pub starts_agreeing: u32,
}

/// The best point found and how it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Maximum {
    /// The parameters.
    pub parameters: Vec<f64>,
    /// The log-likelihood and its derivatives there.
    pub evaluation: Evaluation,
    /// How the search ended.
    pub convergence: Convergence,
}

/// Maximises `objective` over positive parameters from every start, and returns the highest point.
///
/// `scale` is the natural magnitude of each parameter (1 for a shape, a typical time for a time): it centres the box of
/// [`SearchLimits::range`]. Starts outside the box are moved onto it. `None` if there is no start, or none at which the
/// objective is finite. Of points that are equally high up to rounding, the first converged one is taken.
///
/// With a `sample`, the same likelihood over a part of the rows, the search from each start begins on it, and
/// `objective` is maximised from where that led: once, if it led to one place. It changes the time, not the maximum.
pub fn maximise(
    objective: impl Fn(&[f64]) -> Evaluation,
    sample: Option<impl Fn(&[f64]) -> Evaluation>,
    starts: &[Vec<f64>],
    scale: &[f64],
    limits: &SearchLimits,
) -> Option<Maximum> {
    let origins = match sample {
        Some(sample) => origins_from_sample(sample, starts, scale, limits),
        None => starts
            .iter()
            .map(|start| Origin {
                start: start.clone(),
                starts: 1,
            })
            .collect(),
    };
    let searches: Vec<(Search, u32)> = origins
        .iter()
        .filter_map(|origin| {
            Some((
                Search::run(&objective, &origin.start, scale, limits)?,
                origin.starts,
            ))
        })
        .collect();
    let highest = searches
        .iter()
        .map(|(s, _)| s.evaluation.value)
        .max_by(f64::total_cmp)?;
    let level = |s: &Search| s.evaluation.value >= highest - 1e-9 * highest.abs().max(1.0);
    let converged = searches
        .iter()
        .find(|(s, _)| level(s) && s.reason == StopReason::Converged);
    let (best, _) =
        converged.or_else(|| searches.iter().find(|(s, _)| s.evaluation.value == highest))?;
    let agrees = |s: &Search| (s.evaluation.value - highest).abs() <= 1e-6 * highest.abs().max(1.0);
    Some(Maximum {
        parameters: best.parameters(),
        evaluation: best.evaluation.clone(),
        convergence: Convergence {
            converged: best.reason == StopReason::Converged,
            reason: best.reason,
            iterations: best.iterations,
            evaluations: searches.iter().map(|(s, _)| s.evaluations).sum(),
            gradient_norm: best.local().gradient.amax(),
            starts: u32::try_from(starts.len()).unwrap_or(u32::MAX),
            starts_agreeing: searches
                .iter()
                .filter(|(s, _)| agrees(s))
                .map(|(_, starts)| starts)
                .sum(),
        },
    })
}

/// Where a search begins, and how many of the caller's starts led there.
struct Origin {
    start: Vec<f64>,
    starts: u32,
}

/// Maxima of the sample, each once. A start from which the sample has no maximum stays as it is.
fn origins_from_sample(
    sample: impl Fn(&[f64]) -> Evaluation,
    starts: &[Vec<f64>],
    scale: &[f64],
    limits: &SearchLimits,
) -> Vec<Origin> {
    /// Of the logarithm of a parameter; far above what a search leaves and far below what separates two maxima.
    const SAME: f64 = 1e-3;
    let mut origins: Vec<Origin> = Vec::new();
    for start in starts {
        let search = Search::run(&sample, start, scale, limits);
        let end = search
            .filter(|s| s.reason == StopReason::Converged)
            .map(|s| s.parameters());
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a / b).ln().abs() < SAME);
        let known = end
            .as_ref()
            .and_then(|end| origins.iter_mut().find(|origin| near(&origin.start, end)));
        match known {
            Some(origin) => origin.starts += 1,
            None => origins.push(Origin {
                start: end.unwrap_or_else(|| start.clone()),
                starts: 1,
            }),
        }
    }
    origins
}

/// −log-likelihood as a quadratic in the logarithms of the parameters.
struct Quadratic {
    gradient: DVector<f64>,
    eigen: SymmetricEigen<f64, nalgebra::Dyn>,
    /// The gradient in the eigenvectors' basis.
    rotated: DVector<f64>,
}

impl Quadratic {
    /// What a full Newton step would still gain; infinite where the quadratic has no minimum.
    fn expected_gain(&self) -> f64 {
        let terms = self.rotated.iter().zip(self.eigen.eigenvalues.iter());
        terms
            .map(|(g, l)| {
                if *l > 0.0 {
                    0.5 * g * g / l
                } else {
                    f64::INFINITY
                }
            })
            .sum()
    }

    /// What to say of a point from which a full Newton step would gain no more than `noise`; `None` of any other.
    fn settled(&self, noise: f64) -> Option<StopReason> {
        if self.expected_gain() > noise {
            return None;
        }
        let flat = self.eigen.eigenvalues.min() < LEAST_INFORMATION;
        Some(if flat {
            StopReason::Flat
        } else {
            StopReason::Converged
        })
    }

    /// The minimiser within `radius`, by bisection on the damping (Nocedal & Wright 2006, section 4.3).
    fn step(&self, radius: f64) -> DVector<f64> {
        let damped = |damping: f64| {
            let terms = self.rotated.iter().zip(self.eigen.eigenvalues.iter());
            DVector::from_iterator(self.rotated.len(), terms.map(|(g, l)| -g / (l + damping)))
        };
        let lowest = self.eigen.eigenvalues.min();
        let largest = self.eigen.eigenvalues.amax();
        let undamped = damped(0.0);
        let coordinates = if lowest > 1e-12 * largest && undamped.norm() <= radius {
            undamped
        } else {
            let mut low = (-lowest).max(0.0);
            let mut high = low + self.rotated.norm() / radius + f64::MIN_POSITIVE;
            for _ in 0..100 {
                let middle = 0.5 * (low + high);
                if damped(middle).norm() > radius {
                    low = middle
                } else {
                    high = middle
                }
            }
            damped(high)
        };
        &self.eigen.eigenvectors * coordinates
    }

    fn predicted_gain(&self, step: &DVector<f64>) -> f64 {
        let rotated_step = self.eigen.eigenvectors.tr_mul(step);
        let curvature: f64 = rotated_step
            .iter()
            .zip(self.eigen.eigenvalues.iter())
            .map(|(s, l)| s * s * l)
            .sum();
        -(self.gradient.dot(step) + 0.5 * curvature)
    }
}

/// One search from one start.
struct Search {
    /// Logarithms of the parameters.
    position: Vec<f64>,
    evaluation: Evaluation,
    iterations: u32,
    evaluations: u32,
    reason: StopReason,
    /// Steps in a row that gained next to nothing.
    idle: u32,
}

/// Newton's method gains next to nothing in its last two steps or so; a search that goes on like that follows a ridge
/// or the rounding of the sum.
const MAX_IDLE: u32 = 8;
/// Information about the logarithm of a parameter below this (a standard error of e^100) is none.
const LEAST_INFORMATION: f64 = 1e-4;

fn exponentials(position: &[f64]) -> Vec<f64> {
    position.iter().map(|y| y.exp()).collect()
}

impl Search {
    fn parameters(&self) -> Vec<f64> {
        exponentials(&self.position)
    }

    fn local(&self) -> Quadratic {
        let theta = self.parameters();
        let (g, h) = (&self.evaluation.gradient, &self.evaluation.hessian);
        let gradient = DVector::from_fn(theta.len(), |i, _| -theta[i] * g[i]);
        let hessian = DMatrix::from_fn(theta.len(), theta.len(), |i, j| {
            let diagonal = if i == j { theta[i] * g[i] } else { 0.0 };
            -(theta[i] * theta[j] * 0.5 * (h[i][j] + h[j][i]) + diagonal)
        });
        let eigen = SymmetricEigen::new(hessian);
        let rotated = eigen.eigenvectors.tr_mul(&gradient);
        Quadratic {
            gradient,
            eigen,
            rotated,
        }
    }

    fn run(
        objective: &impl Fn(&[f64]) -> Evaluation,
        start: &[f64],
        scale: &[f64],
        limits: &SearchLimits,
    ) -> Option<Self> {
        let reach = limits.range.ln();
        let inside = |i: usize, y: f64| y.clamp(scale[i].ln() - reach, scale[i].ln() + reach);
        let position: Vec<f64> = (0..start.len()).map(|i| inside(i, start[i].ln())).collect();
        let evaluation = objective(&exponentials(&position));
        if !evaluation.is_finite() {
            return None;
        }
        let mut search = Self {
            position,
            evaluation,
            iterations: 0,
            evaluations: 1,
            reason: StopReason::MaxIterations,
            idle: 0,
        };
        let mut radius = 1.0;
        while search.iterations < limits.max_iterations {
            search.iterations += 1;
            if let Some(reason) = search.advance(objective, &inside, &mut radius) {
                search.reason = search.explain(reason, scale, reach);
                break;
            }
        }
        Some(search)
    }

    /// A search that ends without a maximum within two powers of ten of the box has been stopped by it.
    fn explain(&self, reason: StopReason, scale: &[f64], reach: f64) -> StopReason {
        let near = reach - 100.0_f64.ln();
        let bound = self
            .position
            .iter()
            .zip(scale)
            .any(|(y, s)| (y - s.ln()).abs() >= near);
        if bound && reason != StopReason::Converged {
            StopReason::AtBound
        } else {
            reason
        }
    }

    /// One step, or the reason why there is none to take.
    fn advance(
        &mut self,
        objective: &impl Fn(&[f64]) -> Evaluation,
        inside: &impl Fn(usize, f64) -> f64,
        radius: &mut f64,
    ) -> Option<StopReason> {
        let local = self.local();
        let noise = 1e-16 * (1.0 + self.evaluation.value.abs());
        if let Some(reason) = local.settled(noise) {
            return Some(reason);
        }
        let wanted = local.step(*radius);
        let parameters = self.position.len();
        let target: Vec<f64> = (0..parameters)
            .map(|i| inside(i, self.position[i] + wanted[i]))
            .collect();
        let step = DVector::from_fn(parameters, |i, _| target[i] - self.position[i]);
        let outward = |i: usize| step[i] == 0.0 && wanted[i] != 0.0;
        if (0..parameters).any(outward) {
            return Some(StopReason::AtBound);
        }
        let predicted = local.predicted_gain(&step);
        let trial = objective(&exponentials(&target));
        self.evaluations += 1;
        let gain = trial.value - self.evaluation.value;
        // Differences of sums this large are rounding; there the quadratic is the better witness.
        let rounding = 64.0 * noise;
        let ratio = if predicted.abs() <= rounding {
            1.0
        } else {
            gain / predicted
        };
        if ratio > 0.75 && wanted.norm() > 0.99 * *radius {
            *radius = (2.0 * *radius).min(4.0);
        } else if ratio < 0.25 || ratio.is_nan() {
            *radius = 0.25 * step.norm().min(*radius);
        }
        self.idle = if gain > 1e-9 * (1.0 + self.evaluation.value.abs()) {
            0
        } else {
            self.idle + 1
        };
        if trial.is_finite() && (gain > 0.0 || gain.abs() <= rounding) && ratio > 0.0 {
            self.position = target;
            self.evaluation = trial;
        }
        if self.idle < MAX_IDLE {
            return None;
        }
        // What is left to gain may be within the rounding of the sum, where no step can find it.
        let settled = self.local().settled(rounding);
        Some(settled.unwrap_or(StopReason::Stalled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// −50 (y − 1)² − 10⁴ in y = ln θ, its slope off by 3e-5 to either side as that of a long sum is by rounding: the gain
    /// which that promises, 4.5e-12, is more than the last digit of the value and less than what can be told of it.
    #[test]
    fn a_slope_that_is_rounding_does_not_hide_the_maximum() {
        let objective = |theta: &[f64]| {
            let t = theta[0];
            let y = t.ln() - 1.0;
            let off = if t.to_bits().count_ones().is_multiple_of(2) {
                3e-5
            } else {
                -3e-5
            };
            let slope = -100.0 * y + off;
            Evaluation {
                value: -50.0 * y * y - 1e4,
                gradient: vec![slope / t],
                hessian: vec![vec![(-100.0 - slope) / (t * t)]],
            }
        };
        let none: Option<fn(&[f64]) -> Evaluation> = None;
        let limits = SearchLimits::default();
        let found = maximise(objective, none, &[vec![1.0]], &[1.0], &limits).unwrap();
        assert!((found.parameters[0].ln() - 1.0).abs() < 1e-5);
        assert_eq!(found.convergence.reason, StopReason::Converged);
    }
}
