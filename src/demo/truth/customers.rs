//! What each customer was drawn from: `truth/customers-*.parquet`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    StringBuilder,
};
use arrow::datatypes::DataType;

use crate::demo::catalogue::CATEGORIES;
use crate::demo::channels::CHANNELS;
use crate::demo::columns::ParquetObject;
use crate::demo::persona::DEVICES;
use crate::demo::sales::Buyer;
use crate::demo::{GenerateError, Object};

/// Euros to the ten-thousandth.
const EUROS: DataType = DataType::Decimal128(18, 4);

/// The rows of a chunk.
#[derive(Default)]
pub(in crate::demo) struct CustomerTruths {
    texts: [StringBuilder; 7],
    numbers: [Float64Builder; 3],
    flags: [BooleanBuilder; 3],
    days: [Date32Builder; 3],
    purchase_days: Int64Builder,
    revenue: Decimal128Builder,
}

impl CustomerTruths {
    pub(in crate::demo) fn write(&mut self, buyer: &Buyer<'_>, revenue_ten_thousandths: i64) {
        let (traits, persona) = (buyer.traits, buyer.persona);
        let channel = &CHANNELS[usize::from(traits.channel)];
        let texts = [
            buyer.id,
            channel.name,
            channel.campaigns[persona.profile.campaign].0,
            persona.taste.need().name,
            persona.profile.place().region,
            CATEGORIES[persona.taste.first_category].name,
            DEVICES[persona.profile.device],
        ];
        for (builder, text) in self.texts.iter_mut().zip(texts) {
            builder.append_value(text);
        }
        let numbers = [traits.rate, traits.dropout_probability, traits.mean_spend];
        for (builder, number) in self.numbers.iter_mut().zip(numbers) {
            builder.append_value(number);
        }
        let is_warned = persona.warned_from.is_some();
        let flags = [traits.is_alive, persona.is_high_value, is_warned];
        for (builder, flag) in self.flags.iter_mut().zip(flags) {
            builder.append_value(flag);
        }
        let last = buyer.purchases.last().map(|purchase| purchase.day);
        let days = [Some(traits.first_day), last, persona.warned_from];
        for (builder, day) in self.days.iter_mut().zip(days) {
            builder.append_option(day);
        }
        self.purchase_days
            .append_value(buyer.purchases.len() as i64);
        self.revenue.append_value(revenue_ten_thousandths.into());
    }

    pub(in crate::demo) fn finish(mut self, chunk: u64) -> Result<Object, GenerateError> {
        let texts = [
            "customer_id",
            "acquisition_channel",
            "acquisition_campaign_id",
            "need_segment",
            "region",
            "first_category",
            "device",
        ];
        let numbers = ["purchase_rate_per_day", "dropout_probability", "mean_spend"];
        let flags = ["is_alive", "is_high_value", "is_warned"];
        let days = ["first_order_date", "last_order_date", "warned_from"];
        let mut columns: Vec<(&str, DataType)> = Vec::new();
        columns.extend(texts.map(|name| (name, DataType::Utf8)));
        columns.extend(numbers.map(|name| (name, DataType::Float64)));
        columns.extend(flags.map(|name| (name, DataType::Boolean)));
        columns.extend(days.map(|name| (name, DataType::Date32)));
        columns.push(("purchase_days", DataType::Int64));
        columns.push(("revenue", EUROS));
        let mut object = ParquetObject::new("truth", &columns, &texts[1..])?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for builder in &mut self.texts {
            arrays.push(Arc::new(builder.finish()));
        }
        for builder in &mut self.numbers {
            arrays.push(Arc::new(builder.finish()));
        }
        for builder in &mut self.flags {
            arrays.push(Arc::new(builder.finish()));
        }
        for builder in &mut self.days {
            arrays.push(Arc::new(builder.finish()));
        }
        arrays.push(Arc::new(self.purchase_days.finish()));
        arrays.push(Arc::new(self.revenue.finish().with_data_type(EUROS)));
        object.write(arrays)?;
        Ok(Object {
            path: format!("truth/customers-{chunk:05}.parquet"),
            bytes: object.finish()?,
        })
    }
}
