//! How the program begins.
//!
//! With the GNU C library on Linux, `main` is the C library's, without what Rust's standard library does before its own:
//! that reads `/proc/self/maps` to find the guard page of the stack, and was 0.1 ms of the 1.15 ms that a short run took.
//! What of it counts is done here: descriptors 0 to 2 are open, SIGPIPE is ignored, a panic ends with the status that it
//! has in Rust, stdout is flushed. What is missing is the message of a stack overflow; it ends the program all the same.

/// Makes a function from arguments to exit status the program.
#[cfg(own_start)]
#[macro_export]
macro_rules! program {
    ($run:path) => {
        /// What the C library calls. The arguments reach `std::env` without it: glibc hands them to `.init_array`.
        #[unsafe(no_mangle)]
        extern "C" fn main(_: i32, _: *const *const u8) -> i32 {
            $crate::sys::start($run)
        }
    };
}

/// Makes a function from arguments to exit status the program.
#[cfg(not(own_start))]
#[macro_export]
macro_rules! program {
    ($run:path) => {
        fn main() -> std::process::ExitCode {
            let argv: Vec<_> = std::env::args_os().collect();
            $run(&argv).into()
        }
    };
}

/// Runs the program and ends the process.
#[cfg(own_start)]
pub fn start(run: fn(&[std::ffi::OsString]) -> u8) -> ! {
    open_standard_descriptors();
    // SAFETY: sets a disposition before any thread is started.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let argv: Vec<_> = std::env::args_os().collect();
    // A panic has said what it is by now; it must not unwind into C.
    let status = std::panic::catch_unwind(|| run(&argv)).unwrap_or(crate::error::PANICKED);
    std::process::exit(status.into())
}

/// A file that is opened where 0, 1 or 2 is closed would be taken for stdin, stdout or stderr: `/dev/null` takes its place.
#[cfg(own_start)]
fn open_standard_descriptors() {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: three of ours; nothing is waited for.
    if unsafe { libc::poll(fds.as_mut_ptr(), 3, 0) } < 0 {
        std::process::abort();
    }
    for _ in fds.iter().filter(|fd| fd.revents & libc::POLLNVAL != 0) {
        // SAFETY: a string that ends. The lowest number that is free is this one, as those below are open by now.
        if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } < 0 {
            std::process::abort();
        }
    }
}
