//! Predictions: those of the base model with the parameters of the customer.

use std::collections::HashMap;

use rayon::prelude::*;

use super::customers::{Grouping, check_column, check_length};
use super::{AcceptsCovariates, CovariatesError, WithCovariates, shifted};
use crate::btyd::summaries::parse;
use crate::btyd::{Horizon, IfAlive, Prediction, SummariesError, Summary};
use crate::fit::ParameterError;

impl<M: AcceptsCovariates> WithCovariates<M> {
    /// The base model of a customer whose covariates are all 0.
    #[must_use]
    pub fn base(&self) -> &M {
        &self.base
    }

    /// The names of the covariates, in the order in which their values are expected.
    #[must_use]
    pub fn covariates(&self) -> &[String] {
        &self.covariates
    }

    /// The base model with the parameters of a customer with these covariates, from which every prediction follows.
    ///
    /// # Errors
    /// Where there is not one finite value a covariate, or a parameter would leave the range of numbers.
    pub fn for_customer(&self, z: &[f64]) -> Result<M, CovariatesError> {
        self.check_count(z.len())?;
        for (covariate, value) in self.covariates.iter().zip(z) {
            check_column(covariate, std::slice::from_ref(value))?;
        }
        self.shifted(z)
            .map_err(|error| CovariatesError::Extreme { row: 0, error })
    }

    fn shifted(&self, z: &[f64]) -> Result<M, ParameterError> {
        let theta = shifted::<M>(&self.base.theta(), &self.coefficients, z);
        M::from_theta(&theta)
    }

    /// [`PurchaseModel::predict`](crate::btyd::PurchaseModel::predict) for customers with covariates, one column each in the order of
    /// [`WithCovariates::covariates`]. A row's result depends on it alone.
    ///
    /// # Errors
    /// Where the columns differ in number or length, or a row is no possible history or has no possible covariates; the
    /// first such row is named, histories before covariates.
    pub fn predict_all(
        &self,
        horizon: &Horizon,
        frequency: &[u64],
        recency_age: &[f64],
        customer_age: &[f64],
        covariates: &[&[f64]],
    ) -> Result<Vec<Prediction>, CovariatesError> {
        self.check_count(covariates.len())?;
        parse(frequency, recency_age, customer_age, None)?;
        for (name, values) in self.covariates.iter().zip(covariates) {
            check_length(name, values.len(), frequency.len())?;
            check_column(name, values)?;
        }
        let grouping = Grouping::new(covariates, frequency.len());
        let model = |rows: &[usize]| {
            let z: Vec<f64> = covariates.iter().map(|column| column[rows[0]]).collect();
            self.shifted(&z).map_err(|error| CovariatesError::Extreme {
                row: rows[0],
                error,
            })
        };
        let groups: Vec<&[usize]> = grouping
            .groups()
            .into_iter()
            .map(|group| &grouping.order[group])
            .collect();
        let extreme = groups.par_iter().filter_map(|rows| model(rows).err());
        // The first of the table, whatever the order of the groups.
        if let Some(error) = extreme.min_by_key(|error| match error {
            CovariatesError::Extreme { row, .. } => *row,
            _ => 0,
        }) {
            return Err(error);
        }
        let of_group = |rows: &&[usize]| -> Result<Vec<Prediction>, CovariatesError> {
            let model = model(rows)?;
            // What is ahead of those who are alive is dear, and depends on the pair alone.
            let mut ahead: HashMap<(u64, u64), IfAlive> = HashMap::new();
            let predict = |&row: &usize| {
                let customer = Summary::new(frequency[row], recency_age[row], customer_age[row])
                    .map_err(|defect| SummariesError::Row { row, defect })?;
                let (x, age) = (customer.frequency(), customer.customer_age());
                let ahead = *ahead
                    .entry((x, age.to_bits()))
                    .or_insert_with(|| model.if_alive(horizon, x, age));
                let alive = model.probability_alive(&customer);
                Ok(Prediction::of(alive, ahead))
            };
            rows.iter().map(predict).collect()
        };
        let groups: Vec<Vec<Prediction>> =
            groups.par_iter().map(of_group).collect::<Result<_, _>>()?;
        let mut predictions: Vec<(usize, Prediction)> = grouping
            .order
            .iter()
            .copied()
            .zip(groups.into_iter().flatten())
            .collect();
        predictions.par_sort_unstable_by_key(|(row, _)| *row);
        Ok(predictions.into_iter().map(|(_, p)| p).collect())
    }

    fn check_count(&self, given: usize) -> Result<(), CovariatesError> {
        let expected = self.covariates.len();
        if given == expected {
            Ok(())
        } else {
            Err(CovariatesError::Count { given, expected })
        }
    }
}
