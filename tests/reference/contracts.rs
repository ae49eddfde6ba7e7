//! The two segments of Fader & Hardie (2007).

use std::error::Error;
use std::path::Path;

use cvm_models::retention::Tenures;
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;

use crate::figures::Figures;

/// Customers who are left of 1,000 at renewals 0 to 7, as published.
const SEGMENTS: [(&str, [u64; 8]); 2] = [
    ("high_end", [1000, 869, 743, 653, 593, 551, 517, 491]),
    ("regular", [1000, 631, 468, 382, 326, 289, 262, 241]),
];

pub(crate) fn compute(_: &Path, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    for (segment, survivors) in SEGMENTS {
        let tenures = Tenures::from_survivors(&[survivors])?;
        figures.fit::<ShiftedBetaGeometric>(segment, &tenures)?;
    }
    Ok(())
}
