//! Customer-base models as pure mathematics: validated slices of `f64` and counts in, numbers out.
//!
//! ```text
//! btyd/        buy till you die: who is alive, how often will they buy    a folder a model: bg_nbd, pareto_nbd, …
//! spend/       how much is a purchase worth                               a folder a model: gamma_gamma
//! retention/   who renews under contract, and for how long                a folder a model: shifted_beta_geometric, …;
//!              survival without a model                                   kaplan_meier
//! segment/     who is alike: k-means on standardised features, silhouettes, stable names for clusters
//! experiment/  did it work: means, proportions, the split of the arms
//! validation/  how well predictions fit what came
//! fit          how every model is fitted     optimise    maximum likelihood by Newton steps in a trust region
//! uncertainty  confidence limits of any figure
//! quadrature   expectations and integrals    special     functions of mathematical physics
//! ```
//!
//! Every model goes the same way: `FitParams → check() → fit(&data) → Fit<Model> → predictions`, or
//! `Model::new(parameters)` where the parameters are known.
//!
//! What holds everywhere:
//!
//! - A value that was constructed is valid: models have positive finite parameters, summaries are possible histories.
//!   Whatever is refused is refused with a typed error that names the row.
//! - Nothing panics, and no function returns a NaN for a valid argument.
//! - A fit tells whether it converged and why it stopped; it never assumes it.
//! - Results depend on the multiset of customers alone, to the last bit: not on their order, on how rows are weighted,
//!   or on the number of threads. Parallel sums are taken over fixed chunks and added in chunk order.
//! - Parallel work runs in the Rayon pool that calls it (`pool.install(|| …)`), no pool is made here.
//!
//! What is not here: Arrow, files, clocks, random numbers whose seed is not declared, logging.

pub mod btyd;
mod chunks;
pub mod experiment;
pub mod fit;
pub mod optimise;
mod quadrature;
pub mod retention;
pub mod segment;
pub mod special;
pub mod spend;
pub mod uncertainty;
pub mod validation;
