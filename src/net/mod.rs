//! Floor 2: a connection, however made.

pub mod options;
pub mod socket;
