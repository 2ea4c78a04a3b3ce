//! sockkit: socket diagnostics and scripting.

pub mod acl;
pub mod addr;
pub mod cli;
pub mod error;
pub mod event;
pub mod net;
pub mod out;
pub mod span;
pub mod sys;
pub mod text;
pub mod value;
pub mod work;
