//! The bounds that a pipeline sets its predictions: held before anything is published.

use super::error::RunError;
use super::work::Learned;
use crate::plan::{MODEL_CALIBRATION, Plan, Work};
use crate::publish::CheckResult;
use crate::score::Grouping;
use crate::spec::check::Severity;

/// Holds the chosen model of each score that foretells what can be held against what came to the bounds under
/// `validation:`. Where bounds are declared and no model could be validated nothing is known to hold, so that breaks them
/// too.
///
/// # Errors
/// The score whose predictions break a bound, with what was found.
pub(super) fn hold(plan: &Plan, learned: &Learned) -> Result<Vec<CheckResult>, RunError> {
    let Some(validation) = &plan.settings.value.validation else {
        return Ok(Vec::new());
    };
    let mut checks = Vec::new();
    let scores = plan.stages.iter().filter(
        |stage| matches!(&stage.work, Work::Score { checked, .. } if checked.is_validated()),
    );
    for score in scores.map(|stage| &stage.name) {
        let mut rows = learned.calibration.iter();
        let overall = rows
            .find(|(of, row)| of == score && row.is_chosen && row.grouping == Grouping::Overall);
        let Some((_, overall)) = overall else {
            if validation.has_bounds() {
                return Err(RunError::NotValidated {
                    score: score.clone(),
                    reasons: reasons(learned, score),
                });
            }
            continue;
        };
        let broken = validation.broken_by(overall);
        if !broken.is_empty() {
            return Err(RunError::Bounds {
                score: score.clone(),
                model: overall.model.clone().into_owned(),
                broken: broken.join(", "),
            });
        }
        let figure =
            |figure: Option<f64>| figure.map_or("unknown".to_owned(), |f| format!("{f:.4}"));
        checks.push(CheckResult {
            name: format!("{score}__validation"),
            table: Some(MODEL_CALIBRATION.to_owned()),
            kind: "validation".to_owned(),
            severity: Severity::Error.name().to_owned(),
            passed: true,
            rows_broken: None,
            rows_checked: None,
            detail: format!(
                "{score} by {}: bias {}, gini {}, mae {}",
                overall.model,
                figure(overall.bias),
                figure(overall.gini),
                figure(overall.mae)
            ),
        });
    }
    Ok(checks)
}

/// Why the fits of a score are missing, each reason once.
fn reasons(learned: &Learned, score: &str) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    for (of, row) in &learned.fits {
        if let Some(reason) = row.reason.as_deref()
            && of == score
            && !reasons.contains(&reason)
        {
            reasons.push(reason);
        }
    }
    if reasons.is_empty() {
        "nobody bought before the holdout".to_owned()
    } else {
        reasons.join("; ")
    }
}
