//! cvm turns raw customer data into published customer-value tables in one declared, reproducible run.
//!
//! The way of the data is also the map of the code:
//!
//! ```text
//! spec ──▶ plan ──▶ run ──▶ source ─▶ stage (sql, score) ─▶ publish
//! what the  what is   who does   raw      between            what readers
//! user wrote proven   what when  objects  tables             see
//! ```
//!
//! Invariants; `ci/layers` enforces those that say who uses whom:
//!
//! - `cvm-models` knows no Arrow, DataFusion, Tokio, YAML or file system.
//! - [`spec`] mirrors the user's files and resolves nothing; a [`plan::Plan`] in hand is proven.
//! - Only `engine/session.rs` makes or changes a `SessionContext`: planning and running share one dialect.
//! - Nothing is visible to a reader before [`publish`] commits.
//! - Whatever watches a run observes the same [`run::events`]: the log, the report, and those whom [`observe`] tells.

pub mod cache;
pub mod cli;
pub mod demo;
pub mod docs;
pub mod engine;
pub mod failure;
pub mod observe;
pub mod plan;
pub mod publish;
pub mod run;
pub mod score;
pub mod source;
pub mod spec;
pub mod stage;
pub mod store;
