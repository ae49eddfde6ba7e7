//! Each group's model, or that of all customers, and the projections of its cohorts.

use std::collections::BTreeMap;

use cvm_models::btyd::bg_bb::DiscreteSummary;
use cvm_models::fit::FitError;
use cvm_models::retention::cohort::{Period as Month, period_variance};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::super::{FitRow, Period};
use super::model::{Fitted, Projector, Rivals, candidates, fit};
use super::rows::Customers;
use super::{Group, Projection, Settings};

/// A model that projects, with its name and what speaks against it, or why there is none.
type Found = Result<(Box<dyn Projector>, &'static str, Option<&'static str>), &'static str>;

type Projections = BTreeMap<Group, BTreeMap<i32, Projection>>;

/// The projections of every cohort of every group, and the rows of `model_fits`: of the fit to all customers, since those
/// to the parts are as many as there are values.
pub(super) fn project(
    groups: &BTreeMap<Group, Customers>,
    horizon: u64,
    settings: &Settings,
) -> (Projections, Vec<FitRow>) {
    let all = ("all".to_owned(), "all".to_owned());
    let (found_all, fits) = match groups.get(&all) {
        Some(customers) => find(customers, settings),
        None => (Err("no_model"), Vec::new()),
    };
    let each: Vec<(&Group, &Customers)> = groups.iter().collect();
    let projections = each
        .par_iter()
        .map(|(group, customers)| {
            let own = (**group != all).then(|| find(customers, settings).0);
            let cohorts = cohorts(customers, own.as_ref(), &found_all, horizon, settings);
            ((*group).clone(), cohorts)
        })
        .collect();
    (projections, fits)
}

/// The projections of a group's cohorts by its own model, where it has one, else by that of all.
fn cohorts(
    customers: &Customers,
    own: Option<&Found>,
    all: &Found,
    horizon: u64,
    settings: &Settings,
) -> BTreeMap<i32, Projection> {
    let (projector, model, reason) = match (own, all) {
        (None | Some(Err(_)), Err(reason)) => {
            let reason = Some(*reason);
            let none = |cohort: &i32| {
                let none = Projection {
                    months: Vec::new(),
                    model: None,
                    reason,
                };
                (*cohort, none)
            };
            return customers.cohorts.keys().map(none).collect();
        }
        (Some(Ok((own, model, reason))), _) => (own, *model, *reason),
        (None, Ok((all, model, reason))) => (all, *model, *reason),
        (Some(Err(_)), Ok((all, model, _))) => (all, *model, Some("model_of_all")),
    };
    let variance = period_variance(&months(customers, projector.as_ref()));
    let projection = |months| Projection {
        months,
        model: Some(model),
        reason,
    };
    let cohorts = customers.cohorts.iter();
    cohorts
        .map(|(cohort, histories)| {
            let months = projector.project(histories, horizon, variance, &settings.level);
            (*cohort, projection(months))
        })
        .collect()
}

/// Active customers of each observed month, and how many the model expects of new customers without looking at any.
fn months(customers: &Customers, model: &dyn Projector) -> Vec<Month> {
    let month = |cohorts: &Vec<(u64, u64, u64)>| {
        let mut month = Month {
            customers: 0.0,
            active: 0.0,
            expected: 0.0,
        };
        for (since, customers, active) in cohorts {
            month.customers += *customers as f64;
            month.active += *active as f64;
            month.expected += *customers as f64 * model.active_share(*since);
        }
        month
    };
    customers.months.values().map(month).collect()
}

/// The model of a group, without a prior where that converges, and the rows that tell of its fits.
fn find(customers: &Customers, settings: &Settings) -> (Found, Vec<FitRow>) {
    let histories: Vec<_> = customers.cohorts.values().flatten().copied().collect();
    let number: u64 = histories.iter().map(|(_, customers)| customers).sum();
    let months = histories
        .iter()
        .map(|(history, _)| history.opportunities())
        .max()
        .unwrap_or(0);
    let row = FitRow {
        customers: i64::try_from(number).unwrap_or(i64::MAX),
        distinct_summaries: i64::try_from(histories.len()).unwrap_or(i64::MAX),
        ..FitRow::without_fit(settings.model, Period::All)
    };
    let refused = |code: &'static str, told: String| {
        let row = FitRow {
            reason: Some(told),
            ..row.clone()
        };
        (Err(code), vec![row])
    };
    if number < settings.least_customers {
        let least = settings.least_customers;
        let told = format!("only {number} customers bought at all: min_customers is {least}");
        return refused("too_few_customers", told);
    }
    if months < settings.least_months {
        let least = settings.least_months;
        let told =
            format!("the oldest cohort has {months} months after its own: min_months is {least}");
        return refused("too_few_months", told);
    }
    let mut told = None;
    for (with_prior, reason) in [(false, None), (true, Some("needed_prior"))] {
        let (found, rows) = likeliest(&row, &histories, with_prior, settings);
        if let Some((projector, model, lack)) = found {
            return (Ok((projector, model, lack.or(reason))), rows);
        }
        told = told.or(Some(rows));
    }
    (Err("no_model"), told.unwrap_or_default())
}

/// A model, its name, and whether it lacks the rival that was tried.
type Chosen = (Box<dyn Projector>, &'static str, Option<&'static str>);

/// The likeliest of the candidates that can be fitted, by its name, with another one as its rival, and the rows of them all.
fn likeliest(
    row: &FitRow,
    histories: &[(DiscreteSummary, u64)],
    with_prior: bool,
    settings: &Settings,
) -> (Option<Chosen>, Vec<FitRow>) {
    let candidates = candidates(settings.model);
    let mut tried: Vec<(&'static str, Result<Fitted, FitError>)> = Vec::new();
    let mut able: Vec<(f64, &'static str, Box<dyn Projector>)> = Vec::new();
    for name in candidates {
        let mut fit = fit(name, histories, with_prior);
        if let Ok(fitted) = fit.as_mut() {
            let likelihood = fitted.log_likelihood;
            let projector = fitted.projector.take();
            // One that is no number would be sorted first.
            let projector = projector.filter(|_| likelihood.is_finite());
            able.extend(projector.map(|projector| (likelihood, name, projector)));
        }
        tried.push((name, fit));
    }
    // Of equals the first stays first.
    able.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut able = able.into_iter();
    let chosen = able.next();
    let chosen_name = chosen.as_ref().map(|(_, name, _)| *name);
    let remark = with_prior.then_some("fitted with the prior of the fallback");
    let mut rows = Vec::new();
    for (name, fit) in &tried {
        let row = FitRow {
            model: (*name).into(),
            ..row.clone()
        };
        rows.extend(fit_rows(&row, fit, chosen_name == Some(*name), remark));
    }
    let found = chosen.map(|(_, name, chosen)| {
        let rival = able.next();
        let lack = (rival.is_none() && tried.len() > 1).then_some("no_rival");
        let projector: Box<dyn Projector> = match rival {
            Some((_, _, rival)) => Box::new(Rivals { chosen, rival }),
            None => chosen,
        };
        (projector, name, lack)
    });
    (found, rows)
}

fn fit_rows(
    row: &FitRow,
    tried: &Result<Fitted, FitError>,
    is_chosen: bool,
    remark: Option<&str>,
) -> Vec<FitRow> {
    match tried {
        Err(error) => vec![FitRow {
            reason: Some(error.to_string()),
            ..row.clone()
        }],
        Ok(fit) => {
            let row = FitRow {
                log_likelihood: Some(fit.log_likelihood),
                aic: Some(fit.aic),
                bic: Some(fit.bic),
                is_chosen,
                ..row.clone()
            };
            row.of_parameters(&fit.estimates, &fit.convergence, remark)
        }
    }
}
