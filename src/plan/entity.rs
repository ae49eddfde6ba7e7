//! Bindings of tables to canonical entities: staging tables, or intermediate ones where rows of several raw tables must meet
//! first, as where one system keeps a customer's number apart from the orders.

use crate::spec::problem::did_you_mean;

use super::compile::Compiling;
use super::{ENTITIES, Layer};

/// Checks that bound entities and tables exist.
pub(super) fn check(compiling: &mut Compiling<'_>) {
    for (name, binding) in compiling.pipeline.entities.clone() {
        if !compiling.catalogue.entities.contains_key(&name) {
            let help = did_you_mean(
                &name,
                compiling.catalogue.entities.keys().map(String::as_str),
            );
            compiling.fault(
                "cvm::plan::entity",
                binding.at,
                format!("there is no entity `{name}`"),
                help,
            );
        }
        for part in &binding.value {
            let layer = compiling
                .catalogue
                .tables
                .get(&part.value)
                .map(|table| table.layer);
            match layer {
                Some(Layer::Staging | Layer::Intermediate) => {}
                Some(other) => compiling.fault(
                    "cvm::plan::entity",
                    part.at,
                    format!(
                        "`{}` is bound to `{name}`, but is no staging or intermediate table",
                        part.value
                    ),
                    format!(
                        "it is of the layer {}; bind a file below sql/staging or sql/intermediate",
                        other.name()
                    ),
                ),
                None => {
                    let staging = compiling
                        .catalogue
                        .tables
                        .values()
                        .filter(|table| matches!(table.layer, Layer::Staging | Layer::Intermediate))
                        .map(|table| table.name.as_str());
                    let help = did_you_mean(&part.value, staging);
                    compiling.fault(
                        "cvm::plan::entity",
                        part.at,
                        format!("there is no staging or intermediate table `{}`", part.value),
                        help,
                    );
                }
            }
        }
    }
}

/// The entity's name where `table` is `entities.<name>`.
pub(super) fn name_of(table: &str) -> Option<&str> {
    table.strip_prefix(ENTITIES)?.strip_prefix('.')
}
