//! Who is alike: k-means clusters of customers by standardised features.
//!
//! [`Points`] holds the features of customers, [`Scales`] brings them to one scale, [`KMeansParams`] says how clusters
//! are found and [`KMeans`] is what was found: centres, to which any customer can be told the [`KMeans::nearest`].
//! [`silhouette`] judges a clustering and [`choose_clusters`] a number of clusters by it; [`names`] calls each cluster
//! by what makes it stand out, whatever its number.
//!
//! Everything depends on the multiset of rows and on the declared seed alone: rows are put in an order of their own.

mod k_means;
mod names;
mod points;
mod scales;
mod silhouette;

pub use k_means::{Candidate, KMeans, KMeansParams, ValidKMeansParams, choose_clusters};
pub use names::names;
pub use points::Points;
pub use scales::{Scale, Scales, signed_log};
pub use silhouette::silhouette;

use thiserror::Error;

/// Why there are no clusters.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SegmentError {
    /// Rows of no columns, or a last row that is not whole.
    #[error("{values} values are no rows of {dimensions}")]
    Shape {
        /// Number of values.
        values: usize,
        /// Values a row.
        dimensions: usize,
    },
    /// A value that is none.
    #[error("row {row}, value {column}: {value} is not finite and below 1e100 in magnitude")]
    NotFinite {
        /// Position of the row, from 0.
        row: usize,
        /// Position in the row, from 0.
        column: usize,
        /// As given.
        value: f64,
    },
    /// A parameter that makes no sense.
    #[error("{name} must be from {least} to {most}, not {value}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// As given.
        value: u64,
        /// The least it may be.
        least: u64,
        /// The most it may be.
        most: u64,
    },
    /// More clusters than there are different rows.
    #[error("{clusters} clusters need as many different rows, and there are {distinct}")]
    TooFewDistinct {
        /// As asked for.
        clusters: usize,
        /// Number of different rows.
        distinct: usize,
    },
    /// Not a label for each row, or a label beyond the clusters.
    #[error("the labels are not one from 0 to {clusters} − 1 for each of {rows} rows")]
    Labels {
        /// Number of clusters.
        clusters: usize,
        /// Number of rows.
        rows: usize,
    },
    /// Every start ended with a cluster that nobody is in.
    #[error("no start found {clusters} clusters that all have members")]
    EmptyCluster {
        /// As asked for.
        clusters: usize,
    },
}
