//! Features on one scale.

use super::Points;
use crate::chunks::ordered_fold;

/// sign(x) ln(1 + |x|): the logarithm for features whose large values are few, which keeps 0 and the sign.
#[must_use]
pub fn signed_log(value: f64) -> f64 {
    value.abs().ln_1p().copysign(value)
}

/// Where a feature lies and how far it spreads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over n, positive; none where all values are equal.
    pub deviation: Option<f64>,
}

impl Scale {
    /// (value − mean) / deviation, and 0 without a deviation; what is further from the mean than `limit` deviations is
    /// taken to be so far, so that a few customers who are like nobody do not make a cluster of their own.
    #[must_use]
    pub fn standardised(&self, value: f64, limit: f64) -> f64 {
        let z = self
            .deviation
            .map_or(0.0, |deviation| (value - self.mean) / deviation);
        z.max(-limit).min(limit)
    }
}

/// The scale of each feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Scales {
    scales: Vec<Scale>,
}

impl Scales {
    /// Of the columns of `points`.
    #[must_use]
    pub fn of(points: &Points) -> Self {
        let columns = 0..points.dimensions();
        Self {
            scales: columns.map(|column| scale_of(points, column)).collect(),
        }
    }

    /// One a column.
    #[must_use]
    pub fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// The columns that vary, in their order.
    #[must_use]
    pub fn varying(&self) -> Vec<usize> {
        let scales = self.scales.iter().enumerate();
        scales
            .filter(|(_, scale)| scale.deviation.is_some())
            .map(|(column, _)| column)
            .collect()
    }

    /// The columns that vary, standardised within `limit`. The points are those that the scales are of, or like them.
    #[must_use]
    pub fn standardised(&self, points: &Points, limit: f64) -> Points {
        points.mapped(&self.varying(), |column, value| {
            self.scales[column].standardised(value, limit)
        })
    }
}

fn scale_of(points: &Points, column: usize) -> Scale {
    let n = points.len() as f64;
    let of = |position: usize| points.row(position)[column];
    let sum = |part: &(dyn Fn(f64) -> f64 + Sync)| {
        ordered_fold(
            points.len(),
            0.0,
            |rows| rows.map(|row| part(of(row))).sum::<f64>(),
            |sum, part| sum + part,
        )
    };
    if points.is_empty() {
        return Scale {
            mean: 0.0,
            deviation: None,
        };
    }
    let mean = sum(&|value| value) / n;
    let varies = (1..points.len()).any(|row| of(row) != of(0));
    let deviation = (sum(&|value| (value - mean) * (value - mean)) / n).sqrt();
    Scale {
        mean,
        // A deviation may underflow where values differ in their last bits alone.
        deviation: Some(deviation).filter(|deviation| varies && *deviation > 0.0),
    }
}
