//! What a plan reads and publishes, as OpenLineage names it.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::datatypes::{Field, SchemaRef};
use indexmap::IndexMap;
use url::Url;

use crate::plan::lineage::Traces;
use crate::plan::{
    CHECK_RESULTS, MODEL_CALIBRATION, MODEL_FITS, Plan, PlannedOutput, PlannedSource,
    ROWS_SET_ASIDE, check_results_schema,
};
use crate::publish::published_type;
use crate::score::{calibration_schema, fits_schema};
use crate::source::set_aside_schema;
use crate::store;

/// A raw table, or a published one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dataset {
    /// The store, by OpenLineage's naming conventions: `s3://bucket`, `file`.
    pub(super) namespace: String,
    /// The path in it.
    pub(super) name: String,
    /// Empty where nobody said what it is.
    pub(super) description: String,
    pub(super) columns: Vec<Column>,
}

/// A column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) sql_type: String,
    pub(super) description: Option<String>,
    /// The raw tables and their columns of which the value is made; of raw columns none.
    pub(super) from: Vec<(String, String)>,
}

/// The datasets of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Datasets {
    /// What the pipeline is for.
    pub(super) description: String,
    /// By the name of the raw table.
    pub(super) inputs: IndexMap<String, Dataset>,
    /// By the name of the published table.
    pub(super) outputs: IndexMap<String, Dataset>,
}

impl Datasets {
    /// The datasets of `plan`, whose relative stores start from `root`. A store that cannot be opened is left out: the run will say
    /// so.
    pub(super) fn of(plan: &Plan, root: &Path) -> Self {
        let mut places: BTreeMap<&str, Place> = BTreeMap::new();
        for (name, declared) in &plan.stores {
            if let Ok(opened) = store::open(&declared.url, &declared.options, root) {
                let account = account_of(&declared.options);
                places.insert(name.as_str(), Place::of(&opened.url, account.as_deref()));
            }
        }
        let inputs = inputs(plan, &places);
        let outputs = match places.get(plan.output_store.as_str()) {
            Some(place) => outputs(plan, place, &inputs),
            None => IndexMap::new(),
        };
        Self {
            description: plan.description.clone(),
            inputs,
            outputs,
        }
    }
}

fn inputs(plan: &Plan, places: &BTreeMap<&str, Place>) -> IndexMap<String, Dataset> {
    let mut in_folder: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for source in &plan.sources {
        let folder = folder_of(&source.table.path.value);
        *in_folder
            .entry((source.store.as_str(), folder))
            .or_default() += 1;
    }
    let mut inputs = IndexMap::new();
    for source in &plan.sources {
        let Some(place) = places.get(source.store.as_str()) else {
            continue;
        };
        let pattern = source.table.path.value.as_str();
        let folder = folder_of(pattern);
        let shared = in_folder.get(&(source.store.as_str(), folder)).copied();
        // Whoever writes the objects names the folder; two tables of one folder need their patterns.
        let path = if folder.is_empty() || shared != Some(1) {
            pattern
        } else {
            folder
        };
        let dataset = Dataset {
            namespace: place.namespace.clone(),
            name: place.name_of(path),
            description: source.table.description.clone(),
            columns: raw_columns(source),
        };
        inputs.insert(source.name.clone(), dataset);
    }
    inputs
}

fn raw_columns(source: &PlannedSource) -> Vec<Column> {
    let mut columns = Vec::new();
    for (name, column) in &source.table.columns {
        columns.push(Column {
            name: name.clone(),
            sql_type: column.value.sql_type.to_string(),
            description: column.value.description.clone(),
            from: Vec::new(),
        });
    }
    for (name, sql_type) in &source.table.partitions {
        columns.push(Column {
            name: name.clone(),
            sql_type: sql_type.to_string(),
            description: None,
            from: Vec::new(),
        });
    }
    columns
}

fn outputs(
    plan: &Plan,
    place: &Place,
    inputs: &IndexMap<String, Dataset>,
) -> IndexMap<String, Dataset> {
    let named = |table: &str| Dataset {
        namespace: place.namespace.clone(),
        name: place.name_of(&format!(
            "{}/{table}.parquet",
            plan.output_path.trim_matches('/')
        )),
        ..Dataset::default()
    };
    let traces = Traces::of(plan);
    let mut outputs = IndexMap::new();
    for output in &plan.outputs {
        let dataset = Dataset {
            description: output.contract.description.clone(),
            columns: published_columns(output, &traces, inputs),
            ..named(&output.table)
        };
        outputs.insert(output.table.clone(), dataset);
    }
    for (table, schema) in own_tables(plan) {
        let columns = schema.fields().iter().map(|field| own_column(field));
        let dataset = Dataset {
            columns: columns.collect(),
            ..named(table)
        };
        outputs.insert(table.to_owned(), dataset);
    }
    outputs
}

/// The tables that cvm makes of itself.
fn own_tables(plan: &Plan) -> Vec<(&'static str, SchemaRef)> {
    let mut tables = vec![
        (ROWS_SET_ASIDE, set_aside_schema()),
        (CHECK_RESULTS, check_results_schema()),
    ];
    if plan.has_scores() {
        tables.push((MODEL_FITS, fits_schema()));
        tables.push((MODEL_CALIBRATION, calibration_schema()));
    }
    tables
}

fn own_column(field: &Field) -> Column {
    let published = published_type(field.name(), field.data_type());
    Column {
        name: field.name().clone(),
        sql_type: match published {
            Ok(sql_type) => sql_type.to_string(),
            Err(_) => field.data_type().to_string(),
        },
        description: None,
        from: Vec::new(),
    }
}

fn published_columns(
    output: &PlannedOutput,
    traces: &Traces,
    inputs: &IndexMap<String, Dataset>,
) -> Vec<Column> {
    let mut columns = Vec::new();
    for (name, column) in &output.contract.columns {
        let mut from = Vec::new();
        for origin in traces.raw(&output.table, name) {
            // Rows that are counted have no column, and an entity that nothing is bound to is no dataset.
            if let Some(column) = origin.column
                && inputs.contains_key(&origin.table)
            {
                from.push((origin.table, column));
            }
        }
        columns.push(Column {
            name: name.clone(),
            sql_type: column.value.sql_type.to_string(),
            description: Some(column.value.description.clone()),
            from,
        });
    }
    columns
}

/// A store by OpenLineage's naming conventions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    namespace: String,
    prefix: String,
}

impl Place {
    /// The place that a store's printable URL names; `account` is Azure's, where the URL leaves it away.
    fn of(url: &str, account: Option<&str>) -> Self {
        if let Some(path) = url.strip_prefix("file://") {
            return Self {
                namespace: "file".to_owned(),
                prefix: path.to_owned(),
            };
        }
        let Ok(parsed) = Url::parse(url) else {
            return Self {
                namespace: url.to_owned(),
                prefix: String::new(),
            };
        };
        let host = parsed.host_str().unwrap_or_default();
        let container = parsed.username();
        let namespace = match (parsed.scheme(), account) {
            ("s3" | "s3a", _) => format!("s3://{host}"),
            ("abfs" | "abfss", _) if !container.is_empty() => format!("abfss://{container}@{host}"),
            ("az" | "adl" | "azure" | "abfs" | "abfss", Some(account)) => {
                format!("abfss://{host}@{account}.dfs.core.windows.net")
            }
            ("memory", _) => "memory".to_owned(),
            (scheme, _) => match parsed.port() {
                Some(port) => format!("{scheme}://{host}:{port}"),
                None => format!("{scheme}://{host}"),
            },
        };
        Self {
            namespace,
            prefix: parsed.path().trim_matches('/').to_owned(),
        }
    }

    /// The name of what lies at `path` below the store's URL.
    fn name_of(&self, path: &str) -> String {
        let path = path.trim_matches('/');
        if self.prefix.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.prefix.trim_end_matches('/'))
        }
    }
}

/// Azure's account, where the options or the environment name it.
fn account_of(options: &BTreeMap<String, String>) -> Option<String> {
    let mut declared = options.iter().filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name == "account_name" || name == "azure_storage_account_name"
    });
    match declared.next() {
        Some((_, account)) => Some(account.clone()),
        None => std::env::var("AZURE_STORAGE_ACCOUNT_NAME").ok(),
    }
}

/// The folder in which all objects of a pattern lie; a path that is none stays as it is.
fn folder_of(pattern: &str) -> &str {
    let Some(first) = pattern.find(['*', '?', '[', '{']) else {
        return pattern;
    };
    let before = pattern.get(..first).unwrap_or_default();
    before.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::{Place, folder_of};

    #[test]
    fn stores_are_named_as_openlineage_names_them() {
        for (url, namespace, name) in [
            ("s3://raw/shop", "s3://raw", "shop/orders"),
            ("s3a://raw", "s3://raw", "orders"),
            ("gs://raw/a/b", "gs://raw", "a/b/orders"),
            (
                "abfss://raw@company.dfs.core.windows.net/shop",
                "abfss://raw@company.dfs.core.windows.net",
                "shop/orders",
            ),
            (
                "az://raw/shop",
                "abfss://raw@company.dfs.core.windows.net",
                "shop/orders",
            ),
            ("file:///data/lake", "file", "/data/lake/orders"),
            ("file:///", "file", "/orders"),
            ("https://host/shop", "https://host", "shop/orders"),
            ("http://host:8080", "http://host:8080", "orders"),
        ] {
            let place = Place::of(url, Some("company"));
            assert_eq!(place.namespace, namespace, "{url}");
            assert_eq!(place.name_of("orders"), name, "{url}");
        }
    }

    #[test]
    fn objects_of_a_pattern_are_named_by_their_folder() {
        for (pattern, folder) in [
            ("shop/orders/*.csv", "shop/orders"),
            ("shop/day=*/part-?.csv", "shop"),
            ("shop/orders_{a,b}.csv", "shop"),
            ("*.csv", ""),
            ("shop/orders.csv", "shop/orders.csv"),
        ] {
            assert_eq!(folder_of(pattern), folder, "{pattern}");
        }
    }
}
