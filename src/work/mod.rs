//! Floor 3: what is done with connections.

pub mod ask_time;
pub mod builtin;
pub mod chance;
pub mod chat;
pub mod check;
pub mod clock;
pub mod close_on;
pub mod diag;
pub mod doctor;
pub mod door;
pub mod handler;
pub mod inspect;
pub mod link;
pub mod local;
pub mod ping;
pub mod pump;
pub mod queue;
pub mod relay;
pub mod replay;
pub mod script;
pub mod serve;
mod sessions;
pub mod splice;
mod stopping;
pub mod tally;
pub mod translate;
pub mod wait;
