//! The lineage of a query, by walking its typed plan from the outside in.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan, lit};

use super::{Origin, Origins, TableLineage};

/// The lineage of the result of `plan`, in the tables that it scans.
pub(in crate::plan) fn of(plan: &LogicalPlan) -> TableLineage {
    let relation = relation_of(plan, &Scope::default());
    let fields = plan.schema().fields().iter();
    TableLineage {
        columns: fields
            .map(|field| field.name().clone())
            .zip(relation.columns)
            .collect(),
        rows: relation.rows,
    }
}

/// What a step of a plan makes: origins by position, and the tables that rows come from.
#[derive(Debug, Clone, Default, PartialEq)]
struct Relation {
    columns: Vec<Origins>,
    rows: BTreeSet<String>,
}

impl Relation {
    fn width(plan: &LogicalPlan) -> usize {
        plan.schema().fields().len()
    }

    fn without_origin(plan: &LogicalPlan) -> Self {
        Self {
            columns: vec![Origins::new(); Self::width(plan)],
            rows: BTreeSet::new(),
        }
    }

    /// The same columns from one place or another.
    fn unite(&mut self, other: Self) {
        for (mine, others) in self.columns.iter_mut().zip(other.columns) {
            mine.extend(others);
        }
        self.rows.extend(other.rows);
    }

    fn all(&self) -> Origins {
        self.columns.iter().flatten().cloned().collect()
    }
}

/// What a step sees besides its input: the queries around it, and recursive tables that are being worked out.
#[derive(Default, Clone, Copy)]
struct Scope<'a> {
    outer: Option<&'a Outer<'a>>,
    recursive: Option<&'a Recursive<'a>>,
}

struct Outer<'a> {
    input: Input<'a>,
    scope: Scope<'a>,
}

struct Recursive<'a> {
    name: &'a str,
    so_far: &'a Relation,
    outer: Option<&'a Recursive<'a>>,
}

/// What an expression reads.
#[derive(Clone, Copy)]
struct Input<'a> {
    schema: &'a DFSchema,
    relation: &'a Relation,
}

impl Input<'_> {
    fn origins(&self, column: &Column) -> Option<&Origins> {
        let index = self.schema.index_of_column(column).ok()?;
        self.relation.columns.get(index)
    }
}

fn relation_of(plan: &LogicalPlan, scope: &Scope<'_>) -> Relation {
    match plan {
        LogicalPlan::TableScan(scan) => scanned(&scan.table_name.to_string(), plan, scope),
        LogicalPlan::Projection(step) => expressions(&step.expr, &step.input, scope),
        LogicalPlan::Distinct(Distinct::On(step)) => {
            expressions(&step.select_expr, &step.input, scope)
        }
        LogicalPlan::Aggregate(step) => {
            let listed = grouping_set_to_exprlist(&step.group_expr).unwrap_or_default();
            let mut groups: Vec<Expr> = listed.into_iter().cloned().collect();
            if matches!(step.group_expr.first(), Some(Expr::GroupingSet(_))) {
                // The number of the grouping set stands behind the groups.
                groups.push(lit(0_i64));
            }
            groups.extend(step.aggr_expr.iter().cloned());
            expressions(&groups, &step.input, scope)
        }
        LogicalPlan::Window(step) => {
            let mut made = relation_of(&step.input, scope);
            let windows = expressions(&step.window_expr, &step.input, scope);
            made.columns.extend(windows.columns);
            made
        }
        LogicalPlan::Join(step) => joined(
            step.join_type,
            relation_of(&step.left, scope),
            relation_of(&step.right, scope),
        ),
        LogicalPlan::Union(step) => {
            let mut made = Relation::without_origin(plan);
            for input in &step.inputs {
                made.unite(relation_of(input, scope));
            }
            made
        }
        LogicalPlan::RecursiveQuery(step) => {
            let mut made = relation_of(&step.static_term, scope);
            loop {
                let recursive = Recursive {
                    name: &step.name,
                    so_far: &made,
                    outer: scope.recursive,
                };
                let within = Scope {
                    recursive: Some(&recursive),
                    ..*scope
                };
                let mut next = made.clone();
                next.unite(relation_of(&step.recursive_term, &within));
                if next == made {
                    return made;
                }
                made = next;
            }
        }
        LogicalPlan::Unnest(step) => {
            let input = relation_of(&step.input, scope);
            let columns = step.dependency_indices.iter();
            let of = |index: &usize| input.columns.get(*index).cloned().unwrap_or_default();
            Relation {
                columns: columns.map(of).collect(),
                rows: input.rows,
            }
        }
        LogicalPlan::Subquery(step) => relation_of(&step.subquery, scope),
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => Relation::without_origin(plan),
        _ => passed_on(plan, scope),
    }
}

/// A step that makes no values, such as a filter, a sort or an alias. Should an engine's new step have other columns than
/// its input, each comes from all that it reads.
fn passed_on(plan: &LogicalPlan, scope: &Scope<'_>) -> Relation {
    let mut inputs = plan.inputs().into_iter();
    let first = inputs.next().map(|input| relation_of(input, scope));
    let mut made = first.unwrap_or_default();
    let width = Relation::width(plan);
    let others: Vec<Relation> = inputs.map(|input| relation_of(input, scope)).collect();
    if others.is_empty() && made.columns.len() == width {
        return made;
    }
    let mut all = made.all();
    for other in others {
        all.extend(other.all());
        made.rows.extend(other.rows);
    }
    Relation {
        columns: vec![all; width],
        rows: made.rows,
    }
}

fn scanned(name: &str, plan: &LogicalPlan, scope: &Scope<'_>) -> Relation {
    let mut recursive = scope.recursive;
    while let Some(known) = recursive {
        if known.name == name {
            return known.so_far.clone();
        }
        recursive = known.outer;
    }
    let fields = plan.schema().fields().iter();
    let columns = fields.map(|field| Origins::from([Origin::column(name, field.name())]));
    Relation {
        columns: columns.collect(),
        rows: BTreeSet::from([name.to_owned()]),
    }
}

fn joined(kind: JoinType, left: Relation, right: Relation) -> Relation {
    let mark = |mut side: Relation, other: Relation| {
        side.columns
            .push(other.rows.iter().map(|table| Origin::rows(table)).collect());
        side
    };
    match kind {
        JoinType::LeftSemi | JoinType::LeftAnti => left,
        JoinType::RightSemi | JoinType::RightAnti => right,
        JoinType::LeftMark => mark(left, right),
        JoinType::RightMark => mark(right, left),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            let rows = match kind {
                JoinType::Left => left.rows,
                JoinType::Right => right.rows,
                _ => left.rows.union(&right.rows).cloned().collect(),
            };
            let columns = left.columns.into_iter().chain(right.columns);
            Relation {
                columns: columns.collect(),
                rows,
            }
        }
    }
}

fn expressions(list: &[Expr], input: &LogicalPlan, scope: &Scope<'_>) -> Relation {
    let relation = relation_of(input, scope);
    let read = Input {
        schema: input.schema(),
        relation: &relation,
    };
    let columns = list
        .iter()
        .map(|expression| origins_of(expression, read, scope));
    Relation {
        columns: columns.collect(),
        rows: relation.rows.clone(),
    }
}

/// What the value of `expression` comes from.
fn origins_of(expression: &Expr, input: Input<'_>, scope: &Scope<'_>) -> Origins {
    let mut found = Origins::new();
    let within = |query: &LogicalPlan, found: &mut Origins| {
        let outer = Outer {
            input,
            scope: *scope,
        };
        let inner = Scope {
            outer: Some(&outer),
            ..*scope
        };
        found.extend(relation_of(query, &inner).all());
    };
    // The walk itself cannot fail: no step of it does.
    let _ = expression.apply(|part| {
        match part {
            Expr::Column(column) => {
                found.extend(input.origins(column).into_iter().flatten().cloned())
            }
            Expr::OuterReferenceColumn(_, column) => {
                found.extend(outer_origins(column, scope.outer));
            }
            Expr::ScalarSubquery(query) => within(&query.subquery, &mut found),
            Expr::InSubquery(test) => within(&test.subquery.subquery, &mut found),
            Expr::SetComparison(test) => within(&test.subquery.subquery, &mut found),
            Expr::Exists(test) => {
                let rows = relation_of(&test.subquery.subquery, scope).rows;
                found.extend(rows.iter().map(|table| Origin::rows(table)));
            }
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) if reads_no_column(part) => {
                let rows = input.relation.rows.iter();
                found.extend(rows.map(|table| Origin::rows(table)));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn reads_no_column(expression: &Expr) -> bool {
    expression.column_refs().is_empty() && !expression.contains_outer()
}

fn outer_origins(column: &Column, mut outer: Option<&Outer<'_>>) -> Origins {
    while let Some(around) = outer {
        if let Some(origins) = around.input.origins(column) {
            return origins.clone();
        }
        outer = around.scope.outer;
    }
    Origins::new()
}
