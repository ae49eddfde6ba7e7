//! Tables whose groups are kept in parts: the proof that the parts make the whole.

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;

use crate::engine::Parted;
use crate::spec::problem::Problem;

use super::compile::Compiling;
use super::parameters;

/// The raw table that `name`, planned as `plan`, groups, if its contract has its groups kept in parts.
pub(super) fn prove(
    compiling: &mut Compiling<'_>,
    name: &str,
    statement: &Statement,
    plan: &LogicalPlan,
) -> Option<String> {
    let table = compiling.catalogue.tables.get(name)?.clone();
    let declared = table.contract.as_ref()?.incremental.clone()?;
    if !declared.value {
        return None;
    }
    let mut dates = parameters::names(statement);
    dates.retain(|name| parameters::DATES.contains(&name.as_str()));
    // The rows of any other table may be written down, so that they are in no slices.
    let reason = match Parted::of(plan) {
        Ok(parted) if !compiling.sources.contains_key(parted.scanned()) => {
            format!("`{}` is no raw table", parted.scanned())
        }
        Ok(_) if !dates.is_empty() => {
            let dates: Vec<String> = dates.iter().map(|name| format!("${name}")).collect();
            format!(
                "it reads {}, which is another every day, so that no part would serve a second time",
                dates.join(" and ")
            )
        }
        Ok(parted) => return Some(parted.scanned().to_owned()),
        Err(reason) => reason.to_string(),
    };
    let fault = Problem::new(
        "cvm::plan::incremental",
        table.contract_file.as_ref()?,
        declared.at,
        format!("`{name}` cannot be kept in parts: {reason}"),
        "group the rows of one raw table, each worked out on its own and whatever the day, or remove `incremental`",
    );
    compiling.problems.push(fault);
    None
}
