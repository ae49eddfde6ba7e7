//! `bg_nbd_…`, `mbg_nbd_…`, `pareto_nbd_…`, `ggompertz_nbd_…`: how often a customer will buy.
//!
//! Every question can be asked of every model: a function a pair.

use std::sync::Arc;

use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::ggompertz_nbd::GGompertzNbd;
use cvm_models::btyd::mbg_nbd::MbgNbd;
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::btyd::{PurchaseModel, Summary};
use cvm_models::fit::ParameterError;
use datafusion::logical_expr::ScalarUDF;

use super::{
    Argument, Definition, Example, MOST_COUNTED, ValueDefect, count, function, length, positive,
};

type AnyModel = Box<dyn PurchaseModel>;

/// A model that questions can be asked of.
pub(in crate::engine::functions) struct PurchaseFunctions {
    /// What the functions' names begin with.
    prefix: &'static str,
    name: &'static str,
    paper: &'static str,
    parameters: &'static [Argument],
    model: fn(&[f64]) -> Result<AnyModel, ParameterError>,
    /// Parameters of the examples.
    example: &'static str,
    /// The answers to [`QUESTIONS`] in their examples.
    answers: [&'static str; QUESTIONS.len()],
}

/// A question that can be asked of a model.
struct Question {
    /// What the functions' names end with, and the examples' column.
    name: &'static str,
    /// A sentence, but for the model's name and its stop.
    summary: &'static str,
    more: &'static str,
    arguments: &'static [Argument],
    value: fn(&AnyModel, &[f64]) -> Result<Option<f64>, ValueDefect>,
    /// Arguments of the examples.
    example: &'static str,
}

/// Every question asked of a model, ready to register.
pub(in crate::engine::functions) fn of_purchases(
    model: &PurchaseFunctions,
) -> impl Iterator<Item = Arc<ScalarUDF>> {
    QUESTIONS
        .iter()
        .zip(model.answers)
        .map(move |(question, value)| {
            function(Definition {
                name: format!("{}_{}", model.prefix, question.name),
                description: format!(
                    "{}, by {}. {}Times have one unit throughout, that of the fit. Paper: {}.",
                    question.summary, model.name, question.more, model.paper
                ),
                parameters: model.parameters,
                arguments: question.arguments,
                model: model.model,
                value: question.value,
                example: Example {
                    arguments: format!("{}, {}", model.example, question.example),
                    column: question.name,
                    value,
                },
            })
        })
}

const R: Argument = (
    "r",
    "Shape of the gamma distribution of purchase rates over customers: positive, without a unit.",
);
const ALPHA: Argument = (
    "alpha",
    "Rate of the gamma distribution of purchase rates: positive, in the unit of time.",
);

const BETA_GEOMETRIC: [Argument; 4] = [
    R,
    ALPHA,
    (
        "a",
        "First shape of the beta distribution of the probability of leaving after a purchase: positive, without a unit.",
    ),
    (
        "b",
        "Second shape of the beta distribution of the probability of leaving after a purchase: positive, without a unit.",
    ),
];

pub(in crate::engine::functions) const BG_NBD: PurchaseFunctions = PurchaseFunctions {
    prefix: "bg_nbd",
    name: "BG/NBD",
    paper: "Fader, Hardie & Lee 2005, \"Counting your customers the easy way\", Marketing Science 24(2)",
    parameters: &BETA_GEOMETRIC,
    model: |p| Ok(Box::new(BgNbd::new(p[0], p[1], p[2], p[3])?)),
    example: "0.243, 4.414, 0.793, 2.426",
    answers: ["0.7266", "1.226", "1.4461", "0.2393", "6.2413"],
};

pub(in crate::engine::functions) const MBG_NBD: PurchaseFunctions = PurchaseFunctions {
    prefix: "mbg_nbd",
    name: "MBG/NBD",
    paper: "Batislam, Denizel & Filiztekin 2007, \"Empirical validation and comparison of models for customer base \
            analysis\", International Journal of Research in Marketing 24(3)",
    parameters: &BETA_GEOMETRIC,
    model: |p| Ok(Box::new(MbgNbd::new(p[0], p[1], p[2], p[3])?)),
    example: "0.525, 6.183, 0.891, 1.614",
    answers: ["0.7062", "1.263", "1.4197", "0.2342", "5.8606"],
};

pub(in crate::engine::functions) const PARETO_NBD: PurchaseFunctions = PurchaseFunctions {
    prefix: "pareto_nbd",
    name: "Pareto/NBD",
    paper: "Schmittlein, Morrison & Colombo 1987, \"Counting your customers\", Management Science 33(1)",
    parameters: &[
        R,
        ALPHA,
        (
            "s",
            "Shape of the gamma distribution of leaving rates over customers: positive, without a unit.",
        ),
        (
            "beta",
            "Rate of the gamma distribution of leaving rates: positive, in the unit of time.",
        ),
    ],
    model: |p| Ok(Box::new(ParetoNbd::new(p[0], p[1], p[2], p[3])?)),
    example: "0.553, 10.578, 0.606, 11.669",
    answers: ["0.8692", "1.4551", "1.473", "0.2193", "7.9899"],
};

pub(in crate::engine::functions) const GGOMPERTZ_NBD: PurchaseFunctions = PurchaseFunctions {
    prefix: "ggompertz_nbd",
    name: "GGompertz/NBD",
    paper: "Bemmaor & Glady 2012, \"Modeling purchasing behavior with sudden 'death'\", Management Science 58(5)",
    parameters: &[
        R,
        ALPHA,
        (
            "b",
            "Growth of the Gompertz hazard of leaving with age: positive, in 1 by the unit of time.",
        ),
        (
            "s",
            "Shape of the gamma distribution of the hazard's scale over customers: positive, without a unit.",
        ),
        (
            "beta",
            "Rate of the gamma distribution of the hazard's scale: positive, without a unit.",
        ),
    ],
    model: |p| Ok(Box::new(GGompertzNbd::new(p[0], p[1], p[2], p[3], p[4])?)),
    example: "0.553, 10.578, 0.02, 0.606, 0.3",
    answers: ["0.8203", "1.2219", "1.4556", "0.2063", "2.6195"],
};

const FREQUENCY: Argument = (
    "frequency",
    "Repeat purchases so far: a whole number, 0 for who bought once.",
);
const RECENCY_AGE: Argument = (
    "recency_age",
    "Age at the last purchase, in the unit of time: 0 where frequency is 0, else above 0.",
);
const CUSTOMER_AGE: Argument = (
    "customer_age",
    "Age at the end of the observed time, in the unit of time: at least recency_age.",
);
const TIME: Argument = (
    "time",
    "Time ahead, in the unit of time: finite and not negative.",
);
const COUNT: Argument = (
    "count",
    "Number of purchases in the time ahead: a whole number up to 100000.",
);
const FORCE_OF_INTEREST: Argument = (
    "force_of_interest",
    "Force of interest for one unit of time, positive: ln(1 + annual rate) / 52 where that is a week.",
);

const QUESTIONS: [Question; 5] = [
    Question {
        name: "probability_alive",
        summary: "The probability that a customer of this history still is one at customer_age",
        more: "",
        arguments: &[FREQUENCY, RECENCY_AGE, CUSTOMER_AGE],
        value: |model, given| Ok(Some(model.probability_alive(&history(given)?))),
        example: "2, 30.43, 38.86",
    },
    Question {
        name: "expected_purchases",
        summary: "The purchases expected of a customer of this history in the time after customer_age",
        more: "",
        arguments: &[TIME, FREQUENCY, RECENCY_AGE, CUSTOMER_AGE],
        value: |model, given| {
            let (time, customer) = (length(TIME.0, given[0])?, history(&given[1..])?);
            Ok(Some(model.expected_purchases(time, &customer)))
        },
        example: "39, 2, 30.43, 38.86",
    },
    Question {
        name: "expected_purchases_new_customer",
        summary: "The repeat purchases expected of a new customer in the time after the first purchase",
        more: "",
        arguments: &[TIME],
        value: |model, given| {
            let time = length(TIME.0, given[0])?;
            Ok(Some(model.expected_purchases_new_customer(time)))
        },
        example: "52",
    },
    Question {
        name: "probability_of_purchases",
        summary: "The probability that a customer of this history makes exactly count purchases in the time after \
                  customer_age",
        more: "",
        arguments: &[COUNT, TIME, FREQUENCY, RECENCY_AGE, CUSTOMER_AGE],
        value: probability_of_purchases,
        example: "1, 39, 2, 30.43, 38.86",
    },
    Question {
        name: "discounted_expected_residual_transactions",
        summary: "All purchases ever expected of a customer of this history after customer_age, each discounted to it (DERT)",
        more: "See Fader, Hardie & Lee 2005, \"RFM and CLV\", Journal of Marketing Research 42(4). ",
        arguments: &[FORCE_OF_INTEREST, FREQUENCY, RECENCY_AGE, CUSTOMER_AGE],
        value: |model, given| {
            let force = positive(FORCE_OF_INTEREST.0, given[0])?;
            let customer = history(&given[1..])?;
            let residual = model.discounted_expected_residual_transactions(force, &customer);
            Ok(Some(residual))
        },
        example: "0.0019, 2, 30.43, 38.86",
    },
];

/// Frequency, recency_age and customer_age.
fn history(given: &[f64]) -> Result<Summary, ValueDefect> {
    let frequency = count(FREQUENCY.0, given[0], MOST_COUNTED)?;
    Ok(Summary::new(frequency, given[1], given[2])?)
}

fn probability_of_purchases(model: &AnyModel, given: &[f64]) -> Result<Option<f64>, ValueDefect> {
    /// A distribution is computed from 0 on, so that a count costs time and memory.
    const MOST: u64 = 100_000;
    let purchases = count(COUNT.0, given[0], MOST)?;
    let (time, customer) = (length(TIME.0, given[1])?, history(&given[2..])?);
    let mut probabilities = vec![0.0; purchases as usize + 1];
    model.distribution(time, &customer, &mut probabilities);
    Ok(probabilities.last().copied())
}
