//! What is said in the clear before TLS begins, in the protocols that begin so.
//!
//! Every answer is read to its end and not a byte further: what somebody on the way puts behind it is not taken for
//! what the server says under TLS (CVE-2011-0411), but for the broken TLS that it is.

use rustix::event::PollFlags;

use crate::addr::Endpoint;
use crate::error::{Error, Phase, Result};
use crate::net::conn::{Conn, Incoming};
use crate::net::resolve::Budget;
use crate::sys::Stop;
use crate::tls::Fault;

/// The longest line of an answer, in bytes, and the most lines: more is none.
const LINE: usize = 4096;
const LINES: usize = 200;
/// The longest answer that has no lines, in bytes.
const ANSWER: usize = 64 << 10;

/// A protocol that begins in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starttls {
    /// RFC 3207.
    Smtp,
    /// RFC 2033 with RFC 3207.
    Lmtp,
    /// RFC 9051, section 6.2.1.
    Imap,
    /// RFC 2595, section 4.
    Pop3,
    /// RFC 4217.
    Ftp,
    /// RFC 4642.
    Nntp,
    /// ManageSieve: RFC 5804, section 2.2.
    Sieve,
    /// RFC 6120, section 5.
    Xmpp,
    /// RFC 4511, section 4.14.
    Ldap,
    /// PostgreSQL: SSLRequest of its protocol.
    Postgres,
    /// MySQL and MariaDB: Protocol::SSLRequest.
    Mysql,
}

/// Why it came to nothing.
enum Stopped {
    /// The program is to stop.
    Asked,
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

type Said<T> = std::result::Result<T, Stopped>;

struct Talk<'a> {
    conn: &'a mut Conn,
    endpoint: &'a Endpoint,
    budget: Budget,
    stop: &'a Stop,
}

impl Starttls {
    /// The names that a person types, and what they stand for.
    pub const NAMES: [(&'static str, Self); 11] = [
        ("smtp", Self::Smtp),
        ("lmtp", Self::Lmtp),
        ("imap", Self::Imap),
        ("pop3", Self::Pop3),
        ("ftp", Self::Ftp),
        ("nntp", Self::Nntp),
        ("sieve", Self::Sieve),
        ("xmpp", Self::Xmpp),
        ("ldap", Self::Ldap),
        ("postgres", Self::Postgres),
        ("mysql", Self::Mysql),
    ];

    /// The protocol of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, protocol)| *protocol)
    }

    /// Talks the server into TLS. `false` when the program is to stop first.
    ///
    /// # Errors
    /// Exit 12 when it does not want, or says something else; those of the connection.
    pub(super) fn ask(
        self,
        conn: &mut Conn,
        endpoint: &Endpoint,
        name: &str,
        budget: Budget,
        stop: &Stop,
    ) -> Result<bool> {
        let mut talk = Talk { conn, endpoint, budget, stop };
        let done = match self {
            Self::Smtp => talk.smtp("EHLO sockkit.invalid\r\n"),
            Self::Lmtp => talk.smtp("LHLO sockkit.invalid\r\n"),
            Self::Imap => talk.imap(),
            Self::Pop3 => talk.one_line("+OK", "STLS\r\n", "+OK"),
            Self::Ftp => talk.ftp(),
            Self::Nntp => talk.one_line("20", "STARTTLS\r\n", "382"),
            Self::Sieve => talk.sieve(),
            Self::Xmpp => talk.xmpp(name),
            Self::Ldap => talk.ldap(),
            Self::Postgres => talk.postgres(),
            Self::Mysql => talk.mysql(),
        };
        match done {
            Ok(()) => Ok(true),
            Err(Stopped::Asked) => Ok(false),
            Err(Stopped::Failed(error)) => Err(error),
        }
    }
}

impl Talk<'_> {
    fn wait(&self) -> Said<()> {
        match self.budget.wait(self.conn, PollFlags::IN, self.stop, Phase::Securing, Some(self.endpoint))? {
            true => Ok(()),
            false => Err(Stopped::Asked),
        }
    }

    fn say(&mut self, bytes: &[u8]) -> Said<()> {
        match self.budget.send(self.conn, bytes, self.stop, Phase::Securing, Some(self.endpoint))? {
            true => Ok(()),
            false => Err(Stopped::Asked),
        }
    }

    /// The next bytes, exactly so many.
    fn take(&mut self, count: usize) -> Said<Vec<u8>> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let mut buffer = vec![0; count - all.len()];
            match self.conn.recv(&mut buffer) {
                Ok(Incoming::Bytes(bytes)) => all.extend_from_slice(&buffer[..bytes]),
                Ok(Incoming::Eof) => {
                    let fault = Fault::Gone { reset: false, heard: true };
                    return Err(Error::os(Phase::Securing, Some(self.endpoint), fault.into()).into());
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => self.wait()?,
                Err(source) => return Err(Error::os(Phase::Securing, Some(self.endpoint), source).into()),
            }
        }
        Ok(all)
    }

    /// A line, without its end. Byte by byte: what stands behind it is not ours yet.
    fn line(&mut self) -> Said<String> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if line.len() >= LINE {
                return Err(self.refused(&line));
            }
            line.extend(self.take(1)?);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// The server does not want TLS, or what it says is nothing that the protocol knows.
    fn refused(&self, said: &[u8]) -> Stopped {
        let said = String::from_utf8_lossy(&said[..said.len().min(200)]).trim_end().to_owned();
        let fault = Fault::NoStartTls { said };
        Error::os(Phase::Securing, Some(self.endpoint), fault.into()).into()
    }

    fn expect(&self, line: &str, start: &str) -> Said<()> {
        if line.starts_with(start) { Ok(()) } else { Err(self.refused(line.as_bytes())) }
    }

    /// An answer as of RFC 5321, section 4.2.1: `250-…` is followed by more.
    fn reply(&mut self, code: &str) -> Said<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            // In FTP, lines between may be anything.
            let last = line.starts_with(code) && line.as_bytes().get(3) != Some(&b'-');
            let other =
                line.len() >= 4 && line.as_bytes()[3] == b' ' && line.bytes().take(3).all(|b| b.is_ascii_digit());
            if other && !last {
                return Err(self.refused(line.as_bytes()));
            }
            lines.push(line);
            if last {
                return Ok(lines);
            }
            if lines.len() > LINES {
                return Err(self.refused(lines[0].as_bytes()));
            }
        }
    }

    fn smtp(&mut self, hello: &str) -> Said<()> {
        self.reply("220")?;
        self.say(hello.as_bytes())?;
        let offers = self.reply("250")?;
        if !offers.iter().any(|line| line.get(4..).is_some_and(|word| word.eq_ignore_ascii_case("STARTTLS"))) {
            return Err(self.refused(b"no STARTTLS among what it offers"));
        }
        self.say(b"STARTTLS\r\n")?;
        self.reply("220").map(drop)
    }

    fn ftp(&mut self) -> Said<()> {
        self.reply("220")?;
        self.say(b"AUTH TLS\r\n")?;
        self.reply("234").map(drop)
    }

    fn one_line(&mut self, greeting: &str, command: &str, answer: &str) -> Said<()> {
        let line = self.line()?;
        self.expect(&line, greeting)?;
        self.say(command.as_bytes())?;
        let line = self.line()?;
        self.expect(&line, answer)
    }

    fn imap(&mut self) -> Said<()> {
        let line = self.line()?;
        self.expect(&line, "* ")?;
        self.say(b"s1 STARTTLS\r\n")?;
        for _ in 0..LINES {
            let line = self.line()?;
            if !line.starts_with("* ") {
                return self.expect(&line, "s1 OK");
            }
        }
        Err(self.refused(b"lines without end"))
    }

    fn sieve(&mut self) -> Said<()> {
        let mut offered = false;
        for _ in 0..LINES {
            let line = self.line()?;
            if !line.starts_with('"') {
                self.expect(&line, "OK")?;
                if !offered {
                    return Err(self.refused(b"no STARTTLS among what it offers"));
                }
                self.say(b"STARTTLS\r\n")?;
                let line = self.line()?;
                return self.expect(&line, "OK");
            }
            offered |= line.starts_with("\"STARTTLS\"");
        }
        Err(self.refused(b"lines without end"))
    }

    /// Text up to the end of the first of these.
    fn until(&mut self, ends: &[&str]) -> Said<String> {
        let mut text = Vec::new();
        while text.len() < ANSWER {
            text.extend(self.take(1)?);
            if text.last() == Some(&b'>') && ends.iter().any(|end| text.ends_with(end.as_bytes())) {
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
        }
        Err(self.refused(&text))
    }

    fn xmpp(&mut self, name: &str) -> Said<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        let to: String = name.chars().filter(|c| plain(*c)).collect();
        self.say(
            format!(
                "<?xml version='1.0'?><stream:stream to='{to}' version='1.0' xmlns='jabber:client' \
                 xmlns:stream='http://etherx.jabber.org/streams'>"
            )
            .as_bytes(),
        )?;
        let features =
            self.until(&["</stream:features>", "<stream:features/>", "</stream:error>", "</stream:stream>"])?;
        if !features.contains("<starttls") {
            return Err(self.refused(b"no starttls among what it offers"));
        }
        self.say(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")?;
        let answer = self.until(&[">"])?;
        self.expect(answer.trim_start(), "<proceed")?;
        if answer.ends_with("/>") { Ok(()) } else { self.until(&["</proceed>"]).map(drop) }
    }

    fn ldap(&mut self) -> Said<()> {
        // LDAPMessage 1, an ExtendedRequest for 1.3.6.1.4.1.1466.20037.
        let mut request = vec![0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16];
        request.extend_from_slice(b"1.3.6.1.4.1.1466.20037");
        self.say(&request)?;
        let head = self.take(2)?;
        let long = match (head[0], head[1]) {
            (0x30, short @ 0..=0x7f) => usize::from(short),
            (0x30, 0x81..=0x83) => {
                let size = self.take(usize::from(head[1] & 0x7f))?;
                size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte))
            }
            _ => return Err(self.refused(&head)),
        };
        if long > ANSWER {
            return Err(self.refused(&head));
        }
        let message = self.take(long)?;
        // The message's number, the head of an ExtendedResponse, and the code of its result: ENUMERATED 0.
        let after = message.iter().position(|byte| *byte == 0x78).unwrap_or(message.len());
        match message[after..].windows(3).find(|three| three[..2] == [0x0a, 0x01]) {
            Some([_, _, 0]) => Ok(()),
            Some([_, _, code]) => Err(self.refused(format!("LDAP result {code}").as_bytes())),
            _ => Err(self.refused(b"no answer that LDAP knows")),
        }
    }

    fn postgres(&mut self) -> Said<()> {
        // The length, and the number 80877103.
        self.say(&[0, 0, 0, 8, 4, 210, 22, 47])?;
        match self.take(1)?[0] {
            b'S' => Ok(()),
            b'N' => Err(self.refused(b"N: it is set up without SSL")),
            other => Err(self.refused(&[other])),
        }
    }

    fn mysql(&mut self) -> Said<()> {
        const PROTOCOL_41: u32 = 0x200;
        const SSL: u32 = 0x800;
        const SECURE_CONNECTION: u32 = 0x8000;
        let head = self.take(4)?;
        let long = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
        if long > ANSWER {
            return Err(self.refused(&head));
        }
        let greeting = self.take(long)?;
        // Protocol::HandshakeV10: the version's text, a number, eight bytes and a zero, then what it can do.
        let version = greeting.iter().position(|byte| *byte == 0).unwrap_or(greeting.len());
        let can = greeting.get(version + 14..version + 16);
        if greeting.first() != Some(&10) {
            return Err(self.refused(greeting.get(3..).unwrap_or(&greeting)));
        }
        if can.is_none_or(|two| u32::from(u16::from_le_bytes([two[0], two[1]])) & SSL == 0) {
            return Err(self.refused(b"it is set up without SSL"));
        }
        let mut request = vec![32, 0, 0, 1];
        request.extend_from_slice(&(PROTOCOL_41 | SSL | SECURE_CONNECTION).to_le_bytes());
        request.extend_from_slice(&(1u32 << 24).to_le_bytes());
        request.push(45);
        request.extend_from_slice(&[0; 23]);
        self.say(&request)
    }
}
