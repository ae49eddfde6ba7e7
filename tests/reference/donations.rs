//! The donors of Fader, Hardie & Shang (2010).

use std::error::Error;
use std::path::Path;

use cvm_models::btyd::bg_bb::{BgBb, DiscreteSummaries};

use crate::figures::Figures;

pub(crate) fn compute(data: &Path, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let file = data.join("cdnow/donations.csv");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut columns: [Vec<u64>; 4] = Default::default();
    for line in text.lines().skip(1) {
        for (column, cell) in columns.iter_mut().zip(line.split(',')) {
            column.push(cell.trim().parse()?);
        }
    }
    let [frequency, recency_age, opportunities, customers] = columns;
    let donors = DiscreteSummaries::weighted(&frequency, &recency_age, &opportunities, &customers)?;
    figures.number("donations.donors", donors.customers() as f64);
    figures.number("donations.groups", donors.rows().len() as f64);
    let model = figures.fit::<BgBb>("bg_bb", &donors)?.model;
    let expected = donors
        .rows()
        .iter()
        .map(|(donor, customers)| *customers as f64 * model.expected_purchases(5, donor));
    figures.number("bg_bb.expected", expected.sum());
    Ok(())
}
