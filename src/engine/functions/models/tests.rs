//! The functions of the models, through SQL: what the models give, row by row, and what they refuse.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::ggompertz_nbd::GGompertzNbd;
use cvm_models::btyd::mbg_nbd::MbgNbd;
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::btyd::{PurchaseModel, Summary};
use cvm_models::retention::RetentionModel;
use cvm_models::retention::beta_discrete_weibull::BetaDiscreteWeibull;
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use cvm_models::spend::Spender;
use cvm_models::spend::gamma_gamma::GammaGamma;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::engine::functions::documented;
use crate::engine::functions::tests::{context, context_with, error, table};

/// The name, the documented arguments and the arguments of the example of every function of a model.
fn calls() -> Vec<(String, Vec<String>, Vec<String>)> {
    let mut calls = Vec::new();
    for (name, documentation) in documented() {
        let documentation = documentation.unwrap();
        let example = documentation.sql_example.unwrap();
        let Some((_, call)) = example.split_once(&format!("round({name}(")) else {
            continue;
        };
        let given = call.split_once(')').unwrap().0.split(", ");
        let named = documentation.arguments.unwrap().into_iter();
        calls.push((
            name,
            named.map(|(name, _)| name).collect(),
            given.map(str::to_owned).collect(),
        ));
    }
    assert_eq!(calls.len(), 4 * 5 + 2 + 2 + 3);
    calls
}

async fn values(context: &SessionContext, sql: &str) -> Vec<Option<f64>> {
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let columns = batches
        .iter()
        .map(|batch| batch.column(0).as_primitive::<Float64Type>());
    columns.flat_map(|column| column.iter()).collect()
}

#[test]
fn arguments_are_those_of_the_syntax_and_have_names_of_their_own() {
    for (name, documentation) in documented() {
        let Some((_, arguments, given)) = calls().into_iter().find(|call| call.0 == name) else {
            continue;
        };
        let documentation = documentation.unwrap();
        assert_eq!(
            documentation.syntax_example,
            format!("{name}({})", arguments.join(", "))
        );
        assert_eq!(arguments.len(), given.len(), "{name}");
        let different: BTreeSet<&String> = arguments.iter().collect();
        assert_eq!(different.len(), arguments.len(), "{name}");
    }
}

#[test]
fn parameters_are_called_as_the_models_call_them() {
    let starts: [(&str, &[&str]); 7] = [
        ("bg_nbd_", &BgNbd::PARAMETERS),
        ("mbg_nbd_", &MbgNbd::PARAMETERS),
        ("pareto_nbd_", &ParetoNbd::PARAMETERS),
        ("ggompertz_nbd_", &GGompertzNbd::PARAMETERS),
        ("gamma_gamma_", &GammaGamma::PARAMETERS),
        ("shifted_beta_geometric_", &ShiftedBetaGeometric::PARAMETERS),
        ("beta_discrete_weibull_", &BetaDiscreteWeibull::PARAMETERS),
    ];
    for (name, arguments, _) in calls() {
        let Some((_, parameters)) = starts.iter().find(|(prefix, _)| name.starts_with(prefix))
        else {
            assert!(name.starts_with("proportion_") || name.starts_with("risk_ratio_"));
            continue;
        };
        assert_eq!(arguments[..parameters.len()], **parameters, "{name}");
    }
}

#[tokio::test]
async fn a_null_argument_gives_null_wherever_it_stands() {
    let context = context();
    for (name, arguments, given) in calls() {
        for place in 0..given.len() {
            let mut with_null = given.clone();
            with_null[place] = "null".to_owned();
            let sql = format!("select {name}({})", with_null.join(", "));
            assert_eq!(values(&context, &sql).await, [None], "{sql}");
            // The same from columns, beside a row without null.
            let sql = format!(
                "select {name}({arguments}) is null as n from (values ({}), ({})) as v ({arguments})",
                with_null.join(", "),
                given.join(", "),
                arguments = arguments.join(", "),
            );
            assert_eq!(
                table(&context, &sql).await,
                "+-------+\n| n     |\n+-------+\n| true  |\n| false |\n+-------+",
                "{sql}"
            );
        }
    }
}

/// Every argument that any function takes.
const COLUMNS: [&str; 20] = [
    "r",
    "alpha",
    "a",
    "b",
    "s",
    "beta",
    "p",
    "q",
    "v",
    "gamma",
    "delta",
    "c",
    "time",
    "count",
    "force_of_interest",
    "frequency",
    "recency_age",
    "customer_age",
    "monetary_value",
    "periods",
];

type Row = [f64; COLUMNS.len()];

fn rows(number: usize) -> Vec<Row> {
    let mut random = StdRng::seed_from_u64(7);
    let mut parameters = [0.0; 12];
    (0..number)
        .map(|row| {
            // Runs of rows have the same parameters.
            if row == 0 || random.random_bool(0.3) {
                parameters = std::array::from_fn(|_| 10_f64.powf(random.random_range(-1.0..1.0)));
            }
            let mut row = [0.0; COLUMNS.len()];
            row[..12].copy_from_slice(&parameters);
            row[12] = random.random_range(0.0..100.0);
            row[13] = f64::from(random.random_range(0..6_u8));
            row[14] = random.random_range(0.001..0.1);
            row[17] = random.random_range(10.0..100.0);
            row[19] = f64::from(random.random_range(0..40_u8));
            if random.random_bool(0.7) {
                row[15] = f64::from(random.random_range(1..10_u8));
                row[16] = row[17] * random.random_range(0.1..1.0);
                row[18] = random.random_range(1.0..200.0);
            }
            row
        })
        .collect()
}

/// What the models themselves say of a row.
fn by_the_model(function: &str, row: &Row) -> Option<f64> {
    let [
        r,
        alpha,
        a,
        b,
        s,
        beta,
        p,
        q,
        v,
        gamma,
        delta,
        c,
        time,
        count,
        force,
        frequency,
        recency_age,
        customer_age,
        monetary_value,
        periods,
    ] = *row;
    let purchases = frequency as u64;
    if function.ends_with("_survival") {
        let model: Box<dyn RetentionModel> = match function {
            "shifted_beta_geometric_survival" => {
                Box::new(ShiftedBetaGeometric::new(alpha, beta).unwrap())
            }
            _ => Box::new(BetaDiscreteWeibull::new(gamma, delta, c).unwrap()),
        };
        return Some(model.survival(periods as u64));
    }
    let Some((model, question)) = function.split_once("_nbd_") else {
        let model = GammaGamma::new(p, q, v).unwrap();
        return match function {
            "gamma_gamma_expected_spend" if purchases > 0 => {
                model.expected_spend(&Spender::new(purchases, monetary_value).unwrap())
            }
            _ => model.mean_spend(),
        };
    };
    let model: Box<dyn PurchaseModel> = match model {
        "bg" => Box::new(BgNbd::new(r, alpha, a, b).unwrap()),
        "mbg" => Box::new(MbgNbd::new(r, alpha, a, b).unwrap()),
        "pareto" => Box::new(ParetoNbd::new(r, alpha, s, beta).unwrap()),
        _ => Box::new(GGompertzNbd::new(r, alpha, b, s, beta).unwrap()),
    };
    let customer = Summary::new(purchases, recency_age, customer_age).unwrap();
    Some(match question {
        "probability_alive" => model.probability_alive(&customer),
        "expected_purchases" => model.expected_purchases(time, &customer),
        "expected_purchases_new_customer" => model.expected_purchases_new_customer(time),
        "probability_of_purchases" => {
            let mut probabilities = vec![0.0; count as usize + 1];
            model.distribution(time, &customer, &mut probabilities);
            probabilities[count as usize]
        }
        _ => model.discounted_expected_residual_transactions(force, &customer),
    })
}

/// A table of the rows and their numbers, in two parts.
fn register(context: &SessionContext, rows: &[Row]) {
    let names = std::iter::once("id").chain(COLUMNS);
    let fields = names.map(|name| Field::new(name, DataType::Float64, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = |numbered: &[(usize, &Row)]| {
        let ids = numbered.iter().map(|(id, _)| Some(*id as f64));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(ids.collect::<Float64Array>())];
        for place in 0..COLUMNS.len() {
            let column = numbered.iter().map(|(_, row)| Some(row[place]));
            columns.push(Arc::new(column.collect::<Float64Array>()));
        }
        RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
    };
    let numbered: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
    let parts = numbered.chunks(rows.len().div_ceil(2));
    let parts = parts.map(|part| vec![batch(part)]).collect();
    let rows = MemTable::try_new(Arc::clone(&schema), parts).unwrap();
    context.register_table("rows", Arc::new(rows)).unwrap();
}

#[tokio::test]
async fn a_column_has_the_models_own_value_in_every_row() {
    let rows = rows(200);
    for batch_size in [8192, 7] {
        let config = SessionConfig::new()
            .with_target_partitions(2)
            .with_batch_size(batch_size);
        let context = context_with(config, None);
        register(&context, &rows);
        // Functions of proportions have tests of their own.
        let of_models = calls().into_iter();
        let of_models = of_models.filter(|(_, arguments, _)| arguments[0] != "successes");
        for (name, arguments, _) in of_models {
            let arguments = arguments.join(", ");
            let sql = format!("select {name}({arguments}) as value from rows order by id");
            let expected: Vec<Option<u64>> = rows
                .iter()
                .map(|row| by_the_model(&name, row).map(f64::to_bits))
                .collect();
            let ours = values(&context, &sql).await;
            let ours: Vec<Option<u64>> = ours.iter().map(|value| value.map(f64::to_bits)).collect();
            assert_eq!(ours, expected, "{name}");
            // Some populations of spend have no mean.
            let nulls = ours.contains(&None);
            assert_eq!(nulls, name.starts_with("gamma_gamma"), "{name}");
        }
    }
}

#[tokio::test]
async fn whole_and_decimal_numbers_and_named_arguments_are_taken() {
    let sql = "select bg_nbd_expected_purchases(0.243, 4.414, 0.793, 2.426, 39, 2, 30.43, 38.86) = \
        bg_nbd_expected_purchases(cast(0.243 as decimal(5, 3)), cast(4.414 as decimal(18, 4)), 0.793, \
            cast(2.426 as decimal(38, 10)), cast(39 as bigint), cast(2 as smallint), 30.43, 38.86) \
        and bg_nbd_expected_purchases(0.243, 4.414, 0.793, 2.426, 39, 2, 30.43, 38.86) = \
        bg_nbd_expected_purchases(0.243, 4.414, a => 0.793, b => 2.426, frequency => 2, recency_age => 30.43, \
            customer_age => 38.86, time => 39) \
        and bg_nbd_probability_of_purchases(0.243, 4.414, 0.793, 2.426, 1, 39, 2, 30.43, 38.86) = \
        bg_nbd_probability_of_purchases(0.243, 4.414, 0.793, 2.426, count => 1, time => 39, frequency => 2, \
            recency_age => 30.43, customer_age => 38.86) as same";
    assert_eq!(
        table(&context(), sql).await,
        "+------+\n| same |\n+------+\n| true |\n+------+"
    );
}

#[tokio::test]
async fn a_wrong_call_is_refused_before_data_is_read() {
    let context = context();
    for (call, message) in [
        (
            "bg_nbd_probability_alive(0.243, 4.414, 0.793, 2.426)",
            "bg_nbd_probability_alive: takes 7 arguments, not 4; write bg_nbd_probability_alive(r, alpha, a, b, \
             frequency, recency_age, customer_age)",
        ),
        (
            "gamma_gamma_mean_spend(6.25, true, 15.44)",
            "gamma_gamma_mean_spend: q must be a number, not Boolean; write gamma_gamma_mean_spend(p, q, v)",
        ),
    ] {
        let message_given = error(&context, &format!("explain select {call}")).await;
        assert!(message_given.starts_with("Error during planning: "));
        assert!(message_given.contains(message), "{message_given}");
    }
}

#[tokio::test]
async fn an_impossible_value_is_an_error_that_names_it() {
    let context = context();
    let alive =
        "pareto_nbd_probability_alive(r, alpha, s, beta, frequency, recency_age, customer_age)";
    let likely = "bg_nbd_probability_of_purchases(r, alpha, 1, 1, count, time, frequency, recency_age, customer_age)";
    let residual = "mbg_nbd_discounted_expected_residual_transactions(r, alpha, 1, 1, force, frequency, recency_age, \
        customer_age)";
    let survival = "shifted_beta_geometric_survival(r, s, count)";
    let spend = "gamma_gamma_expected_spend(6.25, 3.74, 15.44, frequency, spend)";
    for (call, column, value, message) in [
        (
            alive,
            "alpha",
            "0",
            "alpha must be positive and finite, not 0",
        ),
        (
            alive,
            "beta",
            "-11.5",
            "beta must be positive and finite, not -11.5",
        ),
        (
            alive,
            "s",
            "'NaN'::double",
            "s must be positive and finite, not NaN",
        ),
        (
            alive,
            "r",
            "'inf'::double",
            "r must be positive and finite, not inf",
        ),
        (
            alive,
            "frequency",
            "1.5",
            "frequency must be a whole number and not negative, not 1.5",
        ),
        (
            alive,
            "frequency",
            "-1",
            "frequency must be a whole number and not negative, not -1",
        ),
        (
            alive,
            "frequency",
            "'inf'::double",
            "frequency must be a whole number and not negative, not inf",
        ),
        (
            alive,
            "frequency",
            "1e17",
            "frequency must be at most 9007199254740992, not 100000000000000000",
        ),
        (
            alive,
            "frequency",
            "0",
            "frequency is 0, so recency_age must be 0, not 30",
        ),
        (
            alive,
            "recency_age",
            "0",
            "frequency is 2, so recency_age must be above 0",
        ),
        (
            alive,
            "recency_age",
            "40",
            "recency_age 40 lies after customer_age 38",
        ),
        (
            alive,
            "recency_age",
            "-1",
            "recency_age -1 and customer_age 38 must not be negative",
        ),
        (
            alive,
            "customer_age",
            "'inf'::double",
            "recency_age 30 and customer_age inf must be finite",
        ),
        (
            likely,
            "time",
            "-0.5",
            "time must be finite and not negative, not -0.5",
        ),
        (
            likely,
            "time",
            "'NaN'::double",
            "time must be finite and not negative, not NaN",
        ),
        (
            likely,
            "count",
            "0.5",
            "count must be a whole number and not negative, not 0.5",
        ),
        (
            likely,
            "count",
            "100001",
            "count must be at most 100000, not 100001",
        ),
        (
            residual,
            "force",
            "0",
            "force_of_interest must be positive and finite, not 0",
        ),
        (
            survival,
            "count",
            "2.5",
            "periods must be a whole number and not negative, not 2.5",
        ),
        (
            spend,
            "spend",
            "-1",
            "the mean spend must be finite and above 0, not -1",
        ),
        (
            spend,
            "frequency",
            "0",
            "frequency is 0, so monetary_value must be 0, not 22.35",
        ),
    ] {
        let columns = [
            ("r", "0.5"),
            ("alpha", "10"),
            ("s", "0.6"),
            ("beta", "11.5"),
            ("frequency", "2"),
            ("recency_age", "30"),
            ("customer_age", "38"),
            ("count", "1"),
            ("time", "39"),
            ("force", "0.002"),
            ("spend", "22.35"),
        ];
        let cells = columns.map(|(name, cell)| {
            let cell = if name == column { value } else { cell };
            format!("{cell} as {name}")
        });
        let function = call.split_once('(').unwrap().0;
        let sql = format!("select {call} from (select {})", cells.join(", "));
        assert_eq!(
            error(&context, &sql).await,
            format!("Execution error: {function}: {message}"),
            "{sql}"
        );
    }
}
