//! sockkit: opens and serves sockets of every family, shows what happens on them, and says why a connection
//! fails and what to try.
//!
//! The library is six floors. A module imports what is on its own floor or below, never above.
//!
//! | floor | modules | what |
//! |---|---|---|
//! | 0 values | [`addr`] [`acl`] [`charset`] [`course`] [`error`] [`event`] [`span`] [`text`] [`tls`] [`value`] | what is said and typed; no I/O |
//! | 1 kernel | [`sys`] | one face on every system, and all the `unsafe` |
//! | 2 net | [`net`] | a connection, however made: resolve, dial, bind, options, TLS |
//! | 3 work | [`work`] | what is done with connections: pump, serve, handlers, chat, diagnosis |
//! | 4 talk | [`out`] | the only place that prints: for people, as JSON Lines, explanations |
//! | 5 face | [`cli`] [`cmd`] [`repl`] | arguments, subcommands, the line editor; in tests, `fuzz` |
//!
//! What holds (and `tests/tidy.rs` looks after):
//!
//! - Only [`out`] prints events, and only the handlers on stdin and stdout write payload there, or [`repl`] to its terminal.
//! - clap stays on floor 5, colored in [`out`] and [`repl`], rustyline in [`repl`].
//! - `unsafe` and `cfg(target_os)` stay in [`sys`], exit numbers in [`error`].
//! - [`work`] and [`out`] never meet; both know [`event`].
//!
//! Two ways of moving bytes, and no third. Between stdio and one socket: [`work::pump`], plain descriptors,
//! poll(2), splice(2). Between many sockets: [`work::serve`], one thread of tokio, no buffer held while nothing
//! moves. Both keep the same rules of admission ([`work::door`]) and send the same events.
//!
//! Where to add things: a subcommand is a file in [`cmd`] and its arm; a socket option is a row of
//! [`net::options::TABLE`]; a handler is a file in [`work::handler`] and its arm; an event is a variant of
//! [`event::Event`] and how `out::human` says it; an address family is a variant of [`addr::Endpoint`].

pub mod acl;
pub mod addr;
pub mod charset;
pub mod cli;
pub mod cmd;
pub mod course;
pub mod error;
pub mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod net;
pub mod out;
pub mod repl;
pub mod span;
pub mod sys;
pub mod text;
pub mod tls;
pub mod value;
pub mod work;
