//! What is noted of a run that its data stopped.

use super::RunOptions;
use super::error::RunError;
use super::execute::causes;
use super::report::Reporter;
use crate::failure::FailureKind;
use crate::plan::Plan;
use crate::publish::FailureFacts;
use crate::store;

/// Why a run stops and what its checks found, where it is its data that stops it; none of other failures. What is published
/// never depends on that, so that the same data gives the same tables whatever failed before.
pub(super) fn facts_of(
    plan: &Plan,
    options: &RunOptions,
    reporter: &Reporter,
    error: &RunError,
) -> Option<FailureFacts> {
    let is_data = error.kind() == FailureKind::DataQuality;
    is_data.then(|| FailureFacts {
        as_of: options.as_of.to_string(),
        plan_fingerprint: plan.fingerprint.clone(),
        reason: store::redacted(&causes(error).join(": ")),
        checks: reporter.report().checks,
    })
}
