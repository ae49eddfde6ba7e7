//! Tables whose groups are kept in parts: the proof that the parts make the whole.

use std::collections::BTreeMap;

use datafusion::logical_expr::LogicalPlan;

use crate::engine::{Parted, scanned_by};
use crate::spec::problem::Problem;

use super::compile::Compiling;
use super::graph::Graph;
use super::{Layer, ParameterValue, parameters};

/// The raw table that `name`, planned as `plan`, groups, if its contract has its groups kept in parts.
pub(super) async fn prove(
    compiling: &mut Compiling<'_>,
    graph: &Graph,
    name: &str,
    plan: &LogicalPlan,
    values: &BTreeMap<String, ParameterValue>,
) -> Option<String> {
    let table = compiling.catalogue.tables.get(name)?.clone();
    let declared = table.contract.as_ref()?.incremental.clone()?;
    if !declared.value {
        return None;
    }
    let proven = match Parted::of(plan) {
        Ok(parted) => raw_below(compiling, graph, parted.scanned(), values).await,
        Err(reason) => Err(reason.to_string()),
    };
    match proven {
        Ok(raw) => Some(raw),
        Err(reason) => {
            let fault = Problem::new(
                "cvm::plan::incremental",
                table.contract_file.as_ref()?,
                declared.at,
                format!("`{name}` cannot be kept in parts: {reason}"),
                "group the rows of one raw table, each worked out on its own, or remove `incremental`",
            );
            compiling.problems.push(fault);
            None
        }
    }
}

/// The raw table whose rows `table` passes on, each worked out on its own; or why there is none.
async fn raw_below(
    compiling: &Compiling<'_>,
    graph: &Graph,
    table: &str,
    values: &BTreeMap<String, ParameterValue>,
) -> Result<String, String> {
    let mut below = table.to_owned();
    loop {
        let Some(node) = graph.nodes.get(&below) else {
            return Err(format!("`{below}` is no raw table"));
        };
        if graph.is_scored(&below) {
            return Err(format!("`{below}` is written down for a scorer"));
        }
        below = match (node.layer, node.inputs.as_slice(), &node.parsed) {
            (Layer::Raw, ..) => return Ok(below),
            (Layer::Entity, [only], _) => only.clone(),
            (Layer::Entity, bound, _) => {
                return Err(format!("{} tables are bound to `{below}`", bound.len()));
            }
            (_, _, Some(parsed)) => {
                let mut statement = parsed.statement.clone();
                parameters::bind(&mut statement, values);
                let plan = compiling.session.plan(statement).await;
                // What could not be planned has been told of.
                let plan = plan.map_err(|_| format!("`{below}` could not be planned"))?;
                scanned_by(&plan).map_err(|reason| format!("of `{below}` {reason}"))?
            }
            (..) => return Err(format!("`{below}` is a {}", node.layer.name())),
        };
    }
}
