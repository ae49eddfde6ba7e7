//! The fit on a sample of customers, and what `model_fits` tells of it.

use arrow::array::{AsArray, Float64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use cvm_models::segment::{
    Candidate, KMeans, KMeansParams, Points, Scales, SegmentError, choose_clusters, names,
    signed_log, silhouette,
};

use super::super::{FitRow, Period, ScoreError};
use super::Checked;
use super::predict::{Clusters, Column, Predictor};

const MODEL: &str = "k_means";

/// A sample in which no clusters were found.
struct NoClusters {
    /// The word for it in each customer's row.
    word: &'static str,
    /// The sentence for `model_fits`.
    told: String,
}

impl From<SegmentError> for NoClusters {
    fn from(error: SegmentError) -> Self {
        let word = match error {
            SegmentError::TooFewDistinct { .. } => "too_few_different_customers",
            _ => "no_clusters",
        };
        Self {
            word,
            told: error.to_string(),
        }
    }
}

/// What a fit came to.
struct Fitted {
    scales: Scales,
    model: KMeans,
    candidates: Vec<Candidate>,
    silhouette: Option<f64>,
    different: usize,
    customers: usize,
}

impl Checked {
    pub(super) fn fit_sample(&self, sample: &[RecordBatch]) -> Result<Predictor, ScoreError> {
        let columns = self.columns_of(sample)?;
        let has_value = |column: &Vec<Option<f64>>| column.iter().any(Option::is_some);
        let known: Vec<usize> = (0..columns.len())
            .filter(|i| has_value(&columns[*i]))
            .collect();
        let rows = columns.first().map_or(0, Vec::len);
        let complete = (0..rows).filter_map(|row| {
            let values = known.iter().map(|i| columns[*i][row]);
            values.collect::<Option<Vec<f64>>>()
        });
        let values: Vec<f64> = complete.flatten().collect();
        let mut fits = self.left_out(&known, "is unknown for every customer");
        let clusters = match self.find(values, known.len()) {
            Ok(fitted) => {
                let varying: Vec<usize> = fitted.scales.varying();
                let used: Vec<usize> = varying.iter().map(|i| known[*i]).collect();
                let constant: Vec<usize> = known
                    .iter()
                    .copied()
                    .filter(|i| !used.contains(i))
                    .collect();
                let others: Vec<usize> = (0..columns.len())
                    .filter(|i| !constant.contains(i))
                    .collect();
                fits.extend(self.left_out(&others, "is the same for every customer"));
                let clusters = self.named(&fitted, &used);
                fits.extend(rows_of(&fitted, &clusters, self.params.starts));
                Ok(clusters)
            }
            Err(none) => {
                fits.push(FitRow {
                    customers: rows as i64,
                    reason: Some(none.told),
                    ..FitRow::without_fit(MODEL, Period::All)
                });
                Err(none.word)
            }
        };
        Ok(Predictor { clusters, fits })
    }

    /// The features of the sample, as logarithms where that is declared; none where a value is unknown or no number.
    fn columns_of(&self, sample: &[RecordBatch]) -> Result<Vec<Vec<Option<f64>>>, ScoreError> {
        let mut columns = vec![Vec::new(); self.features.len()];
        for batch in sample {
            for (i, column) in columns.iter_mut().enumerate() {
                let values = feature(batch, &self.features[i])?;
                let scale = |value: f64| {
                    let value = if self.is_log[i] {
                        signed_log(value)
                    } else {
                        value
                    };
                    Some(value).filter(|value| is_usable(*value))
                };
                column.extend(values.iter().map(|value| value.and_then(scale)));
            }
        }
        Ok(columns)
    }

    fn find(&self, values: Vec<f64>, dimensions: usize) -> Result<Fitted, NoClusters> {
        let customers = values.len().checked_div(dimensions).unwrap_or(0);
        if customers < self.min_customers {
            let least = self.min_customers;
            return Err(NoClusters {
                word: "too_few_customers",
                told: format!(
                    "only {customers} customers have all features: min_customers is {least}"
                ),
            });
        }
        let raw = Points::new(dimensions, values)?;
        let scales = Scales::of(&raw);
        if scales.varying().is_empty() {
            return Err(NoClusters {
                word: "no_varying_feature",
                told: "every feature is the same for every customer".to_owned(),
            });
        }
        let points = scales.standardised(&raw, self.max_deviations);
        let few = points.thinned(self.silhouette_customers);
        let numbers = self.numbers.clone().map(|number| number as usize);
        let candidates = match self.clusters {
            Some(_) => Vec::new(),
            None => choose_clusters(self.params, numbers, &few)?,
        };
        let params = KMeansParams {
            clusters: best(&candidates).unwrap_or(self.params.clusters),
            ..self.params
        };
        let model = params.check()?.fit(&points)?;
        let silhouette = silhouette(&few, &model.labels(&few), params.clusters)?;
        Ok(Fitted {
            scales,
            candidates,
            silhouette,
            different: points.distinct(),
            customers,
            model,
        })
    }

    /// The clusters in the order of their names, with the columns at `used` to tell them by.
    fn named(&self, fitted: &Fitted, used: &[usize]) -> Clusters {
        let centres: Vec<&[f64]> = fitted.model.centres().collect();
        let features: Vec<&str> = used.iter().map(|i| self.features[*i].as_str()).collect();
        let varying = fitted.scales.varying();
        let columns = used.iter().zip(varying).map(|(i, place)| Column {
            name: self.features[*i].clone(),
            is_log: self.is_log[*i],
            scale: fitted.scales.scales()[place],
        });
        Clusters {
            columns: columns.collect(),
            names: names(&features, &centres),
            max_deviations: self.max_deviations,
            model: fitted.model.clone(),
        }
    }

    /// A row for each feature that is not among `kept`.
    fn left_out(&self, kept: &[usize], why: &str) -> Vec<FitRow> {
        let features = self.features.iter().enumerate();
        features
            .filter(|(i, _)| !kept.contains(i))
            .map(|(_, feature)| FitRow {
                parameter: feature.clone(),
                reason: Some(format!("`{feature}` {why}: left out")),
                ..FitRow::without_fit(MODEL, Period::All)
            })
            .collect()
    }
}

/// A number that standardising can work with.
pub(super) fn is_usable(value: f64) -> bool {
    value.is_finite() && value.abs() < 1e100
}

pub(super) fn feature<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a Float64Array, ScoreError> {
    let column = batch.column_by_name(name);
    let column = column.ok_or_else(|| ScoreError::MissingFeature(name.to_owned()))?;
    let doubles = column.as_primitive_opt::<Float64Type>();
    doubles.ok_or_else(|| ScoreError::MissingFeature(name.to_owned()))
}

/// The number of clusters with the largest silhouette, the least of several.
fn best(candidates: &[Candidate]) -> Option<usize> {
    let mut best: Option<&Candidate> = None;
    for candidate in candidates {
        if best.is_none_or(|best| candidate.silhouette > best.silhouette) {
            best = Some(candidate);
        }
    }
    best.map(|best| best.clusters)
}

fn rows_of(fitted: &Fitted, clusters: &Clusters, starts: u64) -> Vec<FitRow> {
    let found = clusters.names.len();
    let row = |parameter: String, estimate: f64, is_chosen: bool| FitRow {
        parameter,
        estimate: Some(estimate),
        customers: fitted.customers as i64,
        distinct_summaries: fitted.different as i64,
        converged: fitted.model.converged(),
        iterations: starts as i64,
        is_chosen,
        ..FitRow::without_fit(MODEL, Period::All)
    };
    let mut rows = vec![
        row("clusters".to_owned(), found as f64, true),
        row("inertia".to_owned(), fitted.model.inertia(), true),
    ];
    rows.extend(
        fitted
            .silhouette
            .map(|mean| row("silhouette".to_owned(), mean, true)),
    );
    rows.extend(fitted.candidates.iter().map(|tried| {
        let name = format!("silhouette_of_{:02}", tried.clusters);
        row(name, tried.silhouette, tried.clusters == found)
    }));
    for column in &clusters.columns {
        let deviation = column.scale.deviation.unwrap_or(0.0);
        rows.push(row(
            format!("mean.{}", column.name),
            column.scale.mean,
            true,
        ));
        rows.push(row(format!("deviation.{}", column.name), deviation, true));
    }
    let sizes = fitted.model.sizes();
    for ((centre, name), size) in fitted.model.centres().zip(&clusters.names).zip(sizes) {
        rows.push(row(format!("{name}.customers"), *size as f64, true));
        let columns = clusters.columns.iter().zip(centre);
        rows.extend(columns.map(|(column, z)| row(format!("{name}.{}", column.name), *z, true)));
    }
    rows
}
