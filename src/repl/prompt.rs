//! The prompt: whom one talks to, and how far the connection is.

use crate::text::visible_line;
use crate::work::script::run::Engine;
use crate::work::script::slot::State;

/// `127.0.0.1:2023 open> `; with several connections `#2 127.0.0.1:2023 open> `; without any `no connection> `.
#[must_use]
pub(super) fn prompt(engine: &Engine<'_>) -> String {
    let Some(slot) = engine.current() else { return "no connection> ".to_owned() };
    let number = if engine.conns().len() > 1 { format!("#{} ", slot.id) } else { String::new() };
    format!("{number}{} {}> ", visible_line(&slot.peer().to_string()), word(slot.state()))
}

/// A connection that both sides have ended is as good as closed.
pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Ended => State::Closed.name(),
        state => state.name(),
    }
}
