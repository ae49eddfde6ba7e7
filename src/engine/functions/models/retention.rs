//! `shifted_beta_geometric_…`, `beta_discrete_weibull_…`: who renews under contract.

use std::sync::Arc;

use cvm_models::fit::ParameterError;
use cvm_models::retention::RetentionModel;
use cvm_models::retention::beta_discrete_weibull::BetaDiscreteWeibull;
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use datafusion::logical_expr::ScalarUDF;

use super::{Argument, Definition, Example, MOST_COUNTED, count, function};

type AnyModel = Box<dyn RetentionModel>;

const PERIODS: Argument = (
    "periods",
    "Periods of the contract, each of which ends with a renewal or without: a whole number, 0 for the beginning.",
);

/// The survival of customers by every model of retention, ready to register.
pub(in crate::engine::functions) fn of_retention() -> [Arc<ScalarUDF>; 2] {
    let shifted_beta_geometric = Survival {
        prefix: "shifted_beta_geometric",
        name: "the shifted beta-geometric",
        paper: "Fader & Hardie 2007, \"How to project customer retention\", Journal of Interactive Marketing 21(1)",
        parameters: &[
            (
                "alpha",
                "First shape of the beta distribution of the probability of leaving: positive, without a unit.",
            ),
            (
                "beta",
                "Second shape of the beta distribution of the probability of leaving: positive, without a unit.",
            ),
        ],
        model: |p| Ok(Box::new(ShiftedBetaGeometric::new(p[0], p[1])?)),
        example: "0.668, 3.806, 7",
        answer: "0.4889",
    };
    let beta_discrete_weibull = Survival {
        prefix: "beta_discrete_weibull",
        name: "the beta-discrete-Weibull",
        paper: "Fader, Hardie, Liu, Davin & Steenburgh 2018, \"'How to project customer retention' revisited\", Journal \
                of Interactive Marketing 43",
        parameters: &[
            (
                "gamma",
                "First shape of the beta distribution of the probability of leaving in the first period: positive, \
                 without a unit.",
            ),
            (
                "delta",
                "Second shape of the beta distribution of the probability of leaving in the first period: positive, \
                 without a unit.",
            ),
            (
                "c",
                "Duration dependence: positive; above 1 a customer becomes likelier to leave with age, below 1 less likely.",
            ),
        ],
        model: |p| Ok(Box::new(BetaDiscreteWeibull::new(p[0], p[1], p[2])?)),
        example: "0.668, 3.806, 1.2, 7",
        answer: "0.4076",
    };
    [shifted_beta_geometric, beta_discrete_weibull].map(Survival::function)
}

/// A model whose survival is asked for.
struct Survival {
    prefix: &'static str,
    name: &'static str,
    paper: &'static str,
    parameters: &'static [Argument],
    model: fn(&[f64]) -> Result<AnyModel, ParameterError>,
    example: &'static str,
    answer: &'static str,
}

impl Survival {
    fn function(self) -> Arc<ScalarUDF> {
        function(Definition {
            name: format!("{}_survival", self.prefix),
            description: format!(
                "The share of new customers who are still there after so many periods, by {}. \
                 The length of a period is that of the fit. Paper: {}.",
                self.name, self.paper
            ),
            parameters: self.parameters,
            arguments: &[PERIODS],
            model: self.model,
            value: |model, given| {
                let renewals = count(PERIODS.0, given[0], MOST_COUNTED)?;
                Ok(Some(model.survival(renewals)))
            },
            example: Example {
                arguments: self.example.to_owned(),
                column: "survival",
                value: self.answer,
            },
        })
    }
}
