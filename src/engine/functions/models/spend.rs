//! `gamma_gamma_…`: what a purchase is worth.

use std::sync::Arc;

use cvm_models::fit::ParameterError;
use cvm_models::spend::Spender;
use cvm_models::spend::gamma_gamma::GammaGamma;
use datafusion::logical_expr::ScalarUDF;

use super::{Argument, Definition, Example, MOST_COUNTED, ValueDefect, count, function};

const PARAMETERS: [Argument; 3] = [
    (
        "p",
        "Shape of the gamma distribution of the worth of a customer's purchases: positive, without a unit.",
    ),
    (
        "q",
        "Shape of the gamma distribution of its rate over customers: positive, without a unit.",
    ),
    (
        "v",
        "Rate of the gamma distribution of its rate over customers: positive, in the unit of money.",
    ),
];
const FREQUENCY: Argument = (
    "frequency",
    "Purchases that monetary_value is the mean of: a whole number, by convention of repeat purchases.",
);
const MONETARY_VALUE: Argument = (
    "monetary_value",
    "Mean spend over these purchases, in the unit of money: positive, and 0 where frequency is 0.",
);
const PAPER: &str = "Fader & Hardie 2013, \"The Gamma-Gamma model of monetary value\"";

/// Every question asked of Gamma-Gamma, ready to register.
pub(in crate::engine::functions) fn of_spend() -> [Arc<ScalarUDF>; 2] {
    let expected_spend = Definition {
        name: "gamma_gamma_expected_spend".to_owned(),
        description: format!(
            "The spend expected of a customer at each purchase to come, given the mean so far, by Gamma-Gamma. \
             Of a customer with frequency 0 it is gamma_gamma_mean_spend. Null where the model has no mean, \
             p * frequency + q <= 1. Paper: {PAPER}."
        ),
        parameters: &PARAMETERS,
        arguments: &[FREQUENCY, MONETARY_VALUE],
        model: new,
        value: expected_spend,
        example: Example {
            arguments: "6.25, 3.74, 15.44, 2, 22.35".to_owned(),
            column: "expected_spend",
            value: "24.6637",
        },
    };
    let mean_spend = Definition {
        name: "gamma_gamma_mean_spend".to_owned(),
        description: format!(
            "The spend expected at a purchase of a customer of whom nothing is known, by Gamma-Gamma. Null where the \
             model has no mean, q <= 1. Paper: {PAPER}."
        ),
        parameters: &PARAMETERS,
        arguments: &[],
        model: new,
        value: |model, _| Ok(model.mean_spend()),
        example: Example {
            arguments: "6.25, 3.74, 15.44".to_owned(),
            column: "mean_spend",
            value: "35.219",
        },
    };
    [function(expected_spend), function(mean_spend)]
}

fn new(p: &[f64]) -> Result<GammaGamma, ParameterError> {
    GammaGamma::new(p[0], p[1], p[2])
}

fn expected_spend(model: &GammaGamma, given: &[f64]) -> Result<Option<f64>, ValueDefect> {
    let purchases = count(FREQUENCY.0, given[0], MOST_COUNTED)?;
    let monetary_value = given[1];
    if purchases == 0 {
        // As the model's paper has it: the mean of no purchase is written 0, and has no weight.
        return if monetary_value == 0.0 {
            Ok(model.mean_spend())
        } else {
            Err(ValueDefect::SpendWithoutPurchase { monetary_value })
        };
    }
    Ok(model.expected_spend(&Spender::new(purchases, monetary_value)?))
}
