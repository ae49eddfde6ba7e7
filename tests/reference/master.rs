//! All customers of CDNOW: what ci/reference holds side by side with lifetimes.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::mbg_nbd::MbgNbd;
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::btyd::{PurchaseModel, Summary};
use cvm_models::spend::Spender;
use cvm_models::spend::gamma_gamma::GammaGamma;

use crate::figures::Figures;
use crate::transactions;

/// Weeks ahead.
const HORIZON: f64 = 39.0;

pub(crate) fn compute(data: &Path, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let purchases = transactions::read(&data.join("cdnow/CDNOW_master.txt"))?;
    let customers = transactions::calibrated(&purchases);
    let mut histories = BTreeMap::new();
    for c in &customers {
        let entry = histories.entry((c.frequency, c.recency_days, c.age_days));
        entry.or_insert((0_u64, c.summary()?)).0 += 1;
    }
    // Whole numbers, which as f64 are exact.
    figures.column("master.frequency", histories.keys().map(|h| h.0 as f64));
    figures.column("master.recency_days", histories.keys().map(|h| h.1 as f64));
    figures.column("master.age_days", histories.keys().map(|h| h.2 as f64));
    figures.column("master.customers", histories.values().map(|h| h.0 as f64));
    let distinct: Vec<Summary> = histories.values().map(|(_, summary)| *summary).collect();

    let summaries = transactions::summaries(&customers)?;
    let bg_nbd = figures.fit::<BgNbd>("master.bg_nbd", &summaries)?;
    predictions("bg_nbd", &bg_nbd.model, &distinct, figures);
    let mbg_nbd = figures.fit::<MbgNbd>("master.mbg_nbd", &summaries)?;
    predictions("mbg_nbd", &mbg_nbd.model, &distinct, figures);
    let pareto_nbd = figures.fit::<ParetoNbd>("master.pareto_nbd", &summaries)?;
    predictions("pareto_nbd", &pareto_nbd.model, &distinct, figures);

    let spenders = transactions::spenders(&customers)?;
    let gamma_gamma = figures.fit::<GammaGamma>("master.gamma_gamma", &spenders)?;
    let mut spend = vec![];
    for c in customers.iter().filter(|c| c.mean_spend > 0.0) {
        let spender = Spender::new(c.frequency, c.mean_spend)?;
        spend.push(
            gamma_gamma
                .model
                .expected_spend(&spender)
                .unwrap_or(f64::NAN),
        );
    }
    figures.column("master.gamma_gamma.spend", spend);
    Ok(())
}

fn predictions(
    name: &str,
    model: &dyn PurchaseModel,
    customers: &[Summary],
    figures: &mut Figures,
) {
    let expected = customers
        .iter()
        .map(|c| model.expected_purchases(HORIZON, c));
    figures.column(format!("master.{name}.expected"), expected);
    let alive = customers.iter().map(|c| model.probability_alive(c));
    figures.column(format!("master.{name}.alive"), alive);
}
