//! How far one had come.

use std::fmt;

/// What was being done when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Reading flags, addresses and other arguments.
    Arguments,
    /// Turning a name into addresses.
    Resolving,
    /// Making a socket.
    Opening,
    /// Setting a socket option.
    Setting,
    /// Taking a local address.
    Binding,
    /// Starting to listen.
    Listening,
    /// Waiting for, and taking, a connection.
    Accepting,
    /// The handshake.
    Connecting,
    /// The handshake of TLS.
    Securing,
    /// Asking a proxy to open the way.
    Proxying,
    /// Reading from the peer.
    Receiving,
    /// Writing to the peer.
    Sending,
    /// Reading standard input.
    ReadingStdin,
    /// Writing standard output.
    WritingStdout,
    /// Reading or writing some other file.
    File,
    /// Running a handler program.
    Running,
    /// A timer: open, but no progress.
    Waiting,
    /// Waiting for what a script expects.
    Expecting,
    /// Running a command of a script.
    Scripting,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arguments => "reading the arguments",
            Self::Resolving => "resolving",
            Self::Opening => "opening a socket",
            Self::Setting => "setting a socket option",
            Self::Binding => "binding",
            Self::Listening => "listening",
            Self::Accepting => "accepting",
            Self::Connecting => "connecting",
            Self::Securing => "the TLS handshake",
            Self::Proxying => "asking the proxy",
            Self::Receiving => "receiving",
            Self::Sending => "sending",
            Self::ReadingStdin => "reading standard input",
            Self::WritingStdout => "writing standard output",
            Self::File => "using a file",
            Self::Running => "running a program",
            Self::Waiting => "waiting",
            Self::Expecting => "expecting",
            Self::Scripting => "running the script",
        })
    }
}
