//! Linux.

pub(crate) mod errqueue;
pub(crate) mod procfs;
