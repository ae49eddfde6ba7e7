//! Groups that are put together of the groups of parts of the rows.
//!
//! Where a statement groups rows, each of which is worked out on its own, the rows may be grouped part by part, and the groups of the
//! parts grouped once more: counts are added, the least of what was least is least. The result is the same to the last bit for
//! functions that add whole numbers and decimals, or choose one of the values; by an order, where that leaves no two rows equal.
//! Others are refused.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::min_max::min_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{
    AggregateFunction, AggregateFunctionParams, Alias, NullTreatment, Sort,
};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, ident,
};

/// The functions whose groups can be put together, as messages name them.
const FUNCTIONS: &str = "count, sum, min, max, bool_and, bool_or, first_value and last_value with an order, first_by, sum_on_first_day";

/// Why groups cannot be put together of parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotInParts(String);

/// The grouping of a plan, such that it can be put together of parts.
#[derive(Debug)]
pub struct Parted {
    aggregate: Aggregate,
    scanned: String,
    /// What is worked out of each part, under the names that [`Parted::whole`] reads.
    of_parts: Vec<Expr>,
    /// What becomes of it, an expression for each aggregate of the plan.
    together: Vec<Expr>,
}

impl Parted {
    /// The grouping of `plan`, which as SQL says it projects and filters the groups of rows that are projected and filtered from one table.
    ///
    /// # Errors
    /// When it is of another shape, or has an aggregate whose parts do not make the same whole.
    pub fn of(plan: &LogicalPlan) -> std::result::Result<Self, NotInParts> {
        let aggregate = grouping_of(plan)?;
        let scanned = scanned_by(aggregate)?;
        if aggregate.group_expr.is_empty() {
            return Err(NotInParts("it groups by nothing".to_owned()));
        }
        let sets = |expr: &Expr| matches!(expr, Expr::GroupingSet(_));
        if aggregate.group_expr.iter().any(sets) {
            return Err(NotInParts(
                "it groups by several sets of columns".to_owned(),
            ));
        }
        let mut parted = Self {
            aggregate: aggregate.clone(),
            scanned,
            of_parts: Vec::new(),
            together: Vec::new(),
        };
        for expr in &aggregate.aggr_expr {
            let together = parted.take_apart(expr)?;
            parted.together.push(together);
        }
        Ok(parted)
    }

    /// The one table whose rows are grouped.
    pub fn scanned(&self) -> &str {
        &self.scanned
    }

    /// The columns of the groups of a part.
    ///
    /// # Errors
    /// When the engine refuses the plan.
    pub fn schema(&self) -> Result<SchemaRef> {
        let plan = self.grouped(self.aggregate.input.as_ref().clone())?;
        let fields = plan.schema().as_arrow().fields().iter();
        let fields = fields.map(|field| field.as_ref().clone().with_nullable(true));
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }

    /// The groups of `rows`, some of those of the table that is grouped.
    ///
    /// # Errors
    /// When the engine refuses the plan.
    pub fn part(&self, rows: &Arc<dyn TableProvider>) -> Result<LogicalPlan> {
        let input = self.aggregate.input.as_ref().clone();
        let of_part = input.transform_down(|node| match node {
            LogicalPlan::TableScan(scan) => {
                let source = provider_as_source(Arc::clone(rows));
                let scan = LogicalPlanBuilder::scan(scan.table_name, source, scan.projection)?;
                Ok(Transformed::yes(scan.build()?))
            }
            other => Ok(Transformed::no(other)),
        })?;
        self.grouped(of_part.data)
    }

    /// `plan`, which this is the grouping of, worked out of the groups of all parts.
    ///
    /// # Errors
    /// When the engine refuses the plan.
    pub fn whole(&self, plan: &LogicalPlan, parts: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
        let groups = self.aggregate.group_expr.len();
        let scan = LogicalPlanBuilder::scan("parts", provider_as_source(parts), None)?;
        let merged = self.together.iter().enumerate();
        let merged = merged.map(|(nth, together)| together.clone().alias(format!("whole_{nth}")));
        let keys = (0..groups).map(|nth| ident(key(nth)));
        let grouped = scan.aggregate(keys.collect::<Vec<_>>(), merged.collect::<Vec<_>>())?;
        // Under the names and with the types that the plan above knows them by.
        let known = &self.aggregate.schema;
        let columns = (0..known.fields().len()).map(|place| {
            let (relation, field) = known.qualified_field(place);
            let column = match place.checked_sub(groups) {
                None => ident(key(place)),
                Some(nth) => cast(ident(format!("whole_{nth}")), field.data_type().clone()),
            };
            Expr::Alias(Alias::new(column, relation.cloned(), field.name()))
        });
        let grouped = grouped.project(columns.collect::<Vec<_>>())?.build()?;
        with_grouping(plan, grouped)
    }

    fn grouped(&self, input: LogicalPlan) -> Result<LogicalPlan> {
        let keys = self.aggregate.group_expr.iter().enumerate();
        let keys = keys.map(|(nth, by)| by.clone().unalias().alias(key(nth)));
        LogicalPlanBuilder::from(input)
            .aggregate(keys.collect::<Vec<_>>(), self.of_parts.clone())?
            .build()
    }

    /// Notes what is to be worked out of each part; returns what makes the aggregate of it.
    fn take_apart(&mut self, expr: &Expr) -> std::result::Result<Expr, NotInParts> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias()
        else {
            return Err(NotInParts(format!("`{expr}` is no aggregate")));
        };
        let name = func.name().to_owned();
        let refused = |why: &str| Err(NotInParts(format!("`{name}` {why}")));
        if params.distinct {
            return refused("counts each value once, and a value may be in several parts");
        }
        let ignores_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
        let is_filtered = params.filter.is_some();
        let is_float = |expr: &Expr| {
            let found = expr.get_type(self.aggregate.input.schema());
            found.map_or(true, |found| found.is_floating())
        };
        match name.as_str() {
            "sum" | "min" | "max" if is_float(expr) => {
                refused("of doubles depends on the order of the rows: cast them to a decimal")
            }
            "count" => {
                let count = self.note(&func, params);
                Ok(aggregate(&sum_udaf(), vec![count], Vec::new()))
            }
            "sum" | "min" | "max" | "bool_and" | "bool_or" => {
                let part = self.note(&func, params);
                Ok(aggregate(&func, vec![part], Vec::new()))
            }
            "first_value" | "last_value" if params.order_by.is_empty() => {
                refused("has no order, and may be of any row")
            }
            "first_value" | "last_value" if is_filtered || ignores_nulls => {
                refused("leaves rows out: leave them out with `where`")
            }
            "first_value" | "last_value" => Ok(self.note_chosen(&func, params)),
            "first_by" | "sum_on_first_day" => Ok(self.note_earliest(&func, params)),
            _ => refused(&format!(
                "cannot be put together of parts as {FUNCTIONS} can"
            )),
        }
    }

    /// A value of the row that an order chooses: the columns of the order are those of the same row.
    fn note_chosen(&mut self, func: &Arc<AggregateUDF>, params: AggregateFunctionParams) -> Expr {
        let mut order = Vec::new();
        for sort in params.order_by.clone() {
            let of_order = AggregateFunctionParams {
                args: vec![sort.expr],
                ..params.clone()
            };
            let column = self.note(func, of_order);
            order.push(Sort::new(column, sort.asc, sort.nulls_first));
        }
        let part = self.note(func, params);
        aggregate(func, vec![part], order)
    }

    /// What there is of the rows of the earliest day, with that day and what decides between rows of a day.
    fn note_earliest(&mut self, func: &Arc<AggregateUDF>, params: AggregateFunctionParams) -> Expr {
        let rest = params.args.get(1..).unwrap_or_default().to_vec();
        let of = |args: Vec<Expr>| AggregateFunctionParams {
            args,
            ..params.clone()
        };
        let mut together = vec![self.note(func, params.clone())];
        if let Some(day) = rest.first() {
            together.push(self.note(&min_udaf(), of(vec![day.clone()])));
        }
        if let [day, tie] = rest.as_slice() {
            together.push(self.note(func, of(vec![tie.clone(), day.clone(), tie.clone()])));
        }
        aggregate(func, together, Vec::new())
    }

    /// The column of the parts that holds `func`.
    fn note(&mut self, func: &Arc<AggregateUDF>, params: AggregateFunctionParams) -> Expr {
        let name = format!("part_{}", self.of_parts.len());
        let expr = Expr::AggregateFunction(AggregateFunction {
            func: Arc::clone(func),
            params,
        });
        self.of_parts.push(expr.alias(&name));
        ident(name)
    }
}

fn key(nth: usize) -> String {
    format!("key_{nth}")
}

fn aggregate(func: &Arc<AggregateUDF>, args: Vec<Expr>, order_by: Vec<Sort>) -> Expr {
    let call = AggregateFunction::new_udf(Arc::clone(func), args, false, None, order_by, None);
    Expr::AggregateFunction(call)
}

/// The grouping below what projects and filters its groups.
fn grouping_of(plan: &LogicalPlan) -> std::result::Result<&Aggregate, NotInParts> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Ok(aggregate),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Sort(_) => match plan.inputs().as_slice() {
            [input] => grouping_of(input),
            _ => Err(NotInParts("it reads more than one table".to_owned())),
        },
        LogicalPlan::TableScan(_) => Err(NotInParts("it groups nothing".to_owned())),
        other => Err(not_of_the_shape(other, "groups")),
    }
}

/// The one table of which `aggregate` groups the rows, each projected and filtered on its own.
fn scanned_by(aggregate: &Aggregate) -> std::result::Result<String, NotInParts> {
    let mut scanned = Vec::new();
    let mut odd = None;
    let mut is_first = true;
    // With the queries in its own expressions, which would be answered for each part by another set of rows.
    let walked = LogicalPlan::Aggregate(aggregate.clone()).apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => scanned.push(scan.table_name.to_string()),
            LogicalPlan::Aggregate(_) if is_first => {}
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            }
            other => {
                odd = Some(not_of_the_shape(other, "rows"));
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        is_first = false;
        Ok(TreeNodeRecursion::Continue)
    });
    match (walked, odd, scanned.as_slice()) {
        (Err(error), ..) => Err(NotInParts(error.to_string())),
        (_, Some(odd), _) => Err(odd),
        (_, _, [only]) => Ok(only.clone()),
        _ => Err(NotInParts("it reads more than one table".to_owned())),
    }
}

fn not_of_the_shape(node: &LogicalPlan, what: &str) -> NotInParts {
    let shown = node.display().to_string();
    let kind = shown.split(':').next().unwrap_or_default();
    NotInParts(format!(
        "beside projections and filters, its {what} go through {kind}"
    ))
}

/// `plan` with `grouped` in the place of its grouping.
fn with_grouping(plan: &LogicalPlan, grouped: LogicalPlan) -> Result<LogicalPlan> {
    if let LogicalPlan::Aggregate(_) = plan {
        return Ok(grouped);
    }
    let inputs = plan.inputs();
    let [input] = inputs.as_slice() else {
        let message = "a plan that was of the right shape is not any more";
        return Err(DataFusionError::Internal(message.to_owned()));
    };
    let input = with_grouping(input, grouped)?;
    plan.with_new_exprs(plan.expressions(), vec![input])
}
