//! An address of socat, taken apart: `TYPE:param:param,option,option=value`.

/// What a type of address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Stdio,
    Program {
        shell: bool,
    },
    File,
    Pipe,
    Fd,
    Socket {
        listen: bool,
        stream: bool,
    },
    /// There is no word for it; why.
    None(&'static str),
}

/// An address.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// In capitals.
    pub(super) kind: String,
    pub(super) role: Role,
    pub(super) params: Vec<String>,
    pub(super) options: Vec<(String, Option<String>)>,
}

impl Address {
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(own, value)| own == name && !matches!(value.as_deref(), Some("0")))
    }

    /// Whether what passes is secured by TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.kind.starts_with("OPENSSL") || self.kind.starts_with("SSL")
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(own, _)| own == name)?.1.as_deref()
    }
}

/// Takes an address apart; none for a type that is not known.
pub(super) fn read(text: &str) -> Option<Address> {
    if text.contains("!!") {
        let role = Role::None("two addresses for the two directions");
        return Some(Address { kind: text.to_owned(), role, params: Vec::new(), options: Vec::new() });
    }
    let mut parts = split(text, ',').into_iter();
    let head = parts.next().unwrap_or_default();
    let options: Vec<_> = parts
        .filter(|option| !option.is_empty())
        .map(|option| match option.split_once('=') {
            Some((name, value)) => (name.to_ascii_lowercase(), Some(plain(value))),
            None => (option.to_ascii_lowercase(), None),
        })
        .collect();
    let mut params = split(&head, ':').into_iter();
    let kind = params.next().unwrap_or_default();
    let mut params: Vec<String> = params.map(|param| plain(&param)).collect();
    let file = |path: String| Address {
        kind: "GOPEN".to_owned(),
        role: Role::File,
        params: vec![path],
        options: options.clone(),
    };
    if kind.contains('/') {
        return Some(file(plain(&head)));
    }
    let mut kind = kind.to_ascii_uppercase();
    if kind == "-" {
        "STDIO".clone_into(&mut kind);
    }
    if !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_digit()) {
        params = vec![kind.clone()];
        "FD".clone_into(&mut kind);
    }
    let role = role(&kind)?;
    if matches!(role, Role::File) {
        params = vec![params.join(":")];
    }
    Some(Address { kind, role, params, options })
}

fn role(kind: &str) -> Option<Role> {
    let socket = |listen, stream| Role::Socket { listen, stream };
    let family = ["TCP4", "TCP6", "TCP", "UDP4", "UDP6", "UDP", "UNIX", "LOCAL", "ABSTRACT", "VSOCK"];
    if let Some(front) = family.iter().find(|front| kind.starts_with(**front)) {
        let udp = front.starts_with("UDP");
        return Some(match &kind[front.len()..] {
            "" if *front != "VSOCK" => socket(false, !udp),
            "-CONNECT" | "-CLIENT" => socket(false, !udp),
            "-LISTEN" | "-L" => socket(true, !udp),
            "-SENDTO" | "-DATAGRAM" => socket(false, false),
            "-RECVFROM" | "-RECV" => socket(true, false),
            _ => return None,
        });
    }
    let proxy = Role::None("not of this form; connect --proxy socks4a://, socks5:// and http:// go through one");
    Some(match kind {
        "STDIO" | "STDIN" | "STDOUT" | "STDERR" | "READLINE" => Role::Stdio,
        "EXEC" => Role::Program { shell: false },
        "SYSTEM" | "SHELL" => Role::Program { shell: true },
        "OPEN" | "FILE" | "GOPEN" | "CREATE" | "CREAT" => Role::File,
        "PIPE" | "FIFO" | "ECHO" => Role::Pipe,
        "FD" => Role::Fd,
        "OPENSSL" | "SSL" | "OPENSSL-CONNECT" | "SSL-CONNECT" => socket(false, true),
        "OPENSSL-LISTEN" | "SSL-LISTEN" | "OPENSSL-L" | "SSL-L" => socket(true, true),
        "OPENSSL-DTLS-CLIENT"
        | "OPENSSL-DTLS-SERVER"
        | "OPENSSL-DTLS-CONNECT"
        | "OPENSSL-DTLS-LISTEN"
        | "DTLS"
        | "DTLS-L"
        | "DTLS-CONNECT"
        | "DTLS-LISTEN" => Role::None("no DTLS"),
        "PROXY" | "PROXY-CONNECT" | "SOCKS" | "SOCKS4" | "SOCKS4A" | "SOCKS5" | "SOCKS5-CONNECT" | "SOCKS5-LISTEN" => {
            proxy
        }
        "PTY" | "OPENPTY" => Role::None("no terminals of its own; script(1) has them"),
        "TUN" | "INTERFACE" | "IF" => Role::None("no devices of the network"),
        "SCTP" | "SCTP4" | "SCTP6" | "SCTP-CONNECT" | "SCTP-LISTEN" | "SCTP-L" | "SCTP4-LISTEN" | "SCTP6-LISTEN" => {
            Role::None("no SCTP")
        }
        "DCCP" | "DCCP-CONNECT" | "DCCP-LISTEN" | "UDPLITE" | "UDPLITE-LISTEN" => Role::None("no such transport"),
        "IP" | "IP4" | "IP6" | "IP-SENDTO" | "IP-RECV" | "IP-RECVFROM" | "IP-DATAGRAM" | "IP4-SENDTO"
        | "IP6-SENDTO" => Role::None("no raw sockets"),
        "SOCKETPAIR" | "SOCKET-CONNECT" | "SOCKET-LISTEN" | "SOCKET-DATAGRAM" | "SOCKET-RECV" | "SOCKET-RECVFROM"
        | "SOCKET-SENDTO" | "POSIXMQ-SEND" | "POSIXMQ-RECEIVE" | "ACCEPT-FD" | "ACCEPT" => {
            Role::None("no such address")
        }
        _ => return None,
    })
}

/// Splits where no quote, bracket or backslash holds the parts together, socat(1), "address specifications".
fn split(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut closing: Vec<char> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        if c == '\\' {
            parts[last].push(c);
            parts[last].extend(chars.next());
            continue;
        }
        if closing.is_empty() && c == at {
            parts.push(String::new());
            continue;
        }
        parts[last].push(c);
        let quoted = matches!(closing.last(), Some('\'' | '"'));
        match c {
            _ if closing.last() == Some(&c) => drop(closing.pop()),
            '"' | '\'' if !quoted => closing.push(c),
            '(' if !quoted => closing.push(')'),
            '[' if !quoted => closing.push(']'),
            '{' if !quoted => closing.push('}'),
            _ => {}
        }
    }
    parts
}

/// Without the quotes around it, and the backslashes in front of what has a meaning to socat.
fn plain(text: &str) -> String {
    let inner = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(text);
    let mut out = String::new();
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(':' | ',' | '!' | '\\' | '\'' | '"')) => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}
