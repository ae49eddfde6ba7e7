//! The nearest cluster, customer by customer.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, Float64Builder, RecordBatch, StringDictionaryBuilder,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use cvm_models::segment::{KMeans, Scale, signed_log};

use super::super::{FitRow, FittedScorer, ScoreError};
use super::OUTPUT;
use super::fit::{feature, is_usable};

/// A feature that clusters are told by.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) is_log: bool,
    pub(super) scale: Scale,
}

/// Clusters that were found.
pub(super) struct Clusters {
    pub(super) columns: Vec<Column>,
    pub(super) model: KMeans,
    /// How far from the mean a feature counts at most, in deviations.
    pub(super) max_deviations: f64,
    /// One a centre.
    pub(super) names: Vec<String>,
}

/// The scorer after its fit.
pub(super) struct Predictor {
    /// The clusters, or why there are none.
    pub(super) clusters: Result<Clusters, &'static str>,
    pub(super) fits: Vec<FitRow>,
}

/// A column of few different texts.
type Words = StringDictionaryBuilder<Int32Type>;

impl FittedScorer for Predictor {
    fn fits(&self) -> Vec<FitRow> {
        self.fits.clone()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError> {
        let rows = batch.num_rows();
        let mut cluster = Words::new();
        let mut distance = Float64Builder::with_capacity(rows);
        let mut reason = Words::new();
        match &self.clusters {
            Ok(clusters) => {
                let reasons: Vec<String> = clusters
                    .columns
                    .iter()
                    .map(|column| format!("unknown_{}", column.name))
                    .collect();
                let columns = clusters.columns.iter();
                let columns: Vec<&Float64Array> = columns
                    .map(|column| feature(batch, &column.name))
                    .collect::<Result<_, _>>()?;
                let mut point = vec![0.0; columns.len()];
                for row in 0..rows {
                    let nearest = clusters.nearest(&columns, row, &mut point);
                    let found = nearest.ok();
                    cluster.append_option(found.map(|(place, _)| &clusters.names[place]));
                    distance.append_option(found.map(|(_, distance)| distance));
                    reason.append_option(nearest.err().map(|column| &reasons[column]));
                }
            }
            Err(why) => {
                for _ in 0..rows {
                    cluster.append_null();
                    distance.append_null();
                    reason.append_value(why);
                }
            }
        }
        let words = |mut words: Words| arrow::compute::cast(&words.finish(), &DataType::Utf8View);
        let id = batch.column_by_name("customer_id").cloned();
        let columns: [ArrayRef; 4] = [
            id.ok_or(ScoreError::MissingColumn("customer_id"))?,
            words(cluster)?,
            Arc::new(distance.finish()),
            words(reason)?,
        ];
        let fields = OUTPUT
            .iter()
            .zip(&columns)
            .map(|(column, array)| Field::new(column.name, array.data_type().clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Ok(RecordBatch::try_new(Arc::new(schema), columns.to_vec())?)
    }
}

impl Clusters {
    /// The nearest centre and the distance to it, or the first column in which the row is unknown.
    fn nearest(
        &self,
        columns: &[&Float64Array],
        row: usize,
        point: &mut [f64],
    ) -> Result<(usize, f64), usize> {
        for (place, (column, values)) in self.columns.iter().zip(columns).enumerate() {
            let value = if values.is_null(row) {
                f64::NAN
            } else {
                values.value(row)
            };
            let value = if column.is_log {
                signed_log(value)
            } else {
                value
            };
            if !is_usable(value) {
                return Err(place);
            }
            point[place] = column.scale.standardised(value, self.max_deviations);
        }
        Ok(self.model.nearest(point))
    }
}
