//! What is true, beside what counting a company gives and how far the two may lie apart.

use serde::{Deserialize, Serialize};

/// A mean or share that is true of the company.
///
/// `truth` is what the hidden parameters imply for exactly those who were drawn; `counted` is what their draws
/// came to, which a right pipeline finds again; `tolerance` is four standard errors of the difference, from
/// the true variance of each draw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The expected mean.
    pub truth: f64,
    /// The mean of what was drawn.
    pub counted: f64,
    /// Four standard errors.
    pub tolerance: f64,
    /// Draws.
    pub count: u64,
}

impl Figure {
    /// Whether an estimate of the truth lies within the tolerance.
    pub fn holds(&self, estimate: f64) -> bool {
        (estimate - self.truth).abs() <= self.tolerance
    }
}

/// Draws whose distributions are known, added up. Added in the order of the customers, so that the sums of floats
/// are the same on any number of threads.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::demo) struct Draws {
    pub(in crate::demo) count: u64,
    expected: f64,
    variance: f64,
    counted: f64,
}

impl Draws {
    /// Something that happens with probability `p`, and whether it did.
    pub(in crate::demo) fn chance(&mut self, p: f64, happened: bool) {
        self.value(p, p * (1.0 - p), f64::from(u8::from(happened)));
    }

    /// A value with this mean and variance.
    pub(in crate::demo) fn value(&mut self, mean: f64, variance: f64, value: f64) {
        self.count += 1;
        self.expected += mean;
        self.variance += variance;
        self.counted += value;
    }

    pub(in crate::demo) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.expected += other.expected;
        self.variance += other.variance;
        self.counted += other.counted;
    }

    pub(in crate::demo) fn figure(&self) -> Figure {
        let count = self.count.max(1) as f64;
        Figure {
            truth: self.expected / count,
            counted: self.counted / count,
            tolerance: 4.0 * self.variance.sqrt() / count,
            count: self.count,
        }
    }

    /// How much higher the mean is than `other`'s, with the true difference given.
    pub(in crate::demo) fn above(&self, other: &Self, truth: f64) -> Figure {
        let (own, others) = (self.figure(), other.figure());
        Figure {
            truth,
            counted: own.counted - others.counted,
            tolerance: own.tolerance.hypot(others.tolerance),
            count: own.count + others.count,
        }
    }

    /// How many times as high the mean is as `other`'s; the tolerance by the delta method.
    pub(in crate::demo) fn times(&self, other: &Self) -> Figure {
        let (own, others) = (self.figure(), other.figure());
        let truth = own.truth / others.truth;
        let relative = (own.tolerance / own.truth).hypot(others.tolerance / others.truth);
        Figure {
            truth,
            counted: own.counted / others.counted,
            tolerance: truth * relative,
            count: own.count + others.count,
        }
    }
}

/// Adds each of `others` to its counterpart.
pub(in crate::demo) fn add_each<const N: usize>(draws: &mut [Draws; N], others: &[Draws; N]) {
    for (draws, others) in draws.iter_mut().zip(others) {
        draws.add(others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_the_mean_of_its_draws_and_four_standard_errors() {
        let mut draws = Draws::default();
        for happened in [true, false, false, true] {
            draws.chance(0.5, happened);
        }
        let figure = draws.figure();
        assert_eq!((figure.truth, figure.counted, figure.count), (0.5, 0.5, 4));
        assert_eq!(figure.tolerance, 4.0 * 0.25);
        assert!(figure.holds(1.5) && !figure.holds(1.51));
    }
}
