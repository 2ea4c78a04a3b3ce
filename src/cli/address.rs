//! Addresses as arguments: what each subcommand takes, and the flags that fill in what they leave open.

use std::ffi::OsString;

use clap::Args;

use super::value;
use crate::addr::{DEFAULT_PORT, Endpoint, IpFamily, Reading};
use crate::error::{Error, Result};

/// The addresses of servers: none is the default port on loopback.
#[derive(Debug, Clone, Args)]
pub struct ServerAddress {
    /// What to bind: HOST:PORT, PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N, systemd:[NAME]; udp://... for UDP [default: loopback on port 2023]
    #[allow(rustdoc::broken_intra_doc_links, reason = "the brackets of a synopsis")]
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl ServerAddress {
    /// The address to bind.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoint(&self) -> Result<Endpoint> {
        or_loopback(&self.addr, self.reading.reading())
    }
}

/// The address of a client of a server of our own kind: none is where that binds without one.
#[derive(Debug, Clone, Args)]
pub struct PeerAddress {
    /// Where to connect: HOST:PORT, HOST PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N [default: loopback on port 2023]
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl PeerAddress {
    /// The address to connect to.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoint(&self) -> Result<Endpoint> {
        or_loopback(&self.addr, self.reading.reading())
    }
}

/// The address of a client.
#[derive(Debug, Clone, Args)]
pub struct ClientAddress {
    /// Where to connect: HOST:PORT, HOST PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N; udp://... for UDP; echo: or time: for a built-in peer
    #[arg(value_name = "ADDR", num_args = 1..=2, required = true)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl ClientAddress {
    /// The address to connect to.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoint(&self) -> Result<Endpoint> {
        Ok(Endpoint::parse(&self.addr, &self.reading.reading())?)
    }

    /// Reads a local address in the same way, but for its port, which is the kernel's choice if not given.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn source(&self, text: &OsString) -> Result<Endpoint> {
        let endpoint = Endpoint::parse(std::slice::from_ref(text), &Reading { port: 0, ..self.reading.reading() })?;
        if !matches!(endpoint, Endpoint::Inet(_)) {
            return Err(Error::usage(format!("--source takes HOST[:PORT], not {endpoint}")));
        }
        Ok(endpoint)
    }
}

/// The addresses of a client that looks at several.
#[derive(Debug, Clone, Args)]
pub struct ClientAddresses {
    /// Where to connect: HOST:PORT, HOST PORT (where these two are all), unix:PATH, @NAME, vsock:CID:PORT; udp://... for UDP
    #[arg(value_name = "ADDR", num_args = 1.., required = true)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl ClientAddresses {
    /// The addresses. Of two words the second may be the port of the first, as with nc.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let reading = self.reading.reading();
        let digits = |word: &OsString| word.to_str().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        let bare = |word: &OsString| word.to_str().is_some_and(|word| !word.contains([':', '@', '/']));
        if let [host, port] = &self.addr[..]
            && digits(port)
            && bare(host)
            && !digits(host)
        {
            return Ok(vec![Endpoint::parse(&self.addr, &reading)?]);
        }
        self.addr.iter().map(|word| Ok(Endpoint::parse(std::slice::from_ref(word), &reading)?)).collect()
    }
}

/// The two addresses of a relay.
#[derive(Debug, Clone, Args)]
pub struct RelayAddresses {
    /// What to bind: HOST:PORT, PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N, systemd:[NAME]; udp://... for UDP
    #[allow(rustdoc::broken_intra_doc_links, reason = "the brackets of a synopsis")]
    listen: OsString,
    /// Where to connect for each who comes: HOST:PORT, unix:PATH, @NAME, vsock:CID:PORT, fd:N; udp://... for UDP; echo: or time: for a built-in peer
    connect: OsString,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl RelayAddresses {
    /// The address to bind.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn listen(&self) -> Result<Endpoint> {
        Ok(Endpoint::parse(std::slice::from_ref(&self.listen), &self.reading.reading())?)
    }

    fn client(&self) -> ClientAddress {
        ClientAddress { addr: vec![self.connect.clone()], reading: self.reading.clone() }
    }

    /// The address to connect to.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn connect(&self) -> Result<Endpoint> {
        self.client().endpoint()
    }

    /// As [`ClientAddress::source`].
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn source(&self, text: &OsString) -> Result<Endpoint> {
        self.client().source(text)
    }
}

/// An address that may be left out.
#[derive(Debug, Clone, Args)]
pub struct PathAddress {
    /// Walk the path to this address, layer by layer: HOST:PORT, HOST PORT, unix:PATH, vsock:CID:PORT; udp://... for UDP
    #[arg(value_name = "ADDR", num_args = 0..=2)]
    addr: Vec<OsString>,
    #[command(flatten)]
    reading: ReadingArgs,
}

impl PathAddress {
    /// The address, if there is one.
    ///
    /// # Errors
    /// Exit 2, with the place in the address.
    pub fn endpoint(&self) -> Result<Option<Endpoint>> {
        if self.addr.is_empty() {
            return Ok(None);
        }
        Ok(Some(Endpoint::parse(&self.addr, &self.reading.reading())?))
    }
}

/// What an address may leave open.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Address")]
struct ReadingArgs {
    /// The port of an address without one
    #[arg(short, long, value_name = "PORT", default_value_t = DEFAULT_PORT, value_parser = value::port, allow_negative_numbers = true)]
    port: u16,
    /// IPv4 only
    #[arg(short = '4', conflicts_with = "v6")]
    v4: bool,
    /// IPv6 only
    #[arg(short = '6')]
    v6: bool,
    /// UDP instead of TCP
    #[arg(short, long)]
    udp: bool,
}

impl ReadingArgs {
    fn reading(&self) -> Reading {
        let family = match (self.v4, self.v6) {
            (true, _) => Some(IpFamily::V4),
            (_, true) => Some(IpFamily::V6),
            _ => None,
        };
        Reading { port: self.port, family, udp: self.udp }
    }
}

/// An address, or loopback.
fn or_loopback(addr: &[OsString], reading: Reading) -> Result<Endpoint> {
    if addr.is_empty() {
        let loopback = if reading.family == Some(IpFamily::V6) { "::1" } else { "127.0.0.1" };
        return Ok(Endpoint::parse(&[loopback.into()], &reading)?);
    }
    Ok(Endpoint::parse(addr, &reading)?)
}
