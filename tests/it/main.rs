//! Tests that link the whole of cvm: one binary, because each links DataFusion.

mod pipelines;
