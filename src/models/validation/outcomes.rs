//! Predictions against outcomes, customer by customer.

use super::rows::{Row, canonical, sum};
use super::{Decile, ValidationError, ranking};

/// What was predicted of each customer, and what came. At least one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes {
    rows: Vec<Row<()>>,
}

impl Outcomes {
    /// One row a customer.
    ///
    /// # Errors
    /// Where there are no rows, the columns differ in length or a number is not finite; the first such row is named.
    pub fn new(predicted: &[f64], actual: &[f64]) -> Result<Self, ValidationError> {
        Self::build(predicted, actual, None)
    }

    /// One row for `customers` customers of the same prediction and outcome. Equal rows may occur.
    ///
    /// # Errors
    /// As [`Outcomes::new`], and where a row stands for no customer.
    pub fn weighted(
        predicted: &[f64],
        actual: &[f64],
        customers: &[u64],
    ) -> Result<Self, ValidationError> {
        Self::build(predicted, actual, Some(customers))
    }

    fn build(
        predicted: &[f64],
        actual: &[f64],
        customers: Option<&[u64]>,
    ) -> Result<Self, ValidationError> {
        let columns = [("predicted", predicted), ("actual", actual)];
        Ok(Self {
            rows: canonical(|_| (), columns, customers)?,
        })
    }

    /// The number of customers.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.rows.iter().map(|row| row.count).sum()
    }

    /// Σ of what was predicted.
    #[must_use]
    pub fn expected(&self) -> f64 {
        sum(&self.rows, |row| row.predicted)
    }

    /// Σ of what came.
    #[must_use]
    pub fn actual(&self) -> f64 {
        sum(&self.rows, |row| row.actual)
    }

    /// Mean absolute error, in the unit of the predictions.
    #[must_use]
    pub fn mean_absolute_error(&self) -> f64 {
        self.mean(|row| (row.predicted - row.actual).abs())
    }

    /// Root mean squared error, in the unit of the predictions.
    #[must_use]
    pub fn root_mean_squared_error(&self) -> f64 {
        self.mean(|row| (row.predicted - row.actual).powi(2)).sqrt()
    }

    /// Σ predicted / Σ actual − 1: above 0 where too much was predicted in all. `None` unless Σ actual is above 0.
    #[must_use]
    pub fn bias(&self) -> Option<f64> {
        let actual = self.actual();
        let bias = self.expected() / actual - 1.0;
        (actual > 0.0 && bias.is_finite()).then_some(bias)
    }

    /// The Gini coefficient of the actuals in the order of the predictions, relative to that in their own order: 1 for a
    /// ranking without a fault, 0 for one that is as good as none, negative for one that is the wrong way round. For
    /// actuals of 0 and 1 it is 2 AUC − 1.
    ///
    /// Customers of the same prediction are taken to be in no order, which is the mean over all orders of them. `None`
    /// where no ranking is better than another: all actuals are equal, or they do not sum to something above 0.
    #[must_use]
    pub fn gini(&self) -> Option<f64> {
        ranking::gini(&self.rows)
    }

    /// Tenths of the customers by what was predicted, from the highest predictions to the lowest, [`super::DECILES`] of
    /// them.
    ///
    /// Customers of the same prediction are never separated, so that nothing depends on the order of rows: they all go to
    /// the decile in which the middle one of them lies. Where many are predicted alike, deciles differ in size, and some
    /// may have no customers.
    #[must_use]
    pub fn deciles(&self) -> Vec<Decile> {
        ranking::deciles(&self.rows)
    }

    fn mean(&self, value: impl Fn(&Row<()>) -> f64 + Sync) -> f64 {
        sum(&self.rows, value) / crate::btyd::exact(self.customers())
    }
}
