//! A plain broker: what one client sends, every other gets, byte for byte.
//!
//! Nothing of a stream may be left out, so whoever sends faster than the others can read has to wait for them: as
//! long as they do read. One that takes nothing for [`PATIENCE`], while its queue is full, is dropped, and nobody waits
//! for it again. What it takes comes out of the kernel's buffer first, which may be a hundred times as large as what is
//! read in that time: the kernel lets more be written only when a third of it is free.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::log::NOTHING;
use super::queue::{Queue, Seat, Seats, Turn, Write};

/// How long one whose queue is full may take nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often that is looked at.
pub(super) const LOOKS: Duration = Duration::from_millis(100);

/// See the module.
pub(super) struct Broker {
    /// What may wait for a client, in bytes, before the others wait.
    most: usize,
    /// Boxed, so that what is kept of places that nobody has any more is little.
    members: Vec<Option<Box<Member>>>,
    free: Vec<Seat>,
    /// How many queues are full.
    full: usize,
    /// Those that wait until none is.
    senders: Vec<Waker>,
    /// When they were looked at last: once is enough, however many senders wait.
    looked: Option<Instant>,
}

struct Member {
    queue: Queue,
    /// Since when its queue has been full, and it took nothing.
    full: Option<Instant>,
    /// What the kernel had for it, in bytes, when no more could be written.
    unsent: usize,
    state: State,
    waker: Option<Waker>,
    alarm: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    In,
    Left,
    Fell,
}

impl Broker {
    pub(super) fn new(most: usize) -> Self {
        Self { most, members: Vec::new(), free: Vec::new(), full: 0, senders: Vec::new(), looked: None }
    }

    pub(super) fn enter(&mut self) -> Seat {
        let member =
            Member { queue: Queue::default(), full: None, unsent: 0, state: State::In, waker: None, alarm: None };
        let seat = self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        self.members[seat] = Some(Box::new(member));
        seat
    }

    /// Gives bytes to everybody but the one who sent them.
    pub(super) fn relay(&mut self, from: Seat, bytes: &[u8], now: Instant) {
        let mut piece: Option<Arc<[u8]>> = None;
        for (seat, member) in self.members.iter_mut().enumerate() {
            let Some(member) = member else { continue };
            if seat == from || member.state != State::In {
                continue;
            }
            member.queue.push(piece.get_or_insert_with(|| bytes.into()).clone(), &NOTHING);
            if let Some(waker) = member.waker.take() {
                waker.wake();
            }
            if member.full.is_none() && member.queue.size(&NOTHING) > self.most {
                member.full = Some(now);
                self.full += 1;
            }
        }
    }

    /// Whether one may send: nobody else is full. If not, it is woken when that changes.
    pub(super) fn may_send(&mut self, seat: Seat, waker: &Waker) -> bool {
        let own = self.members[seat].as_ref().is_some_and(|member| member.full.is_some());
        if self.full == usize::from(own) {
            return true;
        }
        self.senders.push(waker.clone());
        false
    }

    /// Drops those that were full for too long. The others are looked at.
    pub(super) fn drop_full(&mut self, now: Instant) {
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOKS / 2) {
            return;
        }
        self.looked = Some(now);
        for seat in 0..self.members.len() {
            let Some(member) = &mut self.members[seat] else { continue };
            let Some(since) = member.full else { continue };
            if now.saturating_duration_since(since) < PATIENCE {
                if let Some(alarm) = member.alarm.take() {
                    alarm.wake();
                }
            } else {
                member.state = State::Fell;
                member.queue.cut(&NOTHING);
                for waker in [member.waker.take(), member.alarm.take()].into_iter().flatten() {
                    waker.wake();
                }
                self.not_full(seat);
            }
        }
    }

    fn not_full(&mut self, seat: Seat) {
        if self.members[seat].as_mut().is_some_and(|member| member.full.take().is_some()) {
            self.full -= 1;
            for waker in self.senders.drain(..) {
                waker.wake();
            }
        }
    }
}

impl Seats for Broker {
    fn leave(&mut self, seat: Seat) {
        self.not_full(seat);
        if let Some(member) = &mut self.members[seat]
            && member.state == State::In
        {
            member.state = State::Left;
        }
    }

    fn free(&mut self, seat: Seat) {
        self.leave(seat);
        self.members[seat] = None;
        self.free.push(seat);
    }

    fn turn(&mut self, seat: Seat, waker: &Waker) -> Turn {
        let Some(member) = &mut self.members[seat] else { return Turn::Fell };
        if member.state == State::Fell {
            Turn::Fell
        } else if !member.queue.is_empty(&NOTHING) {
            Turn::Write
        } else {
            member.waker = Some(waker.clone());
            Turn::Wait
        }
    }

    fn fell(&mut self, seat: Seat, waker: &Waker, unsent: &dyn Fn() -> usize) -> bool {
        let Some(member) = &mut self.members[seat] else { return true };
        member.alarm = Some(waker.clone());
        let before = std::mem::replace(&mut member.unsent, unsent());
        if member.unsent < before && member.full.is_some() {
            member.full = Some(Instant::now());
        }
        member.state == State::Fell
    }

    fn is_drained(&self, seat: Seat) -> bool {
        self.members[seat].as_ref().is_none_or(|member| member.queue.is_empty(&NOTHING))
    }

    fn write(&mut self, seat: Seat, write: &mut Write<'_>) -> io::Result<usize> {
        let Some(member) = &mut self.members[seat] else { return Ok(0) };
        let went = member.queue.write(&NOTHING, write)?;
        if member.full.is_some() {
            if member.queue.size(&NOTHING) <= self.most {
                self.not_full(seat);
            } else if went > 0 {
                member.full = Some(Instant::now());
            }
        }
        Ok(went)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_wait_for_a_full_queue_only_so_long() {
        let mut broker = Broker::new(100);
        let [one, two, three] = [broker.enter(), broker.enter(), broker.enter()];
        let (now, waker) = (Instant::now(), Waker::noop());
        broker.relay(one, &[b'x'; 200], now);
        assert!(!broker.may_send(one, waker));
        assert!(!broker.may_send(two, waker), "three is full");
        broker.drop_full(now + PATIENCE / 2);
        assert!(!broker.fell(three, waker, &|| 0));
        broker.write(two, &mut |_| Ok(1)).unwrap();
        broker.drop_full(now + PATIENCE);
        assert!(broker.fell(three, waker, &|| 0) && !broker.fell(two, waker, &|| 0), "who takes a little is reading");
        let mut take = |slices: &[io::IoSlice<'_>]| Ok(slices.iter().map(|slice| slice.len()).sum());
        broker.write(two, &mut take).unwrap();
        assert!(broker.may_send(one, waker));
        broker.relay(one, b"more", now);
        assert!(broker.is_drained(three), "the dropped one gets nothing more");
        assert_eq!(broker.members[two].as_mut().unwrap().queue.drain(&NOTHING), "more");
    }

    #[test]
    fn who_takes_what_the_kernel_has_is_not_dropped() {
        let mut broker = Broker::new(100);
        let [one, two, three] = [broker.enter(), broker.enter(), broker.enter()];
        let (now, waker) = (Instant::now(), Waker::noop());
        broker.relay(one, &[b'x'; 200], now);
        assert!(!broker.fell(two, waker, &|| 5000) && !broker.fell(three, waker, &|| 5000));
        broker.drop_full(now + PATIENCE / 2);
        assert!(!broker.fell(two, waker, &|| 4999) && !broker.fell(three, waker, &|| 5000));
        broker.drop_full(now + PATIENCE);
        assert!(!broker.fell(two, waker, &|| 4999) && broker.fell(three, waker, &|| 5000));
        assert!(!broker.may_send(one, waker), "two is full");
    }
}
