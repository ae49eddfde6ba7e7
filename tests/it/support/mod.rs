//! What several test files need.

pub(crate) mod s3;
pub(crate) mod shop;
