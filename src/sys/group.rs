//! Process groups of handler programs. They are known in one table, so that the signal handler that ends this
//! process at once can end them too.

use std::sync::atomic::{AtomicU32, Ordering};

/// The most groups that are known at a time. More than that are still ended one by one, but not by the handler.
const MOST: usize = 1024;

static GROUPS: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];

/// A program's process group. Nothing of it outlives this value.
#[derive(Debug)]
pub struct Group {
    leader: u32,
    /// Its place in the table.
    slot: Option<usize>,
}

impl Group {
    /// The group that this process leads.
    #[must_use]
    pub fn of(leader: u32) -> Self {
        let free = |slot: &AtomicU32| slot.compare_exchange(0, leader, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        Self { leader, slot: GROUPS.iter().position(free) }
    }

    /// Its leader, and its number.
    #[must_use]
    pub fn leader(&self) -> u32 {
        self.leader
    }

    /// Sends a signal to all of it. A group that is gone is no error.
    pub fn signal(&self, signal: i32) {
        signal_group(self.leader, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            GROUPS[slot].store(0, Ordering::SeqCst);
        }
        self.signal(libc::SIGKILL);
    }
}

/// Ends every group that is known. Async-signal-safe.
pub(super) fn kill_all() {
    for group in &GROUPS {
        signal_group(group.load(Ordering::SeqCst), libc::SIGKILL);
    }
}

fn signal_group(leader: u32, signal: i32) {
    if let Ok(group) = i32::try_from(leader)
        && group > 1
    {
        // SAFETY: kill(2), async-signal-safe, with the negative number of a group that we made.
        unsafe { libc::kill(-group, signal) };
    }
}
