//! Figures by name, as JSON.

use std::error::Error;
use std::fmt;

use cvm_models::fit::{Fit, FitParams, Model};

/// Numbers and columns of numbers in the order in which they were told.
#[derive(Default)]
pub(crate) struct Figures(Vec<(String, String)>);

impl Figures {
    pub(crate) fn number(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), json(value)));
    }

    pub(crate) fn column(
        &mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = f64>,
    ) {
        let values: Vec<String> = values.into_iter().map(json).collect();
        self.0
            .push((name.into(), format!("[{}]", values.join(", "))));
    }

    /// Fits a model and tells its parameters, their standard errors, and its log-likelihood.
    pub(crate) fn fit<M: Model>(
        &mut self,
        name: &str,
        data: &M::Data,
    ) -> Result<Fit<M>, Box<dyn Error>> {
        let fit = FitParams::<M>::default().check()?.fit(data)?;
        for estimate in &fit.estimates {
            let parameter = format!("{name}.{}", estimate.name);
            if let Some(error) = estimate.standard_error {
                self.number(format!("{parameter}.error"), error);
            }
            self.number(parameter, estimate.value);
        }
        self.number(format!("{name}.log_likelihood"), fit.log_likelihood);
        Ok(fit)
    }
}

/// The shortest digits that give the same number back; JSON has no NaN and no infinity.
fn json(value: f64) -> String {
    if value.is_finite() {
        format!("{value:?}")
    } else {
        "null".to_owned()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("\"{name}\": {value}"))
            .collect();
        write!(f, "{{\n{}\n}}", lines.join(",\n"))
    }
}
