//! `k_means`: which customers are alike, in clusters with names that stay.
//!
//! The features that the pipeline lists, the skewed ones as logarithms, are standardised over a sample of customers and
//! bounded (`max_deviations`), the clusters are found there (`fit`), and each customer is told the nearest (`predict`). Where the pipeline gives no number
//! of clusters, the one with the largest mean silhouette is taken. A feature that nobody has, or everybody the same, is
//! left out; a customer of whom a feature is unknown has no cluster, and `reason` says why.
//!
//! The table `model_fits` holds, as parameters of the model `k_means`: `clusters`, `inertia`, `silhouette`;
//! `silhouette_of_05` for each number tried; `mean.<feature>` and `deviation.<feature>`, after the logarithm where one is
//! taken; and of each cluster `<cluster>.customers`, those of the sample, and its centre `<cluster>.<feature>`, in deviations
//! from the mean. `iterations` is the number of starts.

mod fit;
mod predict;

use arrow::array::RecordBatch;
use cvm_models::segment::KMeansParams;

use super::{
    BuildError, CheckedScorer, FitContext, FitInput, FittedScorer, InputColumn, OutputColumn,
    Parameters, ScoreError, Scorer, ValueSettings,
};
use crate::spec::SqlType;

/// The most clusters that a pipeline may ask for.
const CLUSTERS_MAX: u64 = 20;

const INPUT: &[InputColumn] = &[InputColumn {
    name: "customer_id",
    sql_type: SqlType::Varchar,
}];

const OUTPUT: &[OutputColumn] = &[
    OutputColumn {
        name: "customer_id",
        sql_type: SqlType::Varchar,
        description: "The customer.",
    },
    OutputColumn {
        name: "cluster_name",
        sql_type: SqlType::Varchar,
        description: "What the cluster stands out in, such as high_orders; null without a cluster.",
    },
    OutputColumn {
        name: "distance",
        sql_type: SqlType::Double,
        description: "How far the customer is from the centre of the cluster, in standard deviations of the features.",
    },
    OutputColumn {
        name: "reason",
        sql_type: SqlType::Varchar,
        description: "Why there is no cluster: unknown_<feature>, or why none were found at all.",
    },
];

/// The scorer.
#[derive(Debug)]
pub struct KMeans;

impl Scorer for KMeans {
    fn name(&self) -> &'static str {
        "k_means"
    }

    fn description(&self) -> &'static str {
        "Clusters of customers who are alike by standardised features, with names that tell what each stands out in."
    }

    fn example(&self) -> &'static str {
        "customer_clusters:\n  scorer: k_means\n  input: int_customers_described\n  \
         features: [days_since_last_order, orders, average_order_value, discount_share]\n  \
         log_features: [days_since_last_order, orders, average_order_value]\n  clusters: 5\n"
    }

    fn build(
        &self,
        parameters: &mut Parameters<'_>,
        _value: &ValueSettings,
    ) -> Result<Box<dyn CheckedScorer>, Vec<BuildError>> {
        let features = parameters.columns("features");
        let logs = parameters.columns("log_features");
        let clusters = parameters.whole("clusters", 2..=CLUSTERS_MAX, None);
        let mut whole = |name, range, default: u64| {
            let value = parameters.whole(name, range, Some(default));
            value.unwrap_or(default)
        };
        let least = whole("min_clusters", 2..=CLUSTERS_MAX, 3);
        let most = whole("max_clusters", 2..=CLUSTERS_MAX, 8);
        let starts = whole("starts", 1..=1000, 20);
        let seed = whole("seed", 0..=u64::from(u32::MAX), 1);
        let min_customers = whole("min_customers", 2..=1_000_000_000, 100);
        let fit_customers = whole("fit_customers", 100..=10_000_000, 100_000);
        let silhouette_customers = whole("silhouette_customers", 100..=50_000, 5000);
        let max_deviations = parameters.number("max_deviations", 1.0..=1e9, 4.0);
        if features.is_empty() {
            let help = "list columns of the input: features: [days_since_last_order, orders]";
            let message = "there are no features to compare customers by".to_owned();
            parameters.refuse("features", message, help);
        }
        for log in logs.iter().filter(|log| !features.contains(log)) {
            let message = format!("`{log}` under log_features is none of the features");
            parameters.refuse("log_features", message, "list it under features too");
        }
        if least > most {
            let message = format!("min_clusters is {least}, and max_clusters {most}");
            parameters.refuse("min_clusters", message, "swap them");
        }
        parameters.finish()?;
        let is_log = features.iter().map(|name| logs.contains(name)).collect();
        Ok(Box::new(Checked {
            features,
            is_log,
            clusters,
            numbers: least..=most,
            params: KMeansParams {
                clusters: clusters.unwrap_or(least) as usize,
                starts,
                seed,
                max_iterations: 1000,
            },
            max_deviations,
            min_customers: min_customers as usize,
            fit_customers: fit_customers as usize,
            silhouette_customers: silhouette_customers as usize,
        }))
    }
}

/// The scorer with its parameters checked.
struct Checked {
    features: Vec<String>,
    /// Whether the logarithm of each feature is taken.
    is_log: Vec<bool>,
    /// How many clusters; none where it is to be chosen.
    clusters: Option<u64>,
    /// Among which numbers it is chosen.
    numbers: std::ops::RangeInclusive<u64>,
    params: KMeansParams,
    /// How far from the mean a feature counts at most, in deviations.
    max_deviations: f64,
    min_customers: usize,
    fit_customers: usize,
    silhouette_customers: usize,
}

impl CheckedScorer for Checked {
    fn input(&self) -> &'static [InputColumn] {
        INPUT
    }

    fn features(&self) -> &[String] {
        &self.features
    }

    fn sample(&self) -> Option<usize> {
        Some(self.fit_customers)
    }

    fn output(&self) -> &'static [OutputColumn] {
        OUTPUT
    }

    fn fit_inputs(&self) -> Vec<FitInput> {
        Vec::new()
    }

    fn fit(
        &self,
        _context: &FitContext,
        inputs: &[Vec<RecordBatch>],
    ) -> Result<Box<dyn FittedScorer>, ScoreError> {
        let sample = inputs.last().map_or(&[][..], Vec::as_slice);
        Ok(Box::new(self.fit_sample(sample)?))
    }
}

#[cfg(test)]
mod tests;
