//! `buy_till_you_die`: who is still a customer, how often they will buy, what that is worth.
//!
//! A purchase model (BG/NBD: Fader, Hardie & Lee 2005) is fitted on the distinct (frequency, recency_age,
//! customer_age) with their counts, a spend model (Gamma-Gamma: Fader & Hardie 2013) on the customers with a repeat
//! purchase and a positive mean value. Lifetime value is the expected spend times the expected purchases within the
//! horizon, each discounted to the day of the run. Where a figure cannot be given it is null, and `reason` says why.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Builder, Int64Array, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use cvm_models::btyd::bg_nbd::{BgNbd, BgNbdParams};
use cvm_models::btyd::{Horizon, Prediction, PurchaseModel, Summaries, Summary};
use cvm_models::fit::Fit;
use cvm_models::spend::gamma_gamma::{GammaGamma, GammaGammaParams};
use cvm_models::spend::{Spender, Spenders};
use rayon::slice::ParallelSliceMut;

use super::columns::{doubles, integers};
use super::{
    BuildError, CheckedScorer, FitInput, FitRow, FittedScorer, InputColumn, OutputColumn,
    Parameters, ScoreError, Scorer, ValueSettings,
};
use crate::spec::SqlType;

/// Days a year in a discount rate.
const DAYS_PER_YEAR: f64 = 365.25;

const INPUT: &[InputColumn] = &[
    InputColumn {
        name: "customer_id",
        sql_type: SqlType::Varchar,
    },
    InputColumn {
        name: "frequency",
        sql_type: SqlType::Bigint,
    },
    InputColumn {
        name: "recency_age",
        sql_type: SqlType::Bigint,
    },
    InputColumn {
        name: "customer_age",
        sql_type: SqlType::Bigint,
    },
    InputColumn {
        name: "monetary_value",
        sql_type: SqlType::Double,
    },
];

const fn output(name: &'static str, sql_type: SqlType, description: &'static str) -> OutputColumn {
    OutputColumn {
        name,
        sql_type,
        description,
    }
}

const OUTPUT: &[OutputColumn] = &[
    output("customer_id", SqlType::Varchar, "The customer."),
    output(
        "frequency",
        SqlType::Bigint,
        "Days with a purchase after the first.",
    ),
    output(
        "recency_age",
        SqlType::Bigint,
        "Days from the first to the last purchase.",
    ),
    output(
        "customer_age",
        SqlType::Bigint,
        "Days from the first purchase to the last observed day.",
    ),
    output(
        "probability_alive",
        SqlType::Double,
        "Probability that the customer is still one, 0 to 1.",
    ),
    output(
        "expected_purchases",
        SqlType::Double,
        "Expected purchase days within the horizon.",
    ),
    output(
        "expected_spend",
        SqlType::Double,
        "Expected value of a purchase day.",
    ),
    output(
        "customer_lifetime_value",
        SqlType::Double,
        "Expected value within the horizon, discounted.",
    ),
    output(
        "reason",
        SqlType::Varchar,
        "Why a figure is missing; null where none is.",
    ),
];

/// The scorer.
#[derive(Debug)]
pub struct BuyTillYouDie;

impl Scorer for BuyTillYouDie {
    fn name(&self) -> &'static str {
        "buy_till_you_die"
    }

    fn description(&self) -> &'static str {
        "Probability of being alive, expected purchases, spend and discounted lifetime value of each customer."
    }

    fn example(&self) -> &'static str {
        "customer_lifetimes:\n  scorer: buy_till_you_die\n  input: int_customers_summarised\n  \
         model: bg_nbd\n  spend_model: gamma_gamma\n  time_unit: week\n"
    }

    fn build(
        &self,
        parameters: &mut Parameters<'_>,
        value: &ValueSettings,
    ) -> Result<Box<dyn CheckedScorer>, Vec<BuildError>> {
        parameters.choice("model", &["bg_nbd"], "bg_nbd");
        parameters.choice("spend_model", &["gamma_gamma"], "gamma_gamma");
        let unit = parameters.choice("time_unit", &["day", "week"], "week");
        parameters.finish()?;
        let days_per_unit = if unit == "week" { 7.0 } else { 1.0 };
        let horizon = Horizon::new(
            value.horizon_days as f64 / days_per_unit,
            value.annual_discount_rate,
            DAYS_PER_YEAR / days_per_unit,
        )
        .map_err(|error| {
            let help = "mend horizon_days or annual_discount_rate under `value`".to_owned();
            vec![BuildError {
                parameter: None,
                message: error.to_string(),
                help,
            }]
        })?;
        Ok(Box::new(Checked {
            horizon,
            days_per_unit,
        }))
    }
}

/// The scorer with its parameters checked.
struct Checked {
    horizon: Horizon,
    days_per_unit: f64,
}

impl CheckedScorer for Checked {
    fn input(&self) -> &'static [InputColumn] {
        INPUT
    }

    fn output(&self) -> &'static [OutputColumn] {
        OUTPUT
    }

    fn fit_inputs(&self) -> Vec<FitInput> {
        vec![
            FitInput {
                columns: &["frequency", "recency_age", "customer_age"],
                condition: "true",
                distinct: true,
            },
            FitInput {
                columns: &["frequency", "monetary_value"],
                condition: "frequency > 0 and monetary_value > 0",
                distinct: false,
            },
        ]
    }

    fn fit(&self, inputs: &[Vec<RecordBatch>]) -> Result<Box<dyn FittedScorer>, ScoreError> {
        let [summaries, spenders] = inputs else {
            return Err(ScoreError::MissingColumn("frequency"));
        };
        let mut fits = Vec::new();
        let purchases = self.fit_purchases(summaries, &mut fits)?;
        let spend = fit_spend(spenders, &mut fits)?;
        Ok(Box::new(Fitted {
            horizon: self.horizon,
            days_per_unit: self.days_per_unit,
            purchases,
            spend,
            fits,
        }))
    }
}

impl Checked {
    fn fit_purchases(
        &self,
        batches: &[RecordBatch],
        fits: &mut Vec<FitRow>,
    ) -> Result<Option<BgNbd>, ScoreError> {
        let mut rows: Vec<[i64; 4]> = Vec::new();
        for batch in batches {
            let columns = ["frequency", "recency_age", "customer_age", "customers"];
            let [x, recency, age, count] = columns.map(|name| integers(batch, name));
            let (x, recency, age, count) = (x?, recency?, age?, count?);
            rows.extend((0..batch.num_rows()).map(|row| {
                [
                    x.value(row),
                    recency.value(row),
                    age.value(row),
                    count.value(row),
                ]
            }));
        }
        // The rows come in no order; sums of floats need one.
        rows.par_sort_unstable();
        let count = |value: i64| u64::try_from(value).unwrap_or_default();
        let frequency: Vec<u64> = rows.iter().map(|row| count(row[0])).collect();
        let recency: Vec<f64> = rows
            .iter()
            .map(|row| row[1] as f64 / self.days_per_unit)
            .collect();
        let age: Vec<f64> = rows
            .iter()
            .map(|row| row[2] as f64 / self.days_per_unit)
            .collect();
        let customers: Vec<u64> = rows.iter().map(|row| count(row[3])).collect();
        let distinct = rows.len();
        let summaries = Summaries::weighted(&frequency, &recency, &age, &customers)
            .map_err(|error| impossible("int_customers_summarised", &error))?;
        let seen = customers.iter().sum();
        let fit = BgNbdParams::default()
            .check()
            .and_then(|params| params.fit(&summaries))
            .map_err(|error| error.to_string());
        Ok(accept("bg_nbd", fit, seen, distinct, fits))
    }
}

fn fit_spend(
    batches: &[RecordBatch],
    fits: &mut Vec<FitRow>,
) -> Result<Option<GammaGamma>, ScoreError> {
    let mut rows: Vec<(u64, f64)> = Vec::new();
    for batch in batches {
        let frequency = integers(batch, "frequency")?;
        let value = doubles(batch, "monetary_value")?;
        rows.extend((0..batch.num_rows()).map(|row| {
            (
                u64::try_from(frequency.value(row)).unwrap_or_default(),
                value.value(row),
            )
        }));
    }
    rows.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (frequency, value): (Vec<u64>, Vec<f64>) = rows.into_iter().unzip();
    let distinct = frequency.len();
    let spenders = Spenders::new(&frequency, &value)
        .map_err(|error| impossible("int_customers_summarised", &error))?;
    let fit = GammaGammaParams::default()
        .check()
        .and_then(|params| params.fit(&spenders))
        .map_err(|error| error.to_string());
    Ok(accept("gamma_gamma", fit, distinct as u64, distinct, fits))
}

fn impossible(input: &'static str, error: &dyn std::error::Error) -> ScoreError {
    ScoreError::ImpossibleRow {
        input,
        message: error.to_string(),
    }
}

/// Notes a fit and hands its model on where it can be used.
fn accept<M>(
    model: &'static str,
    fit: Result<Fit<M>, String>,
    customers: u64,
    distinct: usize,
    fits: &mut Vec<FitRow>,
) -> Option<M> {
    let row = FitRow {
        model,
        parameter: "",
        estimate: None,
        standard_error: None,
        log_likelihood: None,
        customers: i64::try_from(customers).unwrap_or(i64::MAX),
        distinct_summaries: i64::try_from(distinct).unwrap_or(i64::MAX),
        converged: false,
        iterations: 0,
        reason: None,
    };
    let fit = match fit {
        Ok(fit) => fit,
        Err(reason) => {
            fits.push(FitRow {
                reason: Some(reason),
                ..row
            });
            return None;
        }
    };
    let converged = fit.convergence.converged;
    for estimate in &fit.estimates {
        fits.push(FitRow {
            parameter: estimate.name,
            estimate: Some(estimate.value),
            standard_error: estimate.standard_error,
            log_likelihood: Some(fit.log_likelihood),
            converged,
            iterations: i64::from(fit.convergence.iterations),
            reason: (!converged).then(|| "the search did not converge".to_owned()),
            ..row.clone()
        });
    }
    converged.then_some(fit.model)
}

/// The scorer after its fits. A model that could not be fitted is absent, and its figures are null.
struct Fitted {
    horizon: Horizon,
    days_per_unit: f64,
    purchases: Option<BgNbd>,
    spend: Option<GammaGamma>,
    fits: Vec<FitRow>,
}

impl FittedScorer for Fitted {
    fn fits(&self) -> Vec<FitRow> {
        self.fits.clone()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError> {
        let frequency = integers(batch, "frequency")?;
        let recency = integers(batch, "recency_age")?;
        let age = integers(batch, "customer_age")?;
        let value = doubles(batch, "monetary_value")?;
        let id = batch
            .column_by_name("customer_id")
            .ok_or(ScoreError::MissingColumn("customer_id"))?;
        let mut scores = Columns::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let frequency = u64::try_from(frequency.value(row)).unwrap_or_default();
            let purchases = self.purchases(frequency, recency.value(row), age.value(row))?;
            let mean_value = value.is_valid(row).then(|| value.value(row));
            let spend = self.spend(frequency, mean_value);
            scores.append(purchases, spend);
        }
        scores.finish(id, frequency, recency, age)
    }
}

impl Fitted {
    fn purchases(
        &self,
        frequency: u64,
        recency: i64,
        age: i64,
    ) -> Result<Result<Prediction, &'static str>, ScoreError> {
        let Some(model) = &self.purchases else {
            return Ok(Err("no_purchase_model"));
        };
        let unit = self.days_per_unit;
        let customer = Summary::new(frequency, recency as f64 / unit, age as f64 / unit)
            .map_err(|error| impossible("int_customers_summarised", &error))?;
        Ok(Ok(model.predict(&self.horizon, &customer)))
    }

    fn spend(&self, frequency: u64, mean_value: Option<f64>) -> Result<f64, &'static str> {
        if frequency == 0 {
            return Err("no_repeat_purchase");
        }
        let mean_value = mean_value.ok_or("unknown_value")?;
        let spender = Spender::new(frequency, mean_value).map_err(|_| "non_positive_value")?;
        let model = self.spend.as_ref().ok_or("no_spend_model")?;
        model.expected_spend(&spender).ok_or("no_mean_spend")
    }
}

/// The columns of figures while they grow.
struct Columns {
    probability_alive: Float64Builder,
    expected_purchases: Float64Builder,
    expected_spend: Float64Builder,
    lifetime_value: Float64Builder,
    reason: StringBuilder,
}

impl Columns {
    fn with_capacity(rows: usize) -> Self {
        let floats = || Float64Builder::with_capacity(rows);
        Self {
            probability_alive: floats(),
            expected_purchases: floats(),
            expected_spend: floats(),
            lifetime_value: floats(),
            reason: StringBuilder::new(),
        }
    }

    fn append(
        &mut self,
        purchases: Result<Prediction, &'static str>,
        spend: Result<f64, &'static str>,
    ) {
        self.probability_alive
            .append_option(purchases.map(|known| known.probability_alive).ok());
        self.expected_purchases
            .append_option(purchases.map(|known| known.expected_purchases).ok());
        self.expected_spend.append_option(spend.ok());
        let value = match (purchases, spend) {
            (Ok(purchases), Ok(spend)) => Some(purchases.discounted_expected_purchases * spend),
            _ => None,
        };
        self.lifetime_value.append_option(value);
        self.reason.append_option(purchases.err().or(spend.err()));
    }

    fn finish(
        mut self,
        id: &ArrayRef,
        frequency: &Int64Array,
        recency: &Int64Array,
        age: &Int64Array,
    ) -> Result<RecordBatch, ScoreError> {
        let float = |mut builder: Float64Builder| -> ArrayRef { Arc::new(builder.finish()) };
        let field = |name: &str, data_type| Field::new(name, data_type, true);
        let schema = Schema::new(vec![
            field("customer_id", id.data_type().clone()),
            field("frequency", DataType::Int64),
            field("recency_age", DataType::Int64),
            field("customer_age", DataType::Int64),
            field("probability_alive", DataType::Float64),
            field("expected_purchases", DataType::Float64),
            field("expected_spend", DataType::Float64),
            field("customer_lifetime_value", DataType::Float64),
            field("reason", DataType::Utf8View),
        ]);
        let reason = arrow::compute::cast(&self.reason.finish(), &DataType::Utf8View)?;
        Ok(RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::clone(id),
                Arc::new(frequency.clone()),
                Arc::new(recency.clone()),
                Arc::new(age.clone()),
                float(self.probability_alive),
                float(self.expected_purchases),
                float(self.expected_spend),
                float(self.lifetime_value),
                reason,
            ],
        )?)
    }
}
