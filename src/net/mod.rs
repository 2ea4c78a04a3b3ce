//! Floor 2: a connection, however made.

pub mod bind;
pub mod conn;
pub mod dial;
pub mod head;
pub mod options;
pub mod proxy;
pub mod proxy_protocol;
pub mod resolve;
pub mod socket;
mod sources;
pub mod tls;
pub mod track;
pub mod via;
