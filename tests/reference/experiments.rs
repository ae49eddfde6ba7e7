//! The tests of GrowthBook, and Hillstrom's experiment.

use std::error::Error;
use std::path::Path;

use cvm_models::experiment::{
    Arm, Proportion, compare_means, compare_proportions, posterior_lift, sample_ratio_test,
};
use cvm_models::uncertainty::Level;

use crate::figures::Figures;

pub(crate) fn compute(data: &Path, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    growthbook(figures)?;
    hillstrom(data, figures)
}

/// On sums as its test suite gives them.
fn growthbook(figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let level = Level::new(0.95)?;
    let control = Arm::from_sums(3407, 1396.87, 52_377.976_7)?;
    let treatment = Arm::from_sums(3461, 2422.7, 134_698.29)?;
    let lift = compare_means(&control, &treatment, &level)?
        .lift
        .ok_or("there is no lift of means")?;
    figures.number("means.lift", lift.estimate);
    figures.number("means.lower", lift.low);
    figures.number("means.upper", lift.high);
    figures.number("means.p", lift.p_value);
    let (control, treatment) = (Proportion::new(49, 100)?, Proportion::new(51, 100)?);
    let posterior = posterior_lift(&control.arm(), &treatment.arm(), &level)?;
    figures.number("proportions.chance", posterior.chance_to_beat_control);
    Ok(())
}

/// What the customers of one arm did.
#[derive(Default)]
struct Outcomes {
    visits: u64,
    conversions: u64,
    spend: Vec<f64>,
}

impl Outcomes {
    fn share(&self, successes: u64) -> Result<Proportion, Box<dyn Error>> {
        Ok(Proportion::new(successes, self.spend.len() as u64)?)
    }
}

fn hillstrom(data: &Path, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let [none, mens, womens] = read(&data.join("hillstrom/hillstrom.csv"))?;
    for (name, arm) in [("none", &none), ("mens", &mens), ("womens", &womens)] {
        figures.number(
            format!("hillstrom.{name}.customers"),
            arm.spend.len() as f64,
        );
        figures.number(
            format!("hillstrom.{name}.visit"),
            arm.share(arm.visits)?.share(),
        );
        figures.number(
            format!("hillstrom.{name}.conversions"),
            arm.conversions as f64,
        );
        figures.number(format!("hillstrom.{name}.spend"), arm.spend.iter().sum());
    }
    let level = Level::new(0.95)?;
    for (name, arm) in [("mens", &mens), ("womens", &womens)] {
        let shares = |of: fn(&Outcomes) -> u64| {
            let (control, treatment) = (none.share(of(&none))?, arm.share(of(arm))?);
            Ok::<_, Box<dyn Error>>(compare_proportions(&control, &treatment, &level)?.difference)
        };
        let effects = [
            ("visit", shares(|arm| arm.visits)?),
            ("conversion", shares(|arm| arm.conversions)?),
            ("spend", {
                let (control, treatment) = (
                    Arm::from_values(&none.spend)?,
                    Arm::from_values(&arm.spend)?,
                );
                compare_means(&control, &treatment, &level)?.difference
            }),
        ];
        for (outcome, effect) in effects {
            figures.number(
                format!("hillstrom.{name}.{outcome}.effect"),
                effect.estimate,
            );
            figures.number(
                format!("hillstrom.{name}.{outcome}.statistic"),
                effect.statistic,
            );
        }
    }
    let sizes = [&mens, &womens, &none].map(|arm| arm.spend.len() as u64);
    let ratio = sample_ratio_test(&sizes, &[1.0; 3])?;
    figures.number("hillstrom.ratio.chi_squared", ratio.chi_squared);
    figures.number("hillstrom.ratio.p", ratio.p_value);
    Ok(())
}

/// The arms without e-mail, with men's and with women's merchandise.
fn read(file: &Path) -> Result<[Outcomes; 3], Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut arms: [Outcomes; 3] = Default::default();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [.., segment, visit, conversion, spend] = cells[..] else {
            return Err(format!("{}: no customer: {line}", file.display()).into());
        };
        let [none, mens, womens] = &mut arms;
        let arm = match segment {
            "No E-Mail" => none,
            "Mens E-Mail" => mens,
            "Womens E-Mail" => womens,
            _ => return Err(format!("{}: no arm: {segment}", file.display()).into()),
        };
        arm.visits += visit.parse::<u64>()?;
        arm.conversions += conversion.parse::<u64>()?;
        arm.spend.push(spend.parse()?);
    }
    Ok(arms)
}
