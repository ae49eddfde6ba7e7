//! The log-likelihood with its derivatives by the chain rule.
//!
//! The logarithm of each parameter of a group is linear in the logarithms u of all parameters (ln θ₀ and γ), so with g and
//! h the group's gradient and Hessian in ln θ, and A the matrix of the linear map,
//!
//! ```text
//! ∂L/∂u = Σ A′g      ∂²L/∂u∂u′ = Σ A′hA
//! ```

use super::{AcceptsCovariates, Slot, coefficients, shifted, slots};
use crate::btyd::Summaries;
use crate::btyd::covariates::CovariateSummaries;
use crate::chunks::ordered_fold_by;
use crate::fit::Model;
use crate::optimise::{Evaluation, SearchLimits, maximise};

/// A group is a base model's likelihood of its own, so that a few of them are worth a task.
const CHUNK_GROUPS: usize = 256;

/// Sums over groups in the logarithms of the parameters; of the Hessian the upper triangle, row by row.
struct Logarithmic {
    value: f64,
    gradient: Vec<f64>,
    hessian: Vec<f64>,
}

/// Where a parameter enters: it multiplies that parameter of the base model; a coefficient does so as `sign · z`.
#[derive(Clone, Copy)]
struct Entry {
    parameter: usize,
    /// The sign and the covariate of a coefficient.
    coefficient: Option<(f64, usize)>,
}

/// Value, gradient and Hessian at (θ₀, e^γ).
pub(super) fn evaluate<M: AcceptsCovariates>(
    theta: &[f64],
    data: &CovariateSummaries,
) -> Evaluation {
    let slots = slots::<M>(&data.acts_on);
    let (base, ratios) = theta.split_at(theta.len().saturating_sub(slots.len()));
    let gammas = coefficients::<M>(&slots, ratios, data.names.len());
    let entries = entries::<M>(base.len(), &slots);
    let zero = || Logarithmic::zero(theta.len());
    let groups = data.groups.len();
    let sums = ordered_fold_by(
        CHUNK_GROUPS,
        groups,
        zero(),
        |chunk| {
            let mut sums = zero();
            let mut factors = vec![0.0; theta.len()];
            for group in chunk {
                let z = data.z(group);
                let at = shifted::<M>(base, &gammas, z);
                if !at.iter().all(|t| t.is_normal()) {
                    // Out of the range of numbers: a point that no search may take.
                    sums.value = f64::NAN;
                    break;
                }
                for (factor, entry) in factors.iter_mut().zip(&entries) {
                    *factor = entry.coefficient.map_or(1.0, |(sign, k)| sign * z[k]);
                }
                let evaluation = <M as Model>::evaluate(&at, &data.groups[group]);
                sums.add(&at, &evaluation, &entries, &factors);
            }
            sums
        },
        Logarithmic::plus,
    );
    sums.natural(theta)
}

/// Each place at which the base model's searches end, once; a search without a maximum counts for its start.
pub(super) fn base_maxima<M: AcceptsCovariates>(
    customers: &Summaries,
    scale: &[f64],
) -> Vec<Vec<f64>> {
    /// Of the logarithm of a parameter; far above what a search leaves and far below what separates two maxima.
    const SAME: f64 = 1e-3;
    let sample = M::sample(customers);
    let mut ends: Vec<Vec<f64>> = Vec::new();
    for start in M::starts(customers, scale) {
        let maximum = maximise(
            |theta: &[f64]| M::evaluate(theta, customers),
            sample
                .as_ref()
                .map(|part| |theta: &[f64]| M::evaluate(theta, part)),
            std::slice::from_ref(&start),
            scale,
            &SearchLimits::default(),
        );
        let end = maximum
            .filter(|maximum| maximum.convergence.converged)
            .map_or(start, |maximum| maximum.parameters);
        let near = |other: &Vec<f64>| {
            let both = end.iter().zip(other);
            both.into_iter().all(|(a, b)| (a / b).ln().abs() < SAME)
        };
        if !ends.iter().any(near) {
            ends.push(end);
        }
    }
    ends
}

fn entries<M: AcceptsCovariates>(base: usize, slots: &[Slot]) -> Vec<Entry> {
    let of_base = (0..base).map(|parameter| Entry {
        parameter,
        coefficient: None,
    });
    let of_slots = slots.iter().map(|slot| {
        let effect = &M::EFFECTS[slot.effect];
        Entry {
            parameter: effect.parameter,
            coefficient: Some((effect.sign, slot.covariate)),
        }
    });
    of_base.chain(of_slots).collect()
}

impl Logarithmic {
    fn zero(parameters: usize) -> Self {
        Self {
            value: 0.0,
            gradient: vec![0.0; parameters],
            hessian: vec![0.0; parameters * parameters],
        }
    }

    fn add(&mut self, at: &[f64], group: &Evaluation, entries: &[Entry], factors: &[f64]) {
        let n = entries.len();
        self.value += group.value;
        for (p, (entry, factor)) in entries.iter().zip(factors).enumerate() {
            if *factor == 0.0 {
                continue;
            }
            let i = entry.parameter;
            let slope = at[i] * group.gradient[i];
            self.gradient[p] += factor * slope;
            let row = &mut self.hessian[p * n..(p + 1) * n];
            for q in p..n {
                let j = entries[q].parameter;
                let own = if i == j { slope } else { 0.0 };
                row[q] += factor * factors[q] * (at[i] * at[j] * group.hessian[i][j] + own);
            }
        }
    }

    fn plus(mut self, other: Self) -> Self {
        let add = |sums: &mut [f64], others: &[f64]| {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum += other;
            }
        };
        self.value += other.value;
        add(&mut self.gradient, &other.gradient);
        add(&mut self.hessian, &other.hessian);
        self
    }

    /// In the parameters themselves: ∂/∂θ = (1/θ) ∂/∂ln θ.
    fn natural(self, theta: &[f64]) -> Evaluation {
        let n = theta.len();
        let upper = |i: usize, j: usize| self.hessian[i.min(j) * n + i.max(j)];
        let second = |i: usize, j: usize| {
            let own = if i == j { self.gradient[i] } else { 0.0 };
            (upper(i, j) - own) / (theta[i] * theta[j])
        };
        Evaluation {
            value: self.value,
            hessian: (0..n)
                .map(|i| (0..n).map(|j| second(i, j)).collect())
                .collect(),
            gradient: self
                .gradient
                .iter()
                .zip(theta)
                .map(|(slope, theta)| slope / theta)
                .collect(),
        }
    }
}
