//! The CDNOW sample: fits, single customers, extreme counts, tracking.

use std::error::Error;
use std::path::Path;

use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::ggompertz_nbd::GGompertzNbd;
use cvm_models::btyd::mbg_nbd::MbgNbd;
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::btyd::{PurchaseModel, Summary};
use cvm_models::spend::Spender;
use cvm_models::spend::gamma_gamma::GammaGamma;

use crate::figures::Figures;
use crate::transactions::{self, Customer, Purchases};

/// The parameters r, α, a, b under which lifetimes' tests look at extreme counts.
const EXTREME: [f64; 4] = [0.25, 4.0, 0.8, 2.5];

pub(crate) fn compute(data: &Path, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let purchases = transactions::read(&data.join("cdnow/CDNOW_sample.txt"))?;
    let customers = transactions::calibrated(&purchases);
    let repeats: Vec<u64> = customers.iter().map(|c| c.frequency).collect();
    figures.number("sample.customers", customers.len() as f64);
    figures.number("sample.repeats", repeats.iter().sum::<u64>() as f64);
    figures.number(
        "sample.repeaters",
        repeats.iter().filter(|x| **x > 0).count() as f64,
    );
    let summaries = transactions::summaries(&customers)?;
    let bg_nbd = figures.fit::<BgNbd>("bg_nbd", &summaries)?.model;
    let pareto_nbd = figures.fit::<ParetoNbd>("pareto_nbd", &summaries)?.model;
    let mbg_nbd = figures.fit::<MbgNbd>("mbg_nbd", &summaries)?.model;
    figures.fit::<GGompertzNbd>("ggompertz_nbd", &summaries)?;
    let spenders = transactions::spenders(&customers)?;
    let gamma_gamma = figures.fit::<GammaGamma>("gamma_gamma", &spenders)?.model;

    let models: [(&str, &dyn PurchaseModel); 2] =
        [("pareto_nbd", &pareto_nbd), ("bg_nbd", &bg_nbd)];
    for (name, model) in models {
        single_customers(name, model, &customers, figures)?;
        figures.column(format!("{name}.tracking"), tracking(model, &customers));
    }
    figures.column(
        "sample.tracking",
        WEEKS.map(|week| repeats_by(week, &purchases)),
    );
    figures.column("gamma_gamma.spend", spend(&gamma_gamma, &customers)?);
    extremes(&[&bg_nbd, &mbg_nbd, &pareto_nbd], figures)
}

/// The customer with 26 repeat purchases in 31 weeks, whose last purchase is printed as 30.86; the first customer, printed
/// as x 2, t_x 30.43, T 38.86; and a new one.
fn single_customers(
    name: &str,
    model: &dyn PurchaseModel,
    customers: &[Customer],
    figures: &mut Figures,
) -> Result<(), Box<dyn Error>> {
    let busy = customers
        .iter()
        .find(|c| c.frequency == 26 && c.age_days == 31 * 7)
        .ok_or("no customer has 26 repeat purchases in 31 weeks")?
        .summary()?;
    figures.number(
        format!("{name}.busy.expected"),
        model.expected_purchases(52.0, &busy),
    );
    figures.number(format!("{name}.busy.alive"), model.probability_alive(&busy));
    let first = customers.first().ok_or("no customers")?.summary()?;
    figures.number(
        format!("{name}.first.expected"),
        model.expected_purchases(39.0, &first),
    );
    figures.number(
        format!("{name}.new.expected"),
        model.expected_purchases_new_customer(52.0),
    );
    Ok(())
}

const WEEKS: [i64; 6] = [20, 21, 22, 23, 24, 25];

/// Cumulative repeat purchases until the end of a week.
fn repeats_by(week: i64, purchases: &Purchases) -> f64 {
    let repeats = purchases
        .values()
        .map(|days| days.range(..7 * week).count().saturating_sub(1));
    repeats.sum::<usize>() as f64
}

/// The same as expected.
fn tracking(model: &dyn PurchaseModel, customers: &[Customer]) -> Vec<f64> {
    let births: Vec<(f64, u64)> = customers.iter().map(|c| (c.birth(), 1)).collect();
    model.tracking(&births, &WEEKS.map(|week| week as f64))
}

/// What the first customers are expected to spend a purchase.
fn spend(model: &GammaGamma, customers: &[Customer]) -> Result<Vec<f64>, Box<dyn Error>> {
    let expected = |customer: &Customer| {
        let expected = match customer.frequency {
            0 => model.mean_spend(),
            x => model.expected_spend(&Spender::new(x, customer.mean_spend)?),
        };
        expected.ok_or_else(|| "the mean spend is infinite".into())
    };
    customers.iter().take(10).map(expected).collect()
}

fn extremes(fitted: &[&dyn PurchaseModel], figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let [r, alpha, a, b] = EXTREME;
    let (bg_nbd, mbg_nbd) = (BgNbd::new(r, alpha, a, b)?, MbgNbd::new(r, alpha, a, b)?);
    let given: [(&str, &dyn PurchaseModel); 2] = [("bg_nbd", &bg_nbd), ("mbg_nbd", &mbg_nbd)];
    let histories = [
        ("none", Summary::new(0, 0.0, 40.0)?),
        ("many", Summary::new(200, 38.0, 40.0)?),
    ];
    for (name, model) in given {
        for (history, customer) in &histories {
            figures.number(
                format!("{name}.extreme.{history}"),
                model.log_likelihood(customer),
            );
        }
    }
    let (mut asked, mut impossible) = (0, 0);
    for model in fitted.iter().copied().chain(given.map(|(_, model)| model)) {
        for x in 161..=254 {
            for recency_age in [1e-3, 1.0, 20.0, 38.0, 40.0] {
                let alive = model.probability_alive(&Summary::new(x, recency_age, 40.0)?);
                asked += 1;
                // Not in the range is also what is not a number.
                impossible += i32::from(!(0.0..=1.0).contains(&alive));
            }
        }
    }
    figures.number("extreme.alive.asked", asked.into());
    figures.number("extreme.alive.impossible", impossible.into());
    Ok(())
}
