//! Printing: the same grammar, so that every printed address can be pasted back.

use std::fmt::{self, Display, Formatter, Write};
use std::os::unix::ffi::OsStrExt;

use super::guess::reserved;
use super::{Builtin, Endpoint, Host, Inet, IpFamily, Port, Transport, Unix, UnixKind, UnixName, VSOCK_ANY, invisible};

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(inet) => show_inet(inet, f),
            Self::Unix(unix) => show_unix(unix, f),
            Self::Vsock { cid, port } => {
                f.write_str("vsock")?;
                for number in [cid, port] {
                    match *number {
                        VSOCK_ANY => f.write_str(":any")?,
                        number => write!(f, ":{number}")?,
                    }
                }
                Ok(())
            }
            Self::Fd(fd) => write!(f, "fd:{fd}"),
            Self::Systemd(name) => write!(f, "systemd:{}", name.as_deref().unwrap_or_default()),
            Self::Builtin(Builtin::Echo) => f.write_str("echo:"),
            Self::Builtin(Builtin::Time) => f.write_str("time:"),
        }
    }
}

fn show_inet(inet: &Inet, f: &mut Formatter<'_>) -> fmt::Result {
    let family = match (&inet.host, inet.family) {
        (Host::Any | Host::Name(_), Some(IpFamily::V4)) => "4",
        (Host::Any | Host::Name(_), Some(IpFamily::V6)) => "6",
        _ => "",
    };
    // A host may be called `fd`, and `fd:3` would be something else.
    let claimed = matches!(&inet.host, Host::Name(name) if reserved(name));
    match inet.transport {
        Transport::Udp => write!(f, "udp{family}://")?,
        Transport::Tcp if claimed || !family.is_empty() => write!(f, "tcp{family}://")?,
        Transport::Tcp => {}
    }
    match &inet.host {
        Host::Any => {}
        Host::V4(addr) => write!(f, "{addr}")?,
        Host::V6 { addr, scope: None } => write!(f, "[{addr}]")?,
        Host::V6 { addr, scope: Some(scope) } => write!(f, "[{addr}%{scope}]")?,
        Host::Name(name) => f.write_str(name)?,
    }
    match &inet.port {
        Port::Number(number) => write!(f, ":{number}"),
        Port::Service(name) => write!(f, ":{name}"),
    }
}

fn show_unix(unix: &Unix, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str(match unix.kind {
        UnixKind::Stream => "unix:",
        UnixKind::Dgram => "unix-dgram:",
        UnixKind::Seqpacket => "unix-seqpacket:",
    })?;
    match &unix.name {
        UnixName::Path(path) => {
            let mut bytes = path.as_os_str().as_bytes();
            // Neither beginning could be read back; both new ones name the same file.
            if bytes.starts_with(b"@") {
                f.write_str("./")?;
            }
            while bytes.starts_with(b"//") {
                bytes = &bytes[1..];
            }
            escape(bytes, f)
        }
        UnixName::Abstract(name) => {
            f.write_char('@')?;
            escape(name, f)
        }
        UnixName::Unnamed => Ok(()),
    }
}

/// Writes bytes as printable text on one line, which `unix::unescape` undoes.
fn escape(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                c if invisible(c) => hex(c.encode_utf8(&mut [0; 4]).as_bytes(), f)?,
                c => f.write_char(c)?,
            }
        }
        hex(chunk.invalid(), f)?;
    }
    Ok(())
}

fn hex(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
}
