//! What a purchase is worth: models of spend given the purchases so far.

pub mod forecast;
pub mod gamma_gamma;
mod spenders;

pub(crate) use spenders::{Row, Table};
pub use spenders::{Spender, SpenderDefect, Spenders, SpendersError};
