//! What covariates act on in each model.

use super::{AcceptsCovariates, ActsOn, Effect};
use crate::btyd::bg_nbd::BgNbd;
use crate::btyd::pareto_nbd::ParetoNbd;
use crate::fit::ParameterError;

impl AcceptsCovariates for BgNbd {
    const NAME_WITH_COVARIATES: &'static str = "BG/NBD with covariates";

    /// Fader & Hardie (2007), section 3.
    const EFFECTS: &'static [Effect] = &[
        Effect {
            name: "purchase",
            process: ActsOn::Purchasing,
            parameter: 1,
            sign: -1.0,
        },
        Effect {
            name: "leave",
            process: ActsOn::Leaving,
            parameter: 2,
            sign: 1.0,
        },
        Effect {
            name: "stay",
            process: ActsOn::Leaving,
            parameter: 3,
            sign: 1.0,
        },
    ];

    fn theta(&self) -> Vec<f64> {
        self.parameters().to_vec()
    }

    fn from_theta(theta: &[f64]) -> Result<Self, ParameterError> {
        let at = |i: usize| theta.get(i).copied().unwrap_or(f64::NAN);
        Self::new(at(0), at(1), at(2), at(3))
    }
}

impl AcceptsCovariates for ParetoNbd {
    const NAME_WITH_COVARIATES: &'static str = "Pareto/NBD with covariates";

    /// Fader & Hardie (2007), section 2.
    const EFFECTS: &'static [Effect] = &[
        Effect {
            name: "purchase",
            process: ActsOn::Purchasing,
            parameter: 1,
            sign: -1.0,
        },
        Effect {
            name: "leave",
            process: ActsOn::Leaving,
            parameter: 3,
            sign: -1.0,
        },
    ];

    fn theta(&self) -> Vec<f64> {
        self.parameters().to_vec()
    }

    fn from_theta(theta: &[f64]) -> Result<Self, ParameterError> {
        let at = |i: usize| theta.get(i).copied().unwrap_or(f64::NAN);
        Self::new(at(0), at(1), at(2), at(3))
    }
}
