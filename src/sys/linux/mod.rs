//! Linux.

pub mod proc;
pub mod sockopt;
