//! The commands that tell and set: info, options, stats, conns, help, set, get.

use std::fmt::Write as _;

use super::act::span;
use super::commands::{self, COMMANDS, CommandInfo};
use super::run::{Engine, Failure, usage};
use super::slot::{Slot, State};
use crate::addr::Endpoint;
use crate::error::{Error, Phase};
use crate::event::Event;
use crate::net::conn::Conn;
use crate::net::options::{self, On, Options};
use crate::net::socket::Kind;
use crate::sys::{Asked, sockopt};
use crate::text::visible_line;

impl Engine<'_> {
    /// Sets an option of the current connection's socket.
    pub(super) fn set_option(&mut self, name: &str, value: Option<&str>) -> Result<(), Failure> {
        let nth = self.nth_open()?;
        let slot = &self.slots[nth];
        let Some(conn) = &slot.conn else { return Ok(()) };
        let mut options = Options::new();
        options.parse(name, value)?;
        for report in options.apply_late(conn.socket(), slot.shape, slot.role)? {
            self.sink.emit(Some(slot.id), &report.event());
        }
        Ok(())
    }

    /// Reads one.
    pub(super) fn get_option(&mut self, name: &str) -> Result<(), Failure> {
        let nth = self.nth_open()?;
        let slot = &self.slots[nth];
        let Some(conn) = &slot.conn else { return Ok(()) };
        let opt = options::by_name(name).ok_or_else(|| usage(format!("there is no socket option {name}")))?;
        if !opt.applies(slot.shape, slot.role) {
            return Err(usage(format!("{} is no option of this socket: {}", opt.name, slot.shape)).into());
        }
        let on = On { socket: conn.socket(), shape: slot.shape, role: slot.role };
        let value = (opt.get)(&on, None).map_err(|source| Error::os(Phase::Setting, Some(slot.peer()), source))?;
        self.face.say(&format!("{} {value}", opt.name));
        Ok(())
    }

    pub(super) fn tell_options(&mut self) -> Result<(), Failure> {
        let slot = &self.slots[self.nth_open()?];
        let Some(conn) = &slot.conn else { return Ok(()) };
        let values = options::get(conn.socket(), slot.shape, slot.role);
        let width = values.iter().map(|(opt, _)| opt.name.len()).max().unwrap_or(0);
        let lines: Vec<String> = values.iter().map(|(opt, value)| format!("{:width$}  {value}", opt.name)).collect();
        self.face.say(&lines.join("\n"));
        Ok(())
    }

    pub(super) fn tell_info(&mut self) -> Result<(), Failure> {
        let slot = &self.slots[self.nth()?];
        let mut text = format!(
            "connection {}, {}\nlocal      {}\npeer       {}\nstate      {}\nage        {}\nunread     {} bytes",
            slot.id,
            slot.shape,
            name(slot.local()),
            name(slot.peer()),
            state(slot),
            span(slot.age()),
            slot.unread()
        );
        if slot.buffer.forgotten() > 0 {
            let _ = write!(text, " ({} forgotten)", slot.buffer.forgotten());
        }
        if let Some((secured, _)) = slot.conn.as_ref().and_then(Conn::secured) {
            let _ = write!(text, "\ntls        {}, {}", secured.version, secured.suite);
            for part in
                [secured.group, secured.alpn.map(|alpn| format!("ALPN {}", visible_line(&alpn)))].into_iter().flatten()
            {
                let _ = write!(text, ", {part}");
            }
            for certificate in &secured.chain {
                let _ = write!(text, "\ncert       {}", visible_line(&certificate.line()));
            }
        }
        self.face.say(&text);
        Ok(())
    }

    pub(super) fn tell_stats(&mut self) -> Result<(), Failure> {
        let slot = &self.slots[self.nth()?];
        let seconds = slot.age().as_secs_f64().max(1e-6);
        let rate = |bytes: u64| rate(bytes as f64 / seconds);
        let mut text = format!(
            "sent       {} bytes, {}\nreceived   {} bytes, {}\nage        {}",
            slot.sent,
            rate(slot.sent),
            slot.received,
            rate(slot.received),
            span(slot.age())
        );
        if let Some(conn) = &slot.conn
            && slot.shape.is_tcp()
            && let Ok(info) = sockopt::tcp_info(conn.socket())
        {
            let _ = write!(
                text,
                "\nrtt        {} (varies by {})\nretransmits {}\ncwnd       {} segments of {} bytes\nunacked    {} segments",
                span(info.rtt),
                span(info.rtt_deviation),
                info.retransmits,
                info.congestion_window,
                info.segment,
                info.unacknowledged
            );
        }
        self.face.say(&text);
        Ok(())
    }

    /// Tells how each connection stands, to whoever asked by SIGUSR1.
    pub(super) fn tell_asked(&self) {
        let Some(Ok(())) = self.stop.asked().map(Asked::take) else { return };
        for slot in &self.slots {
            if let Some(course) = slot.course() {
                let (sent, received, duration) = (slot.sent, slot.received, course.age);
                self.sink.emit(Some(slot.id), &Event::SessionStats { sent, received, duration, course: &course });
            }
        }
    }

    pub(super) fn tell_help(&mut self, topic: Option<&str>) -> Result<(), Failure> {
        let Some(topic) = topic else {
            let left = |info: &CommandInfo| format!("{} {}", info.name, info.arguments).trim_end().to_owned();
            // The few long ones push their help along, rather than all the others out of the terminal.
            let width = COMMANDS.iter().map(|info| left(info).len()).filter(|width| *width <= 34).max().unwrap_or(0);
            let lines: Vec<String> =
                COMMANDS.iter().map(|info| format!("{:width$}  {}", left(info), info.help)).collect();
            self.face.say(&lines.join("\n"));
            return Ok(());
        };
        let info = commands::by_name(topic)
            .ok_or_else(|| usage(format!("there is no command {topic}; `help` lists those there are")))?;
        let text = format!("{} {}\n  {}\n  for example: {}", info.name, info.arguments, info.help, info.example);
        self.face.say(&text);
        Ok(())
    }

    pub(super) fn tell_conns(&mut self) {
        if self.slots.is_empty() {
            self.face.say("no connections");
            return;
        }
        let mut lines = Vec::new();
        for slot in &self.slots {
            let mark = if Some(slot.id) == self.current { '*' } else { ' ' };
            let arrow = if slot.shape.kind == Kind::Dgram { "<>" } else { "->" };
            lines.push(format!(
                "{mark} {}  {} {arrow} {}  {}  sent {}, received {}",
                slot.id,
                name(slot.local()),
                name(slot.peer()),
                state(slot),
                slot.sent,
                slot.received
            ));
        }
        self.face.say(&lines.join("\n"));
    }
}

/// An end, or that it has no address: one of a UNIX socket that was not bound.
fn name(endpoint: &Endpoint) -> String {
    if endpoint.is_unnamed() { "(unnamed)".to_owned() } else { endpoint.to_string() }
}

fn state(slot: &Slot) -> String {
    match slot.state() {
        State::HalfClosed(true) => "half-closed (the peer has ended)".to_owned(),
        State::HalfClosed(false) => "half-closed (we have ended)".to_owned(),
        State::Reset => format!("reset ({})", slot.broken().unwrap_or_default()),
        state => state.name().to_owned(),
    }
}

fn rate(per_second: f64) -> String {
    let units = ["B/s", "kB/s", "MB/s", "GB/s"];
    let (mut value, mut unit) = (per_second, 0);
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{value:.0} {}", units[0]) } else { format!("{value:.1} {}", units[unit]) }
}
