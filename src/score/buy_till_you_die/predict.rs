//! Predictions row by row, and the columns that they become.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Builder, Int64Builder, RecordBatch, StringDictionaryBuilder,
};
use arrow::datatypes::{DataType, Field, Int8Type, Schema};
use cvm_models::btyd::Summary;
use cvm_models::btyd::forecast::{Forecast, Forecasted};
use cvm_models::spend::Spender;
use cvm_models::uncertainty::{Confidence, Estimated, Level};

use super::super::columns::{doubles, integers};
use super::super::{CalibrationRow, FitRow, FittedScorer, ScoreError};
use super::columns::OUTPUT;
use super::rows::impossible;
use super::spend::SpendModel;

/// The model of purchases that predictions are made with.
pub(super) struct Purchases {
    pub(super) name: &'static str,
    pub(super) forecast: Forecast,
    /// Why it is a fallback; none where it is not.
    pub(super) reason: Option<&'static str>,
}

/// The scorer after its fits.
pub(super) struct Predictor {
    pub(super) input: String,
    pub(super) days_per_unit: f64,
    pub(super) level: Level,
    /// The model, or why there is none.
    pub(super) purchases: Result<Purchases, &'static str>,
    pub(super) spend: SpendModel,
    pub(super) fits: Vec<FitRow>,
    pub(super) calibration: Vec<CalibrationRow>,
}

impl FittedScorer for Predictor {
    fn fits(&self) -> Vec<FitRow> {
        self.fits.clone()
    }

    fn calibration(&self) -> Vec<CalibrationRow> {
        self.calibration.clone()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError> {
        let frequency = integers(batch, "frequency")?;
        let recency = integers(batch, "recency_age")?;
        let age = integers(batch, "customer_age")?;
        let value = doubles(batch, "monetary_value")?;
        let mut figures = Figures::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let frequency = u64::try_from(frequency.value(row)).unwrap_or_default();
            let purchases = self.purchases(frequency, recency.value(row), age.value(row))?;
            let mean_value = value.is_valid(row).then(|| value.value(row));
            let spend = self.spend(frequency, mean_value);
            figures.append(self, purchases, spend);
        }
        figures.finish(batch)
    }
}

impl Predictor {
    fn purchases(
        &self,
        frequency: u64,
        recency: i64,
        age: i64,
    ) -> Result<Result<Forecasted, &'static str>, ScoreError> {
        let purchases = match &self.purchases {
            Ok(purchases) => purchases,
            Err(reason) => return Ok(Err(reason)),
        };
        let unit = self.days_per_unit;
        let customer = Summary::new(frequency, recency as f64 / unit, age as f64 / unit)
            .map_err(|error| impossible(&self.input, &error))?;
        Ok(Ok(purchases.forecast.predict(&customer)))
    }

    fn spend(&self, frequency: u64, mean_value: Option<f64>) -> Result<Estimated, &'static str> {
        if frequency == 0 {
            return Err("no_repeat_purchase");
        }
        let mean_value = mean_value.ok_or("unknown_value")?;
        let spender = Spender::new(frequency, mean_value).map_err(|_| "non_positive_value")?;
        self.spend.expected(&spender).ok_or("no_mean_spend")
    }
}

/// A figure with its limits.
struct Triple {
    value: Float64Builder,
    low: Float64Builder,
    high: Float64Builder,
}

impl Triple {
    fn with_capacity(rows: usize) -> Self {
        let float = || Float64Builder::with_capacity(rows);
        Self {
            value: float(),
            low: float(),
            high: float(),
        }
    }

    fn append(&mut self, figure: Option<Estimated>) {
        let limits: Option<Confidence> = figure.and_then(|figure| figure.confidence);
        self.value.append_option(figure.map(|figure| figure.value));
        self.low.append_option(limits.map(|limits| limits.low));
        self.high.append_option(limits.map(|limits| limits.high));
    }

    fn finish(mut self) -> [ArrayRef; 3] {
        [
            Arc::new(self.value.finish()),
            Arc::new(self.low.finish()),
            Arc::new(self.high.finish()),
        ]
    }
}

/// A column of few different texts.
type Words = StringDictionaryBuilder<Int8Type>;

/// The columns of figures while they grow.
struct Figures {
    probability_alive: Triple,
    expected_purchases: Triple,
    purchases_low: Int64Builder,
    purchases_high: Int64Builder,
    expected_spend: Triple,
    lifetime_value: Triple,
    model: Words,
    spend_model: Words,
    reason: Words,
}

impl Figures {
    fn with_capacity(rows: usize) -> Self {
        let triple = || Triple::with_capacity(rows);
        let integers = || Int64Builder::with_capacity(rows);
        Self {
            probability_alive: triple(),
            expected_purchases: triple(),
            purchases_low: integers(),
            purchases_high: integers(),
            expected_spend: triple(),
            lifetime_value: triple(),
            model: Words::new(),
            spend_model: Words::new(),
            reason: Words::new(),
        }
    }

    fn append(
        &mut self,
        predictor: &Predictor,
        purchases: Result<Forecasted, &'static str>,
        spend: Result<Estimated, &'static str>,
    ) {
        let (known, spent) = (purchases.ok(), spend.ok());
        self.probability_alive
            .append(known.map(|known| known.probability_alive));
        self.expected_purchases
            .append(known.map(|known| known.expected_purchases));
        let range = known.and_then(|known| known.purchases);
        let whole = |limit: u64| i64::try_from(limit).ok();
        self.purchases_low
            .append_option(range.and_then(|range| whole(range.low)));
        self.purchases_high
            .append_option(range.and_then(|range| whole(range.high)));
        self.expected_spend.append(spent);
        let value = known.zip(spent).map(|(known, spent)| {
            known
                .discounted_expected_purchases
                .times_independent(&spent, &predictor.level)
        });
        self.lifetime_value.append(value);
        let chosen = predictor.purchases.as_ref().ok();
        self.model.append_option(chosen.map(|chosen| chosen.name));
        self.spend_model
            .append_option(spent.map(|_| predictor.spend.name()));
        let missing = purchases.err().or(spend.err());
        let fallback = || {
            let of_purchases = chosen.and_then(|chosen| chosen.reason);
            of_purchases.or(predictor.spend.reason())
        };
        self.reason.append_option(missing.or_else(fallback));
    }

    fn finish(mut self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError> {
        let words = |mut words: Words| arrow::compute::cast(&words.finish(), &DataType::Utf8View);
        let given = |name: &'static str| {
            let column = batch.column_by_name(name);
            column.cloned().ok_or(ScoreError::MissingColumn(name))
        };
        let mut columns: Vec<ArrayRef> = vec![
            given("customer_id")?,
            given("frequency")?,
            given("recency_age")?,
            given("customer_age")?,
        ];
        columns.extend(self.probability_alive.finish());
        columns.extend(self.expected_purchases.finish());
        columns.push(Arc::new(self.purchases_low.finish()));
        columns.push(Arc::new(self.purchases_high.finish()));
        columns.extend(self.expected_spend.finish());
        columns.extend(self.lifetime_value.finish());
        columns.push(words(self.model)?);
        columns.push(words(self.spend_model)?);
        columns.push(words(self.reason)?);
        let fields = OUTPUT
            .iter()
            .zip(&columns)
            .map(|(column, array)| Field::new(column.name, array.data_type().clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }
}
