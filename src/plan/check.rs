//! The parts of a pipeline that can be judged one by one: settings, sources, outputs.

use crate::score::{ValidationSettings, ValueSettings};
use crate::spec::SqlType;
use crate::spec::problem::{Problem, did_you_mean};
use crate::spec::source::{Format, RawColumn};

use super::catalogue::limits_fault;
use super::compile::Compiling;
use super::source_checks::promised;
use super::{ENTITIES, RESERVED_TABLES, Settings};

const SCHEMES: &[&str] = &[
    "file", "s3", "s3a", "gs", "az", "abfs", "abfss", "http", "https", "memory",
];
/// A century: further ahead no model of this field means anything.
const LONGEST_HORIZON: i64 = 36_525;

/// Whether `name` can stand in SQL without quotes.
pub(super) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

pub(super) fn settings(compiling: &mut Compiling<'_>) -> Option<Settings> {
    let before = compiling.problems.len();
    let value = compiling.pipeline.value.value.clone();
    let name = compiling.pipeline.pipeline.clone();
    if !is_name(&name.value) {
        let message = format!("`{}` is no name", name.value);
        compiling.fault("cvm::plan::name", name.at, message, NAME_HELP);
    }
    if value.currency.value.len() != 3
        || !value.currency.value.bytes().all(|b| b.is_ascii_uppercase())
    {
        compiling.fault(
            "cvm::plan::currency",
            value.currency.at,
            format!("`{}` is no currency code", value.currency.value),
            "write the three capital letters of ISO 4217, as in EUR",
        );
    }
    if !(1..=LONGEST_HORIZON).contains(&value.horizon_days.value) {
        compiling.fault(
            "cvm::plan::horizon",
            value.horizon_days.at,
            format!(
                "a horizon of {} days cannot be predicted",
                value.horizon_days.value
            ),
            format!("give a number of days from 1 to {LONGEST_HORIZON}"),
        );
    }
    if !(0.0..=10.0).contains(&value.annual_discount_rate.value) {
        compiling.fault(
            "cvm::plan::discount_rate",
            value.annual_discount_rate.at,
            format!(
                "{} is no yearly discount rate",
                value.annual_discount_rate.value
            ),
            "give a share from 0 to 10; ten percent is 0.10",
        );
    }
    let timezone = compiling.pipeline.timezone.clone();
    let parsed = timezone
        .as_ref()
        .map_or(Ok(chrono_tz::UTC), |zone| zone.value.parse());
    if let (Err(_), Some(zone)) = (&parsed, &timezone) {
        let help = did_you_mean(
            &zone.value,
            chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()),
        );
        let help = if help.starts_with("did") {
            help
        } else {
            "use a name such as Europe/London".into()
        };
        compiling.fault(
            "cvm::plan::timezone",
            zone.at,
            format!("`{}` is no time zone", zone.value),
            help,
        );
    }
    if compiling.pipeline.sources.is_empty() {
        compiling.fault(
            "cvm::plan::sources",
            name.at,
            "the pipeline reads no source",
            "name a source file under `sources:`",
        );
    }
    let validation = validation(compiling);
    stores(compiling);
    (compiling.problems.len() == before).then(|| Settings {
        timezone: parsed.unwrap_or(chrono_tz::UTC),
        currency: value.currency.value,
        measure: value.measure,
        value: ValueSettings {
            horizon_days: value.horizon_days.value,
            annual_discount_rate: value.annual_discount_rate.value,
            validation,
        },
    })
}

/// The bounds that predictions are held against.
fn validation(compiling: &mut Compiling<'_>) -> Option<ValidationSettings> {
    let declared = compiling.pipeline.validation.clone()?.value;
    let days = &declared.holdout_days;
    if !(1..=LONGEST_HORIZON).contains(&days.value) {
        compiling.fault(
            "cvm::plan::validation",
            days.at,
            format!("{} days cannot be held out", days.value),
            format!("give a number of days from 1 to {LONGEST_HORIZON}"),
        );
    }
    let bounds = [
        ("max_bias", &declared.max_bias, 0.0..=f64::MAX),
        ("min_gini", &declared.min_gini, 0.0..=1.0),
        ("max_mae", &declared.max_mae, 0.0..=f64::MAX),
    ];
    for (name, bound, range) in bounds {
        if let Some(bound) = bound
            && !range.contains(&bound.value)
        {
            let help = match name {
                "min_gini" => "give a number from 0 to 1",
                _ => "give a number of at least 0",
            };
            let message = format!("`{name}` cannot be {}", bound.value);
            compiling.fault("cvm::plan::validation", bound.at, message, help);
        }
    }
    let value = |bound: &Option<crate::spec::Spanned<f64>>| bound.as_ref().map(|bound| bound.value);
    Some(ValidationSettings {
        holdout_days: days.value,
        max_bias: value(&declared.max_bias),
        min_gini: value(&declared.min_gini),
        max_mae: value(&declared.max_mae),
    })
}

const NAME_HELP: &str =
    "start with a lower-case letter, go on with lower-case letters, digits and `_`";

fn stores(compiling: &mut Compiling<'_>) {
    for (name, store) in compiling.pipeline.stores.clone() {
        let scheme = store
            .value
            .url
            .split_once(':')
            .map_or("", |(scheme, _)| scheme);
        if !SCHEMES.contains(&scheme) {
            // The URL is not printed: it may hold a secret.
            compiling.fault(
                "cvm::plan::store_url",
                store.at,
                format!("the URL of the store `{name}` names no known kind of store"),
                "start it with file:, s3://, gs://, az:// or https://",
            );
        }
    }
}

pub(super) fn sources(compiling: &mut Compiling<'_>) {
    let mut problems = Vec::new();
    for (name, source) in &compiling.sources {
        let before = problems.len();
        let mut fault = |at, message: String, help: &str| {
            problems.push(Problem::new(
                "cvm::plan::source",
                &source.file,
                at,
                message,
                help,
            ));
        };
        let (system, table) = name.split_once('.').unwrap_or_default();
        if !is_name(system) || !is_name(table) || system == ENTITIES || system == "public" {
            fault(
                source.at,
                format!("a raw table cannot be named `{name}`"),
                NAME_HELP,
            );
        }
        let planned = &source.planned;
        if !(0.0..=1.0).contains(&planned.tolerance.max_bad_share) {
            let message = format!(
                "max_bad_share of `{name}` is {}",
                planned.tolerance.max_bad_share
            );
            fault(
                source.at,
                message,
                "give a share from 0 to 1; one percent is 0.01",
            );
        }
        let path = &planned.table.path;
        if path.value.split('/').any(|part| part == "..") || path.value.starts_with('/') {
            fault(
                path.at,
                format!("the path `{}` leaves its store", path.value),
                "give a path below the store's URL",
            );
        } else if let Err(error) = globset::Glob::new(&path.value) {
            let message = format!("the path `{}` is no pattern: {}", path.value, error.kind());
            fault(path.at, message, "see * ** ? [..] and {a,b} in a shell");
        }
        if planned.table.columns.is_empty() {
            fault(
                source.at,
                format!("the raw table `{name}` has no columns"),
                "declare its columns",
            );
        }
        if let Format::Csv(csv) = &planned.table.format
            && csv.quote.is_some_and(|quote| !quote.is_ascii())
        {
            fault(
                source.at,
                format!("the quote of `{name}` is no ASCII character"),
                "use one such as \"",
            );
        }
        for (column, declared) in &planned.table.columns {
            if column.starts_with("_file") || column.starts_with("_line") || column.is_empty() {
                let message = format!("a raw column cannot be named `{column}`");
                fault(
                    declared.at,
                    message,
                    "_file and _line tell where a row stands",
                );
            }
            if let Some(message) = column_fault(column, &declared.value) {
                fault(declared.at, message, "change the format or the type");
            }
            if let Some((message, help)) = limits_fault(column, &promised(&declared.value)) {
                fault(declared.at, message, help);
            }
        }
        let columns = planned.table.columns.keys();
        let columns: Vec<&str> = columns
            .chain(planned.table.partitions.keys())
            .map(String::as_str)
            .collect();
        for key in &planned.table.key {
            if !columns.contains(&key.value.as_str()) {
                let message = format!("the key column `{}` is none of the columns", key.value);
                let help = did_you_mean(&key.value, columns.iter().copied());
                fault(key.at, message, &help);
            }
        }
        // The reader has the last word on what it could not read; what has a place of its own was told above.
        if problems.len() == before {
            for message in crate::source::check(&planned.table) {
                let message = format!("the raw table `{name}` cannot be read: {message}");
                let help = "change the declaration";
                problems.push(Problem::new(
                    "cvm::plan::source",
                    &source.file,
                    source.at,
                    message,
                    help,
                ));
            }
        }
    }
    compiling.problems.extend(problems);
}

fn column_fault(name: &str, column: &RawColumn) -> Option<String> {
    let is_time = matches!(column.sql_type, SqlType::Date | SqlType::Timestamp);
    let is_number = matches!(
        column.sql_type,
        SqlType::Bigint | SqlType::Double | SqlType::Decimal { .. }
    );
    if let Some(format) = &column.format {
        if !is_time {
            return Some(format!(
                "the column `{name}` is no date or timestamp, but has a format"
            ));
        }
        let bad = |item| matches!(item, chrono::format::Item::Error);
        if chrono::format::StrftimeItems::new(format).any(bad) {
            return Some(format!(
                "the format `{format}` of the column `{name}` is not known"
            ));
        }
    }
    if let Some(zone) = &column.timezone {
        if column.sql_type != SqlType::Timestamp {
            return Some(format!(
                "the column `{name}` is no timestamp, but has a timezone"
            ));
        }
        if zone.parse::<chrono_tz::Tz>().is_err() {
            return Some(format!("`{zone}` of the column `{name}` is no time zone"));
        }
    }
    let separators = column.decimal_separator.is_some() || column.thousands_separator.is_some();
    if separators && !is_number {
        return Some(format!(
            "the column `{name}` is no number, but has a separator"
        ));
    }
    let decimal = column.decimal_separator.unwrap_or('.');
    (column.thousands_separator == Some(decimal))
        .then(|| format!("the column `{name}` has the same separator twice"))
}

pub(super) fn outputs(compiling: &mut Compiling<'_>) {
    let outputs = compiling.pipeline.outputs.clone();
    if !compiling.pipeline.stores.contains_key(&outputs.store.value) {
        let stores = compiling.pipeline.stores.clone();
        let help = did_you_mean(&outputs.store.value, stores.keys().map(String::as_str));
        let message = format!("the pipeline declares no store `{}`", outputs.store.value);
        compiling.fault("cvm::plan::store", outputs.store.at, message, help);
    }
    if outputs.path.value.split('/').any(|part| {
        part.is_empty() || part == ".." || part == "." || part.contains(char::is_control)
    }) {
        let message = format!("`{}` is no folder below a store", outputs.path.value);
        compiling.fault(
            "cvm::plan::output",
            outputs.path.at,
            message,
            "write it as in marts/shop",
        );
    }
    if outputs.tables.is_empty() {
        let help = "name the marts that readers should see";
        compiling.fault(
            "cvm::plan::output",
            outputs.store.at,
            "nothing is published",
            help,
        );
    }
    let mut seen = std::collections::BTreeSet::new();
    for table in &outputs.tables {
        if RESERVED_TABLES.contains(&table.value.as_str()) {
            let message = format!("`{}` is published by itself", table.value);
            compiling.fault("cvm::plan::output", table.at, message, "leave it out");
        } else if !is_name(&table.value) {
            let message = format!("`{}` is no name for a table that readers see", table.value);
            compiling.fault("cvm::plan::output", table.at, message, NAME_HELP);
        } else if !seen.insert(table.value.clone()) {
            let message = format!("`{}` is published twice", table.value);
            compiling.fault("cvm::plan::output", table.at, message, "name it once");
        }
    }
}
