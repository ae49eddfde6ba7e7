//! Our side of `ci/reference`: the figures that others published or recomputed, from raw files, as one JSON object.
//!
//! usage: reference DATA
//!
//! It only computes. What was published and how near a figure must come stands in `ci/py/reference.py`. A section that
//! fails says why on stderr; its figures are then missing, which the script counts as missed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that prints figures"
)]

mod contracts;
mod donations;
mod experiments;
mod figures;
mod master;
mod sample;
mod transactions;

use std::error::Error;
use std::path::Path;

use figures::Figures;

/// A part of the figures, from the folder of real data.
type Section = fn(&Path, &mut Figures) -> Result<(), Box<dyn Error>>;

const SECTIONS: [(&str, Section); 5] = [
    ("CDNOW sample", sample::compute),
    ("donations", donations::compute),
    ("contracts", contracts::compute),
    ("experiments", experiments::compute),
    ("CDNOW master", master::compute),
];

fn main() -> Result<(), Box<dyn Error>> {
    let data = std::env::args_os().nth(1).ok_or("usage: reference DATA")?;
    let mut figures = Figures::default();
    for (name, compute) in SECTIONS {
        if let Err(error) = compute(data.as_ref(), &mut figures) {
            eprintln!("{name}: {error}");
        }
    }
    println!("{figures}");
    Ok(())
}
