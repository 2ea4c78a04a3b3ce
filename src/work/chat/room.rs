//! The rooms, apart from their sockets: who is there, what they are called, and what waits for each.
//!
//! A state machine: a line goes in, what becomes of it stands in the queues. It never waits, and nobody in it waits
//! for another.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use super::gate::{Bucket, same};
use super::log::{Log, NOTHING, Room};
use super::name::{folded, objection};
use super::queue::{Queue, Seat, Seats, Turn, Write};
use super::says::{ASK_NAME, ASK_PASSWORD, HISTORY, YOU_ARE};
use crate::text::visible_line;

/// Where everybody begins. It outlives whoever is in it.
const LOBBY: &str = "lobby";
/// How often a password may be tried.
const TRIES: u8 = 3;
/// In a room with more people than this nobody is told who comes and goes: it would be all that is heard.
const CROWD: usize = 1000;
/// So many names are listed to a newcomer, and to whoever asks.
const NAMES: (usize, usize) = (20, 200);

const HELP: &str = "\
-- /nick NAME: another name    /who: who is here    /me TEXT: say what you do\n\
-- /msg NAME TEXT: to NAME alone    /join ROOM: another room; without ROOM: which there are    /quit [TEXT]: leave\n\
-- // at the start of a line sends a /\n";

/// What the flags say.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The longest name, in characters.
    pub name_limit: usize,
    /// The longest line, in bytes.
    pub line_limit: usize,
    /// So many lines of a room are told to whoever joins it.
    pub history: usize,
    /// Asked of everybody.
    pub password: Option<Vec<u8>>,
    /// Lines a second that each may send on average; 0 is any number.
    pub rate: u32,
    /// Lines that each may send at once.
    pub burst: u32,
    /// What may wait for a client before it is dropped, in bytes.
    pub queue: usize,
    /// Whether the rooms keep a record of what is said, to be taken by `take_record`.
    pub record: bool,
}

/// What becomes of whoever sent the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// More lines are welcome.
    On,
    /// It has left, or has to.
    Quit,
}

/// See the module.
pub(super) struct Rooms {
    rules: Rules,
    /// Boxed, so that what is kept of places that nobody has any more is little.
    members: Vec<Option<Box<Member>>>,
    free: Vec<Seat>,
    /// By what is left of a name once it is folded; most often that is the name itself, and then it is held once.
    names: HashMap<Arc<str>, Seat>,
    rooms: HashMap<Arc<str>, Room>,
    guests: u64,
    /// Those that fell behind while something was told to all.
    fallen: Vec<Seat>,
    record: Vec<u8>,
    text: String,
    closing: bool,
}

struct Member {
    stage: Stage,
    name: Arc<str>,
    room: Arc<str>,
    queue: Queue,
    bucket: Bucket,
    /// Knows that its bucket is empty.
    slowed: bool,
    /// Waits for something to write.
    waker: Option<Waker>,
    /// Is among those of its room that wait for something to be said.
    listed: bool,
    /// Waits, while it writes, for having fallen behind.
    alarm: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Password(u8),
    Name,
    In,
    /// Has left, or was dropped.
    Out {
        fell: bool,
    },
}

impl Rooms {
    /// Nobody is there yet.
    #[must_use]
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            members: Vec::new(),
            free: Vec::new(),
            names: HashMap::new(),
            rooms: HashMap::from([(LOBBY.into(), Room::new(&rules))]),
            rules,
            guests: 0,
            fallen: Vec::new(),
            record: Vec::new(),
            text: String::new(),
            closing: false,
        }
    }

    /// Somebody comes, and is asked who it is.
    pub(super) fn enter(&mut self, now: Instant) -> Seat {
        let stage = if self.rules.password.is_some() { Stage::Password(TRIES) } else { Stage::Name };
        let member = Member {
            stage,
            name: Arc::default(),
            room: Arc::default(),
            queue: Queue::default(),
            bucket: Bucket::new(self.rules.burst, now),
            slowed: false,
            waker: None,
            listed: false,
            alarm: None,
        };
        let seat = self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        self.members[seat] = Some(Box::new(member));
        self.tell(seat, if stage == Stage::Name { ASK_NAME } else { ASK_PASSWORD });
        seat
    }

    /// Takes a line of a client. Its end is off; `cut` when it was longer than it may be.
    pub(super) fn line(&mut self, seat: Seat, line: &[u8], cut: bool) -> Flow {
        if let Some(member) = &mut self.members[seat] {
            member.bucket.left -= 1.0;
        }
        let flow = self.take(seat, line, cut);
        self.settle();
        flow
    }

    fn take(&mut self, seat: Seat, line: &[u8], cut: bool) -> Flow {
        match self.stage(seat) {
            Stage::Password(left) => self.password(seat, line, left),
            Stage::Name => {
                self.name(seat, line);
                Flow::On
            }
            Stage::In => {
                let flow = self.talk(seat, line);
                if cut {
                    let limit = self.rules.line_limit;
                    self.tell(seat, &format!("-- your line was cut: {limit} bytes are the most\n"));
                }
                flow
            }
            Stage::Out { .. } => Flow::Quit,
        }
    }

    /// Whether a client may send a line now; else how long it has to wait, which it is told once for all that waits.
    pub(super) fn admit(&mut self, seat: Seat, now: Instant) -> Result<(), Duration> {
        let Rules { rate, burst, .. } = self.rules;
        let Some(member) = &mut self.members[seat] else { return Ok(()) };
        if rate == 0 {
            return Ok(());
        }
        let wait = member.bucket.fill(f64::from(rate), f64::from(burst), now);
        member.slowed &= member.bucket.left < f64::from(burst) / 2.0;
        if wait.is_err() && !std::mem::replace(&mut member.slowed, true) {
            self.tell(seat, &format!("-- too fast: {rate} lines a second are the most; yours wait their turn\n"));
            self.settle();
        }
        wait
    }

    /// Tells a client that its line has no end.
    pub(super) fn endless(&mut self, seat: Seat) {
        self.tell(seat, "-- your line does not end: goodbye\n");
    }

    /// Whether a client is still to say a secret: what it sends then is for no log.
    #[must_use]
    pub(super) fn is_secret(&self, seat: Seat) -> bool {
        matches!(self.stage(seat), Stage::Password(_))
    }

    /// The server ends: everybody is told, and nobody of the others' leaving.
    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.closing, true) {
            let piece: Arc<[u8]> = (*b"-- the server ends\n").into();
            for member in self.members.iter_mut().flatten().filter(|member| member.stage == Stage::In) {
                member.push(&piece, log_of(&self.rooms, &member.room), usize::MAX);
            }
        }
    }

    /// Nothing more is recorded; says whether it was.
    pub(super) fn stop_record(&mut self) -> bool {
        self.record = Vec::new();
        std::mem::replace(&mut self.rules.record, false)
    }

    /// What was said since the last time, as JSON Lines.
    pub(super) fn take_record(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.record)
    }

    fn stage(&self, seat: Seat) -> Stage {
        self.members[seat].as_ref().map_or(Stage::Out { fell: false }, |member| member.stage)
    }

    fn member(&mut self, seat: Seat) -> &mut Member {
        self.members[seat].as_mut().expect("a client that is there")
    }

    /// Who somebody is, and where.
    fn who(&mut self, seat: Seat) -> (Arc<str>, Arc<str>) {
        let member = self.member(seat);
        (member.name.clone(), member.room.clone())
    }

    fn password(&mut self, seat: Seat, line: &[u8], left: u8) -> Flow {
        if self.rules.password.as_deref().is_none_or(|password| same(password, line)) {
            self.member(seat).stage = Stage::Name;
            self.tell(seat, ASK_NAME);
            return Flow::On;
        }
        self.member(seat).stage = Stage::Password(left - 1);
        if left == 1 {
            self.tell(seat, "-- wrong password: goodbye\n");
            return Flow::Quit;
        }
        self.tell(seat, &format!("-- wrong password\n{ASK_PASSWORD}"));
        Flow::On
    }

    /// The name that a line asks for, if it may be had by `seat`.
    fn wanted(&self, seat: Seat, line: &[u8]) -> Result<String, String> {
        let name = std::str::from_utf8(line).map_err(|_| "a name is UTF-8".to_owned())?.trim();
        if let Some(why) = objection(name, self.rules.name_limit) {
            return Err(why);
        }
        match self.names.get(&*folded(name)) {
            Some(other) if *other != seat => Err(format!("{name} is taken")),
            _ => Ok(name.to_owned()),
        }
    }

    fn name(&mut self, seat: Seat, line: &[u8]) {
        let name = if line.trim_ascii().is_empty() { Ok(self.guest()) } else { self.wanted(seat, line) };
        match name {
            Ok(name) => {
                self.call(seat, &name);
                self.member(seat).stage = Stage::In;
                self.join(seat, LOBBY);
            }
            Err(why) => self.tell(seat, &format!("-- {why}\n{ASK_NAME}")),
        }
    }

    /// Gives somebody a name.
    fn call(&mut self, seat: Seat, name: &str) {
        let (name, key) = (Arc::<str>::from(name), folded(name));
        self.names.insert(if *name == *key { name.clone() } else { key.into() }, seat);
        self.member(seat).name = name;
    }

    fn guest(&mut self) -> String {
        loop {
            self.guests += 1;
            let name = format!("guest{}", self.guests);
            if !self.names.contains_key(&*name) {
                return name;
            }
        }
    }

    fn talk(&mut self, seat: Seat, line: &[u8]) -> Flow {
        if line.trim_ascii().is_empty() {
            return Flow::On;
        }
        if !line.starts_with(b"/") || line.starts_with(b"//") {
            self.say(seat, &line[usize::from(line.starts_with(b"//"))..], false);
            return Flow::On;
        }
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (command, argument) = (&line[..end], line[end..].trim_ascii());
        match command {
            b"/nick" => self.nick(seat, argument),
            b"/who" => self.list(seat),
            b"/me" if argument.is_empty() => self.tell(seat, "-- /me TEXT\n"),
            b"/me" => self.say(seat, argument, true),
            b"/msg" => self.whisper(seat, argument),
            b"/join" => self.change_room(seat, argument),
            b"/help" => self.tell(seat, HELP),
            b"/quit" => {
                let why = visible_line(argument);
                self.part(seat, &why, false);
                self.settle();
                return Flow::Quit;
            }
            other => {
                let text = format!("-- unknown command {}; /help lists them\n", visible_line(other));
                self.tell(seat, &text);
            }
        }
        Flow::On
    }

    fn say(&mut self, seat: Seat, line: &[u8], me: bool) {
        let Self { members, rooms, rules, text, .. } = self;
        let Some(Member { name, room, .. }) = members[seat].as_deref() else { return };
        let shown = visible_line(line);
        text.clear();
        // Not by `write!`, which takes longer than all the rest here.
        let (before, behind) = if me { ("] * ", " ") } else { ("] <", "> ") };
        for part in ["[", room, before, name, behind, &shown, "\n"] {
            text.push_str(part);
        }
        if rules.record {
            note(&mut self.record, room, name, &shown, me);
        }
        if let Some(here) = rooms.get_mut(room) {
            if rules.history > 0 {
                here.remember(text.as_bytes().into(), rules);
            }
            spread(here, members, seat, true, text.as_bytes(), rules, &mut self.fallen);
        }
        self.settle();
    }

    fn whisper(&mut self, seat: Seat, argument: &[u8]) {
        let end = argument.iter().position(u8::is_ascii_whitespace).unwrap_or(argument.len());
        let (to, text) = (visible_line(&argument[..end]), visible_line(argument[end..].trim_ascii()));
        if text.is_empty() {
            return self.tell(seat, "-- /msg NAME TEXT\n");
        }
        let Some(&other) = self.names.get(&*folded(&to)) else {
            return self.tell(seat, &format!("-- nobody is called {to}\n"));
        };
        let (from, _) = self.who(seat);
        let (to, _) = self.who(other);
        self.tell(other, &format!("<{from}> {text}\n"));
        self.tell(seat, &format!("-> <{to}> {text}\n"));
        self.settle();
    }

    fn nick(&mut self, seat: Seat, argument: &[u8]) {
        let name = match self.wanted(seat, argument) {
            Ok(name) => name,
            Err(why) => return self.tell(seat, &format!("-- {why}\n")),
        };
        let (old, room) = self.who(seat);
        self.names.remove(&*folded(&old));
        self.call(seat, &name);
        self.tell(seat, &format!("-- {YOU_ARE}{name} now\n"));
        self.notice(&room, seat, &format!("{old} is now {name}"));
        self.settle();
    }

    fn list(&mut self, seat: Seat) {
        let (_, room) = self.who(seat);
        let names = self.names_in(&room, None, NAMES.1);
        self.tell(seat, &format!("-- in {room}: {names}\n"));
    }

    fn change_room(&mut self, seat: Seat, argument: &[u8]) {
        if argument.is_empty() {
            let mut rooms: Vec<String> =
                self.rooms.iter().map(|(name, room)| format!("{name} ({})", room.members.len())).collect();
            rooms.sort();
            let more = rooms.len().saturating_sub(NAMES.1);
            rooms.truncate(NAMES.1);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            return self.tell(seat, &format!("-- rooms: {}{more}\n", rooms.join(", ")));
        }
        let name = std::str::from_utf8(argument).map_err(|_| "a name is UTF-8".to_owned());
        let name = name.and_then(|name| objection(name, self.rules.name_limit).map_or(Ok(folded(name)), Err));
        let room = match name {
            Ok(room) => room,
            Err(why) => return self.tell(seat, &format!("-- {why}\n")),
        };
        if *self.member(seat).room == *room {
            return self.tell(seat, &format!("-- {room} is where you are\n"));
        }
        self.depart(seat, "");
        self.join(seat, &room);
    }

    /// Puts somebody who has a name into a room, and tells.
    fn join(&mut self, seat: Seat, room: &str) {
        // Held once, however many are in the room.
        let key = self.rooms.get_key_value(room).map_or_else(|| room.into(), |(key, _)| key.clone());
        let others = self.rooms.entry(key.clone()).or_insert_with(|| Room::new(&self.rules));
        others.members.push(seat);
        others.heard += 1;
        let (end, history) = (others.log.end(), others.history.iter().cloned().collect::<Vec<Arc<[u8]>>>());
        let member = self.member(seat);
        member.room = key.clone();
        member.queue.hear_from(end);
        let (name, _) = self.who(seat);
        let here = self.names_in(&key, Some(seat), NAMES.0);
        let here = if here.is_empty() { "nobody else is here".to_owned() } else { format!("here: {here}") };
        self.tell(seat, &format!("-- {YOU_ARE}{name} in {room}; {here}; /help lists the commands\n"));
        if !history.is_empty() {
            let lines = if history.len() == 1 { "line" } else { "lines" };
            self.tell(seat, &format!("-- {HISTORY}{} {lines}\n", history.len()));
            for piece in &history {
                self.give(seat, piece, self.rules.queue);
            }
        }
        self.notice(&key, seat, &format!("{name} joined"));
        self.settle();
    }

    fn names_in(&self, room: &str, but: Option<Seat>, most: usize) -> String {
        let members = self.rooms.get(room).map_or(&[][..], |room| &room.members);
        let others = members.iter().filter(|seat| Some(**seat) != but);
        let names: Vec<&str> =
            others.filter_map(|seat| Some(&*self.members[*seat].as_ref()?.name)).take(most).collect();
        let more = members.len() - usize::from(but.is_some()) - names.len();
        let names = names.join(", ");
        if more > 0 { format!("{names} and {more} more") } else { names }
    }

    /// Takes somebody out of its room, and tells those who stay.
    fn depart(&mut self, seat: Seat, why: &str) {
        let (name, key) = self.who(seat);
        let Some(room) = self.rooms.get_mut(&key) else { return };
        if let Some(member) = &mut self.members[seat] {
            room.heard -= usize::from(member.queue.has_heard(&room.log));
            member.queue.take_leave(&room.log);
            member.room = Arc::default();
            if std::mem::take(&mut member.listed) {
                room.idle.retain(|other| *other != seat);
            }
        }
        if let Some(at) = room.members.iter().position(|member| *member == seat) {
            room.members.swap_remove(at);
            if room.members.len() < room.members.capacity() / 8 {
                room.members.shrink_to(2 * room.members.len());
                room.idle.shrink_to(2 * room.members.len());
            }
        }
        room.tidy();
        if room.members.is_empty() && *key != *LOBBY {
            self.rooms.remove(&key);
        } else if !self.closing {
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            self.notice(&key, seat, &format!("{name} left{why}"));
        }
    }

    fn part(&mut self, seat: Seat, why: &str, fell: bool) {
        match self.stage(seat) {
            Stage::In => {
                self.depart(seat, why);
                let (name, _) = self.who(seat);
                self.names.remove(&*folded(&name));
                if self.names.len() < self.names.capacity() / 8 {
                    self.names.shrink_to(2 * self.names.len());
                }
            }
            Stage::Password(_) | Stage::Name => {}
            Stage::Out { .. } => return,
        }
        if let Some(member) = &mut self.members[seat] {
            member.stage = Stage::Out { fell };
            member.wake();
        }
    }

    /// Drops those that fell behind. That is told to others, of whom it may be too much for some.
    fn settle(&mut self) {
        while let Some(seat) = self.fallen.pop() {
            if matches!(self.stage(seat), Stage::Out { .. }) {
                continue;
            }
            self.queue(seat, |queue, log| queue.cut(log));
            let text = format!("-- you fell behind by more than {} KiB: goodbye\n", self.rules.queue / 1024);
            self.give(seat, &text.into_bytes().into(), usize::MAX);
            self.part(seat, "fell behind", true);
        }
    }

    /// Tells those in a room about one of them, unless there are too many.
    fn notice(&mut self, room: &str, about: Seat, text: &str) {
        if let Some(here) = self.rooms.get_mut(room).filter(|here| here.members.len() <= CROWD) {
            let is_in = self.members[about].as_ref().is_some_and(|member| *member.room == *room);
            let text = format!("[{room}] -- {text}\n");
            spread(here, &mut self.members, about, is_in, text.as_bytes(), &self.rules, &mut self.fallen);
        }
    }

    /// Gives it to one client. Who asks for much and reads nothing falls behind too.
    fn tell(&mut self, seat: Seat, text: &str) {
        self.give(seat, &text.as_bytes().into(), self.rules.queue);
    }

    fn give(&mut self, seat: Seat, piece: &Arc<[u8]>, most: usize) {
        if let Some(member) = &mut self.members[seat]
            && member.push(piece, log_of(&self.rooms, &member.room), most)
        {
            self.fallen.push(seat);
        }
    }

    /// Takes something out of what waits for a client.
    fn queue<T>(&mut self, seat: Seat, take: impl FnOnce(&mut Queue, &Log) -> T) -> Option<T> {
        let member = self.members[seat].as_mut()?;
        let Some(room) = self.rooms.get_mut(&member.room) else { return Some(take(&mut member.queue, &NOTHING)) };
        let had_heard = member.queue.has_heard(&room.log);
        let took = take(&mut member.queue, &room.log);
        if !had_heard && member.queue.has_heard(&room.log) {
            room.heard += 1;
            room.tidy();
        }
        Some(took)
    }
}

fn note(record: &mut Vec<u8>, room: &str, name: &str, text: &str, me: bool) {
    #[derive(serde::Serialize)]
    struct Note<'a> {
        time: String,
        kind: &'static str,
        room: &'a str,
        name: &'a str,
        text: &'a str,
    }
    let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    let note = Note { time, kind: if me { "me" } else { "say" }, room, name, text };
    if serde_json::to_writer(&mut *record, &note).is_ok() {
        record.push(b'\n');
    }
}

/// Gives it to everybody in a room but one, who may be in it. Those that it is too much for go to `fallen`.
fn spread(
    room: &mut Room,
    members: &mut [Option<Box<Member>>],
    but: Seat,
    is_in: bool,
    text: &[u8],
    rules: &Rules,
    fallen: &mut Vec<Seat>,
) {
    let sender = members[but].as_mut().filter(|_| is_in);
    if room.members.len() == usize::from(sender.is_some()) {
        return;
    }
    room.heard = 0;
    if let Some(sender) = sender {
        room.heard += usize::from(sender.queue.has_heard(&room.log));
        sender.queue.part(&room.log);
        room.log.push(text);
        sender.queue.hear_from(room.log.end());
    } else {
        room.log.push(text);
    }
    room.idle.retain(|seat| {
        let Some(member) = members[*seat].as_mut().filter(|_| *seat != but) else { return true };
        member.listed = false;
        member.wake_writer();
        false
    });
    if room.log.len() <= room.look {
        return;
    }
    let mut needed = room.log.end();
    for &seat in &room.members {
        let Some(member) = &members[seat] else { continue };
        needed = needed.min(member.queue.needs());
        if member.queue.size(&room.log) > rules.queue {
            fallen.push(seat);
        }
    }
    room.log.forget(needed);
    // Not at every line, where somebody is far behind and not too far.
    room.look = rules.queue.max(room.log.len() + rules.queue / 8);
}

/// What was said where somebody is.
fn log_of<'a>(rooms: &'a HashMap<Arc<str>, Room>, room: &str) -> &'a Log {
    rooms.get(room).map_or(&NOTHING, |room| &room.log)
}

impl Seats for Rooms {
    fn leave(&mut self, seat: Seat) {
        self.part(seat, "", false);
        self.settle();
    }

    fn free(&mut self, seat: Seat) {
        self.leave(seat);
        self.members[seat] = None;
        self.free.push(seat);
    }

    fn turn(&mut self, seat: Seat, waker: &Waker) -> Turn {
        let Some(member) = &mut self.members[seat] else { return Turn::Fell };
        if member.stage == (Stage::Out { fell: true }) {
            return Turn::Fell;
        }
        let room = self.rooms.get_mut(&member.room);
        if !member.queue.is_empty(room.as_ref().map_or(&NOTHING, |room| &room.log)) {
            return Turn::Write;
        }
        if let Some(room) = room
            && !std::mem::replace(&mut member.listed, true)
        {
            room.idle.push(seat);
        }
        member.waker = Some(waker.clone());
        Turn::Wait
    }

    fn fell(&mut self, seat: Seat, waker: &Waker, _unsent: &dyn Fn() -> usize) -> bool {
        let Some(member) = &mut self.members[seat] else { return true };
        if member.stage == (Stage::Out { fell: true }) {
            return true;
        }
        member.alarm = Some(waker.clone());
        false
    }

    fn is_drained(&self, seat: Seat) -> bool {
        self.members[seat].as_ref().is_none_or(|member| member.queue.is_empty(log_of(&self.rooms, &member.room)))
    }

    fn write(&mut self, seat: Seat, write: &mut Write<'_>) -> io::Result<usize> {
        self.queue(seat, |queue, log| queue.write(log, write)).unwrap_or(Ok(0))
    }
}

impl Member {
    /// Says whether more waits now than may.
    fn push(&mut self, piece: &Arc<[u8]>, log: &Log, most: usize) -> bool {
        self.queue.push(piece.clone(), log);
        self.wake_writer();
        self.queue.size(log) > most
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn wake(&mut self) {
        for waker in [self.waker.take(), self.alarm.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
