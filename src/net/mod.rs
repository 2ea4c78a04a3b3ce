//! Floor 2: a connection, however made.

pub mod conn;
pub mod resolve;
pub mod socket;
