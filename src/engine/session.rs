//! The only owner of a `SessionContext`.
//!
//! Planning and running must agree on every name, type and function, so both get their context here; nothing
//! else in cvm makes or changes one. A distributed engine would be put in at this place alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{MemorySchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{
    EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, Volatility, lit,
};
use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{DataFrame, SQLOptions, SessionConfig, SessionContext, col};
use datafusion::sql::parser::Statement;
use object_store::ObjectStore;

use super::day_arithmetic::DayArithmetic;
use super::functions;
use super::joins_by_size::JoinsBySize;
use super::layout::{self, Layout};
use super::short_windows::ShortWindows;

/// The part of the memory that one side of a hash join may take: several are held at the same time, and each is copied once.
const JOIN_SHARE: usize = 16;
/// How many of the largest consumers an out-of-memory message names.
const CONSUMERS_NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(4);

/// What a run may use of the machine.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Partitions that work at the same time.
    pub threads: usize,
    /// Bytes that operators may hold before they spill.
    pub memory_limit: usize,
    /// Where operators spill.
    pub spill_directory: PathBuf,
}

/// A place where tables have names and SQL has a meaning.
#[derive(Clone)]
pub struct Session {
    context: SessionContext,
}

impl Session {
    /// A session that proves SQL and runs none: of the optimiser it has only the rules that find faults, because the others
    /// take most of the time of planning a hundred tables.
    pub fn for_planning() -> Self {
        let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
            Arc::new(SimplifyExpressions::new()),
            Arc::new(DecorrelatePredicateSubquery::new()),
            Arc::new(ScalarSubqueryToJoin::new()),
            Arc::new(DecorrelateLateralJoin::new()),
        ];
        let mut config = configuration(1);
        config.options_mut().optimizer.max_passes = 1;
        let builder = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_optimizer_rules(rules);
        Self::built(builder)
    }

    /// A session for queries on tables that are published.
    pub fn for_queries() -> Self {
        let builder = SessionStateBuilder::new()
            .with_config(configuration(1))
            .with_default_features();
        Self::built(builder)
    }

    /// A session that runs SQL within the given bounds.
    ///
    /// # Errors
    /// When the spill folder cannot be used.
    pub fn for_run(options: &SessionOptions) -> Result<Self> {
        let folders = DiskManagerMode::Directories(vec![options.spill_directory.clone()]);
        // The disk is the bound. The engine's own, of 100 GiB, nobody could raise.
        let disk = DiskManagerBuilder::default()
            .with_mode(folders)
            .with_max_temp_directory_size(u64::MAX);
        let pool =
            TrackConsumersPool::new(FairSpillPool::new(options.memory_limit), CONSUMERS_NAMED);
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(disk)
            .with_memory_pool(Arc::new(pool))
            .build_arc()?;
        let builder = SessionStateBuilder::new()
            .with_config(configuration(options.threads))
            .with_runtime_env(runtime)
            .with_default_features()
            .with_physical_optimizer_rules(rules(options.memory_limit / JOIN_SHARE));
        Ok(Self::built(builder))
    }

    fn built(mut builder: SessionStateBuilder) -> Self {
        let planners = builder.expr_planners().get_or_insert_default();
        planners.push(Arc::new(DayArithmetic));
        let context = SessionContext::new_with_state(builder.build());
        for function in functions::scalar() {
            context.register_udf(function.as_ref().clone());
        }
        for function in functions::aggregate() {
            context.register_udaf(function.as_ref().clone());
        }
        Self { context }
    }

    /// Gives `table` a meaning; a name that is taken gets the new one.
    ///
    /// # Errors
    /// When the table's schema cannot be made.
    pub fn register(&self, table: &TableReference, provider: Arc<dyn TableProvider>) -> Result<()> {
        if let Some(schema) = table.schema()
            && let Some(catalog) = self.context.catalog("datafusion")
            && catalog.schema(schema).is_none()
        {
            catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
        }
        self.context.deregister_table(table.clone())?;
        self.context.register_table(table.clone(), provider)?;
        Ok(())
    }

    /// A table with a shape and no rows, for planning.
    ///
    /// # Errors
    /// As [`Session::register`].
    pub fn declare(&self, table: &TableReference, schema: SchemaRef) -> Result<()> {
        self.register(table, Arc::new(EmptyTable::new(schema)))
    }

    /// `table` as the result of `plan`, worked out anew wherever it is read.
    ///
    /// # Errors
    /// As [`Session::register`].
    pub fn register_view(&self, table: &TableReference, plan: LogicalPlan) -> Result<()> {
        self.register(table, Arc::new(ViewTable::new(plan, None)))
    }

    /// Whether `table` has a meaning.
    pub fn knows(&self, table: &TableReference) -> bool {
        self.context.table_exist(table.clone()).unwrap_or(false)
    }

    /// The plan of a statement, with every name and type resolved.
    ///
    /// # Errors
    /// What is wrong with the SQL.
    pub async fn plan(&self, statement: Statement) -> Result<LogicalPlan> {
        self.context.state().statement_to_plan(statement).await
    }

    /// The plan of a query that cvm itself wrote.
    ///
    /// # Errors
    /// What is wrong with the SQL.
    pub async fn plan_text(&self, sql: &str) -> Result<LogicalPlan> {
        self.context.state().create_logical_plan(sql).await
    }

    /// Refuses a plan that does more than read: `copy … to`, `insert`, `create`, `set`.
    ///
    /// # Errors
    /// When it does.
    pub fn refuse_writes(&self, plan: &LogicalPlan) -> Result<()> {
        let reads = SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false);
        reads.verify_plan(plan)
    }

    /// `plan` after type coercion and simplification; fails where types do not fit.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        self.context.state().optimize(plan)
    }

    /// A function in `plan` whose value is not decided by its arguments: one that reads the clock or draws numbers.
    ///
    /// # Errors
    /// When the plan cannot be walked.
    pub fn impure_function(&self, plan: &LogicalPlan) -> Result<Option<String>> {
        let mut found = None;
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expression| {
                expression.apply(|part| {
                    if let Expr::ScalarFunction(call) = part
                        && call.func.signature().volatility != Volatility::Immutable
                    {
                        found = Some(call.func.name().to_owned());
                        return Ok(TreeNodeRecursion::Stop);
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        Ok(found)
    }

    /// How often `plan`, as the SQL says it, goes over each table: a common table expression goes over its own once for
    /// each time that it is read.
    ///
    /// # Errors
    /// When the plan cannot be walked.
    pub fn scans(&self, plan: &LogicalPlan) -> Result<BTreeMap<String, usize>> {
        let mut scans = BTreeMap::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                *scans.entry(scan.table_name.to_string()).or_default() += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(scans)
    }

    /// Whether the rows of `plan` are worked out one by one from tables that `cheap` accepts, so that writing them down
    /// would save nothing. Joins with relations that are known to be empty do not count: they vanish.
    ///
    /// # Errors
    /// When the plan cannot be optimised.
    pub fn is_row_by_row(&self, plan: &LogicalPlan, cheap: &dyn Fn(&str) -> bool) -> Result<bool> {
        let mut row_by_row = true;
        self.check(plan)?.apply(|node| {
            row_by_row &= match node {
                LogicalPlan::TableScan(scan) => cheap(&scan.table_name.to_string()),
                LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Union(_)
                | LogicalPlan::EmptyRelation(_) => true,
                _ => false,
            };
            Ok(if row_by_row {
                TreeNodeRecursion::Continue
            } else {
                TreeNodeRecursion::Stop
            })
        })?;
        Ok(row_by_row)
    }

    /// `plan` with exactly the types of `schema`: text in one representation, instants in UTC microseconds.
    ///
    /// # Errors
    /// When a column is missing or cannot be cast.
    pub fn in_shape(&self, plan: LogicalPlan, schema: &SchemaRef) -> Result<LogicalPlan> {
        let same = |(made, wanted): (&arrow::datatypes::FieldRef, &arrow::datatypes::FieldRef)| {
            made.data_type() == wanted.data_type()
        };
        if plan.schema().fields().iter().zip(schema.fields()).all(same) {
            return Ok(plan);
        }
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let (qualifier, made) = plan
                    .schema()
                    .qualified_field_with_unqualified_name(field.name())?;
                let column = col(datafusion::common::Column::from((qualifier, made)));
                Ok(
                    datafusion::logical_expr::cast(column, field.data_type().clone())
                        .alias(field.name()),
                )
            })
            .collect::<Result<Vec<_>>>()?;
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    }

    /// The rows of a table that has no name.
    ///
    /// # Errors
    /// When the table cannot be scanned.
    pub fn rows_of(&self, table: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
        LogicalPlanBuilder::scan("raw", provider_as_source(table), None)?.build()
    }

    /// How `plan` is executed when its rows are to lie together by `column`, one of its own.
    ///
    /// # Errors
    /// When it cannot be planned.
    pub async fn together_by(
        &self,
        plan: LogicalPlan,
        column: Option<&str>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let physical = self.frame(plan).create_physical_plan().await?;
        let parts = self.context.state().config().target_partitions();
        match column {
            Some(column) if parts > 1 => layout::together_by(physical, column, parts),
            _ => Ok(physical),
        }
    }

    /// A plan that can be executed.
    pub fn frame(&self, plan: LogicalPlan) -> DataFrame {
        DataFrame::new(self.context.state(), plan)
    }

    /// What an execution needs of the session.
    pub fn task(&self) -> Arc<TaskContext> {
        self.context.task_ctx()
    }

    /// A relation without rows that the optimiser prunes wherever it is joined or grouped.
    ///
    /// # Errors
    /// When `schema` has a column twice.
    pub fn empty_relation(&self, schema: &SchemaRef) -> Result<LogicalPlan> {
        let schema = Arc::new(DFSchema::try_from(schema.as_ref().clone())?);
        Ok(LogicalPlan::EmptyRelation(EmptyRelation {
            produce_one_row: false,
            schema,
        }))
    }

    /// The union of `parts` by column name, in the shape of `schema`; a column that a part lacks is null.
    ///
    /// # Errors
    /// When a part is unknown or a column cannot be cast.
    pub async fn union_by_name(
        &self,
        parts: &[TableReference],
        schema: &SchemaRef,
    ) -> Result<LogicalPlan> {
        let mut union: Option<LogicalPlanBuilder> = None;
        for part in parts {
            let provider = self.context.table_provider(part.clone()).await?;
            let present = provider.schema();
            let columns = schema
                .fields()
                .iter()
                .map(|field| match present.field_with_name(field.name()) {
                    Ok(_) => Ok(datafusion::logical_expr::cast(
                        col(datafusion::common::Column::new(
                            Some(part.clone()),
                            field.name(),
                        )),
                        field.data_type().clone(),
                    )
                    .alias(field.name())),
                    Err(_) => Ok(lit(null_of(field.data_type())?).alias(field.name())),
                })
                .collect::<Result<Vec<_>>>()?;
            let scan = LogicalPlanBuilder::scan(part.clone(), provider_as_source(provider), None)?
                .project(columns)?;
            union = Some(match union {
                Some(so_far) => so_far.union(scan.build()?)?,
                None => scan,
            });
        }
        match union {
            Some(union) => union.build(),
            None => self.empty_relation(schema),
        }
    }

    /// Makes the objects of `store` readable under `url`, a scheme and a name of the caller's own.
    pub fn register_store(&self, url: &url::Url, store: Arc<dyn ObjectStore>) {
        self.context.register_object_store(url, store);
    }

    /// Parquet objects by URL as a table.
    ///
    /// # Errors
    /// When a URL is none, or its store is not registered.
    pub fn parquet_objects(
        &self,
        urls: &[url::Url],
        schema: SchemaRef,
    ) -> Result<Arc<dyn TableProvider>> {
        let urls = urls.iter().map(|url| ListingTableUrl::parse(url.as_str()));
        let options = ListingOptions::new(Arc::new(ParquetFormat::default()));
        let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_>>()?)
            .with_listing_options(options)
            .with_schema(schema);
        Ok(Arc::new(ListingTable::try_new(config)?))
    }

    /// A Parquet file on this machine as a table.
    ///
    /// # Errors
    /// When its path is no URL.
    pub fn parquet_file(
        &self,
        file: &std::path::Path,
        schema: SchemaRef,
    ) -> Result<Arc<dyn TableProvider>> {
        let url = url::Url::from_file_path(file)
            .map_err(|()| DataFusionError::Internal(format!("{} is no URL", file.display())))?;
        self.parquet_objects(&[url], schema)
    }

    /// The Parquet files of a folder on this machine as a table, whose rows lie as `layout` says.
    ///
    /// # Errors
    /// When the folder is no URL.
    pub fn parquet_folder(
        &self,
        folder: &std::path::Path,
        schema: SchemaRef,
        layout: &Layout,
    ) -> Result<Arc<dyn TableProvider>> {
        let url = url::Url::from_directory_path(folder)
            .map_err(|()| DataFusionError::Internal(format!("{} is no URL", folder.display())))?;
        let options =
            ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
        let options = layout.declare(options);
        let config = ListingTableConfig::new(ListingTableUrl::parse(url.as_str())?)
            .with_listing_options(options)
            .with_schema(schema);
        Ok(Arc::new(ListingTable::try_new(config)?))
    }
}

fn null_of(data_type: &DataType) -> Result<ScalarValue> {
    ScalarValue::try_from(data_type)
}

/// The engine's own rules, after its choice of joins ours, and last, on a plan whose orders are settled, that of windows.
pub(super) fn rules(largest_side: usize) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let chosen = rules
        .iter()
        .position(|rule| rule.name() == "join_selection");
    let ours = JoinsBySize {
        bytes: largest_side,
    };
    rules.insert(chosen.map_or(0, |place| place + 1), Arc::new(ours));
    rules.push(Arc::new(ShortWindows));
    rules
}

fn configuration(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(true);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    // Rows that lie together by one column are not moved to lie together by it and another.
    options.optimizer.subset_repartition_threshold = 1;
    options.execution.time_zone = Some("UTC".to_owned());
    config
}
