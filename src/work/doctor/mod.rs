//! Looks this host over for settings that bite, and walks the path to an address layer by layer.
//!
//! Each thing that was looked at is a [`Check`], told as soon as it is known. What cannot be read on this system, or
//! by this user, is left out.

use std::fmt;

use serde::Serialize;

use crate::text::visible_line;

mod hops;
mod host;
mod path;

pub use host::host;
pub use path::Walk;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing to say.
    Ok,
    /// It may bite.
    Warn,
    /// It does.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: the name of a setting, or of a layer.
    pub check: String,
    /// How it stands.
    pub status: Status,
    /// What it is.
    pub value: String,
    /// What it breaks, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Commands to run next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub r#try: Vec<String>,
}

impl Check {
    /// Nothing to say.
    pub fn ok(check: impl Into<String>, value: impl Into<String>) -> Self {
        let (check, value) = (check.into(), value.into());
        Self { check, status: Status::Ok, value, advice: None, r#try: Vec::new() }
    }

    /// It may bite: what, and what to do.
    #[must_use]
    pub fn warn(self, advice: impl Into<String>) -> Self {
        Self { status: Status::Warn, advice: Some(advice.into()), ..self }
    }

    /// It does.
    #[must_use]
    pub fn bad(self, advice: impl Into<String>) -> Self {
        Self { status: Status::Bad, advice: Some(advice.into()), ..self }
    }

    /// A command to run next.
    #[must_use]
    pub fn try_(mut self, command: impl Into<String>) -> Self {
        self.r#try.push(command.into());
        self
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = match self.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Bad => "bad ",
        };
        write!(f, "{status} {}: {}", self.check, visible_line(&self.value))?;
        if let Some(advice) = &self.advice {
            write!(f, " — {}", visible_line(advice))?;
        }
        for command in &self.r#try {
            write!(f, "\n     try: {}", visible_line(command))?;
        }
        Ok(())
    }
}
