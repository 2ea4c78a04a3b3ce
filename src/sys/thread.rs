//! Values that belong to one thread.

use std::cell::{RefCell, RefMut};

thread_local! {
    /// Its address tells threads apart. (`std::thread::current` counts references, which costs as much as a lock.)
    static HERE: u8 = const { 0 };
}

fn here() -> usize {
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

/// A value that is looked at by the thread that made it, and no other: shared by tasks that have to be `Send` and
/// never leave their thread. A lock without the lock.
#[derive(Debug)]
pub struct OneThread<T> {
    home: usize,
    value: RefCell<T>,
}

// SAFETY: the value can be reached through `borrow` only, and there only by the thread that made it: no two threads
// have their thread-locals at the same address at the same time, and one that gets the address of a thread that has
// ended gets it after that end. Another thread may own or drop the whole, which `T: Send` allows.
unsafe impl<T: Send> Sync for OneThread<T> {}

impl<T> OneThread<T> {
    /// It belongs to the current thread.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { home: here(), value: RefCell::new(value) }
    }

    /// The value.
    ///
    /// # Panics
    /// On another thread, and when it is borrowed already.
    pub fn borrow(&self) -> RefMut<'_, T> {
        assert_eq!(self.home, here(), "a value of another thread");
        self.value.borrow_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_threads_are_kept_out() {
        let value = OneThread::new(1);
        *value.borrow() += 1;
        let other = std::thread::scope(|scope| scope.spawn(|| *value.borrow()).join());
        assert!(other.is_err());
        assert_eq!(*value.borrow(), 2);
    }
}
