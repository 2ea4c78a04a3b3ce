//! Floor 3: what is done with connections.

pub mod diag;
