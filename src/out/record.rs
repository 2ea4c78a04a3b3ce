//! `--record FILE`: both directions of a session with their times, as `sockkit replay` reads them.
//!
//! The lines are those of the events (docs/events.md), but only the ones that make the session.

use super::json::Json;
use crate::event::{ConnId, Detail, Event, Sink};

/// See the module.
pub struct Record(Json);

impl Record {
    /// Writes to the same kind of place as events.
    #[must_use]
    pub fn new(json: Json) -> Self {
        Self(json)
    }
}

impl Sink for Record {
    fn emit(&self, conn: Option<ConnId>, event: &Event<'_>) {
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
            self.0.emit(conn, event);
        }
    }

    fn detail(&self) -> Detail {
        Detail::Payload
    }
}
