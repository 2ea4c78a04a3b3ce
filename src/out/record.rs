//! `--record FILE`: both directions of a session with their times, as `sockkit replay` reads them.
//!
//! The lines are those of the events (docs/events.md), but only the ones that make the session.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::json::Json;
use crate::event::{ConnId, Detail, Event, Sink};

/// See the module.
pub struct Record {
    json: Arc<Json>,
    /// Sessions of clients that came: where such a session makes a connection too, as that of a relay does, what is
    /// recorded is the one that came.
    came: Mutex<HashSet<ConnId>>,
}

impl Record {
    /// Writes to the same kind of place as events.
    #[must_use]
    pub fn new(json: Arc<Json>) -> Self {
        Self { json, came: Mutex::default() }
    }
}

impl Sink for Record {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
        if let Some(conn) = conn {
            let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Event::Accepted { .. } => drop(came.insert(conn)),
                Event::Closed { .. } => drop(came.remove(&conn)),
                Event::Connected { .. } if came.contains(&conn) => return,
                _ => {}
            }
        }
        if matches!(
            event,
            Event::Connected { .. }
                | Event::Accepted { .. }
                | Event::Send(_)
                | Event::Recv(_)
                | Event::Eof { .. }
                | Event::Shutdown { .. }
                | Event::Reset { .. }
                | Event::Closed { .. }
        ) {
            self.json.emit(conn, event);
        }
    }

    fn detail(&self) -> Detail {
        Detail::Payload
    }
}
