//! Floor 5: arguments to values.

pub mod socket_options;
