//! The formulas of the models, so that a published fit can be put to use in SQL.
//!
//! Such a function takes the parameters of a model, in the order of its paper, and then what is asked; all are doubles.
//! They may be given by name too: `gamma_gamma_mean_spend(p => 6.25, q => 3.74, v => 15.44)`. [`ModelFunction`] is
//! all of them; `purchases`, `spend` and `retention` are the tables of what they compute, and `cvm-models` does the computing.
//! `proportions` has tests of shares, which need no parameters.
//!
//! Beyond what holds for all functions: a null argument gives null, and a value that no model or customer can have is an
//! error that names it.

mod proportions;
mod purchases;
mod retention;
mod spend;

use std::fmt::{self, Debug, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use cvm_models::fit::ParameterError;
use datafusion::common::ScalarValue;
use datafusion::common::cast::as_float64_array;
use datafusion::error::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_MATH;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::error::{FunctionError, ValueDefect};
pub(super) use proportions::of_proportions;
pub(super) use purchases::{BG_NBD, GGOMPERTZ_NBD, MBG_NBD, PARETO_NBD, of_purchases};
pub(super) use retention::of_retention;
pub(super) use spend::of_spend;

/// The name of an argument, and what it means with its unit.
type Argument = (&'static str, &'static str);

/// A function of a model of type `M`: what it is called, takes, computes and says of itself.
struct Definition<M> {
    name: String,
    /// The first sentence stands alone in lists.
    description: String,
    parameters: &'static [Argument],
    /// What follows the parameters.
    arguments: &'static [Argument],
    /// The model with as many parameters as `parameters` has.
    model: fn(&[f64]) -> Result<M, ParameterError>,
    /// The value for as many arguments as `arguments` has; `None` where the model has none.
    value: fn(&M, &[f64]) -> Result<Option<f64>, ValueDefect>,
    example: Example,
}

/// A call with literals, and what it gives.
struct Example {
    /// Its arguments, parameters first.
    arguments: String,
    column: &'static str,
    /// The value rounded to four places.
    value: &'static str,
}

/// `name(parameters…, arguments…) -> double`, null only where an argument is or the model has no answer.
struct ModelFunction<M> {
    definition: Definition<M>,
    signature: Signature,
    documentation: Documentation,
}

/// A model with the parameters that it was made of.
struct Built<M> {
    parameters: Vec<f64>,
    model: M,
}

/// The function, ready to register.
fn function<M: 'static>(definition: Definition<M>) -> Arc<ScalarUDF> {
    let names = definition.arguments().map(|(name, _)| (*name).to_owned());
    let signature = Signature {
        parameter_names: Some(names.collect()),
        ..Signature::user_defined(Volatility::Immutable)
    };
    Arc::new(ScalarUDF::new_from_impl(ModelFunction {
        documentation: definition.documentation(),
        signature,
        definition,
    }))
}

impl<M> Definition<M> {
    fn arguments(&self) -> impl Iterator<Item = &Argument> {
        self.parameters.iter().chain(self.arguments)
    }

    fn documentation(&self) -> Documentation {
        let names: Vec<&str> = self.arguments().map(|(name, _)| *name).collect();
        let syntax = format!("{}({})", self.name, names.join(", "));
        let Example {
            arguments,
            column,
            value,
        } = &self.example;
        let width = column.len().max(value.len());
        let rule = "-".repeat(width + 2);
        let example = format!(
            "```sql\n\
             select round({name}({arguments}), 4) as {column};\n\
             +{rule}+\n| {column:width$} |\n+{rule}+\n| {value:width$} |\n+{rule}+\n```",
            name = self.name,
        );
        let builder = Documentation::builder(DOC_SECTION_MATH, self.description.as_str(), syntax)
            .with_sql_example(example);
        self.arguments()
            .fold(builder, |builder, (name, meaning)| {
                builder.with_argument(*name, *meaning)
            })
            .build()
    }
}

impl<M> ModelFunction<M> {
    fn refused(&self, problem: String) -> FunctionError {
        FunctionError::Arguments {
            function: self.definition.name.clone().into(),
            problem,
            syntax: self.documentation.syntax_example.clone().into(),
        }
    }

    /// The value of one row. Rows mostly have the parameters of the row before, whose model is then used again.
    fn value(&self, row: &[f64], last: &mut Option<Built<M>>) -> Result<Option<f64>, ValueDefect> {
        let (parameters, arguments) = row.split_at(self.definition.parameters.len());
        let built = match last.take() {
            Some(built) if built.parameters == parameters => built,
            _ => Built {
                parameters: parameters.to_vec(),
                model: (self.definition.model)(parameters)?,
            },
        };
        (self.definition.value)(&last.insert(built).model, arguments)
    }

    fn values(&self, columns: &[&Float64Array], rows: usize) -> Result<Float64Array> {
        let nulls = columns.iter().fold(None, |nulls, column| {
            NullBuffer::union(nulls.as_ref(), column.nulls())
        });
        let mut arguments = vec![0.0; columns.len()];
        let mut last = None;
        (0..rows)
            .map(|row| {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return Ok(None);
                }
                for (argument, column) in arguments.iter_mut().zip(columns) {
                    *argument = column.value(row);
                }
                self.value(&arguments, &mut last).map_err(|defect| {
                    let function = self.definition.name.clone();
                    FunctionError::Value { function, defect }.into()
                })
            })
            .collect()
    }
}

/// Names are unique, so they are what makes functions equal.
impl<M> PartialEq for ModelFunction<M> {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl<M> Eq for ModelFunction<M> {}

impl<M> Hash for ModelFunction<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

impl<M> Debug for ModelFunction<M> {
    fn fmt(&self, formatter: &mut Formatter) -> fmt::Result {
        formatter
            .debug_tuple("ModelFunction")
            .field(&self.definition.name)
            .finish()
    }
}

impl<M: 'static> ScalarUDFImpl for ModelFunction<M> {
    fn name(&self) -> &str {
        &self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let expected = self.definition.arguments().count();
        if arguments.len() != expected {
            let problem = format!("takes {expected} arguments, not {}", arguments.len());
            return Err(self.refused(problem).into());
        }
        for ((name, _), given) in self.definition.arguments().zip(arguments) {
            if !given.is_numeric() && !given.is_null() {
                let problem = format!("{name} must be a number, not {given}");
                return Err(self.refused(problem).into());
            }
        }
        Ok(vec![DataType::Float64; expected])
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut arguments = call.args.iter();
        let scalar = arguments.all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { call.number_rows };
        let arrays = call.args.iter().map(|argument| argument.to_array(rows));
        let arrays: Vec<ArrayRef> = arrays.collect::<Result<_>>()?;
        let columns = arrays.iter().map(|array| as_float64_array(array));
        let values = self.values(&columns.collect::<Result<Vec<_>>>()?, rows)?;
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &values, 0,
            )?));
        }
        Ok(ColumnarValue::Array(Arc::new(values)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// `value` if it is positive and finite.
fn positive(argument: &'static str, value: f64) -> Result<f64, ValueDefect> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    let argument = argument.into();
    Err(ValueDefect::NotPositive { argument, value })
}

/// `value` if it is a length of time.
fn length(argument: &'static str, value: f64) -> Result<f64, ValueDefect> {
    if value.is_finite() && value >= 0.0 {
        return Ok(value);
    }
    Err(ValueDefect::Negative { argument, value })
}

/// `value` as a count from 0 to `most`, which is at most 2⁵³.
fn count(argument: &'static str, value: f64, most: u64) -> Result<u64, ValueDefect> {
    if !(value >= 0.0 && value.fract() == 0.0) {
        return Err(ValueDefect::NoCount { argument, value });
    }
    // Exact up to 2⁵³, and saturating.
    let counted = value as u64;
    if counted > most {
        return Err(ValueDefect::CountTooLarge {
            argument,
            value,
            most,
        });
    }
    Ok(counted)
}

/// Above it counts are not whole numbers as doubles.
const MOST_COUNTED: u64 = 1 << 53;

#[cfg(test)]
mod tests;
