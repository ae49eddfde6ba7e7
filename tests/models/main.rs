//! The models against published values, against themselves, and at the edges.
mod bg_nbd;
mod cdnow;
mod gamma_gamma;
