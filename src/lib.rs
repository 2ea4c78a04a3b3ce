//! sockkit: socket diagnostics and scripting.

pub mod addr;
pub mod cli;
pub mod error;
pub mod event;
pub mod net;
pub mod span;
pub mod sys;
pub mod value;
