//! Where faults are made: hosts with a router between them, name servers that answer as they are told, and the
//! check of what is said.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::{Cmd, Ctx, Exit, Netns, poll_until};

/// The causes of a group of failures, which must all differ in more than numbers.
#[derive(Default)]
pub(super) struct Causes {
    known: Vec<(String, String)>,
    wrap: Vec<String>,
}

impl Causes {
    /// Those of a namespace: what is there to try is tried there, as far as it only looks.
    pub(super) fn of(ns: &Netns) -> Self {
        Self { known: Vec::new(), wrap: ns.wrap().to_vec() }
    }

    /// The exit code, and words of the cause and of what to try; case matters.
    #[track_caller]
    pub(super) fn check(&mut self, exit: &Exit, code: i32, cause: &[&str], tries: &[&str]) {
        exit.code(code).says_not(&["os error", "panicked"]);
        let said = cause_of(exit);
        let advice = tries_of(exit);
        for word in cause {
            assert!(said.contains(word), "no {word:?} in the cause of {}", exit.stderr);
        }
        assert!(!advice.is_empty(), "nothing to try in {}", exit.stderr);
        for word in tries {
            assert!(advice.iter().any(|line| line.contains(word)), "no {word:?} to try in {}", exit.stderr);
        }
        let bare = bare(&said);
        if let Some((_, other)) = self.known.iter().find(|(known, _)| *known == bare) {
            panic!("the same cause for\n{other}\nand\n{}", exit.stderr);
        }
        self.known.push((bare, exit.stderr.clone()));
        for line in &advice {
            self.works(line);
        }
    }

    /// Runs what only looks: it must be a command that there is, with arguments that it takes.
    #[track_caller]
    fn works(&self, line: &str) {
        let program = line.split(' ').next().unwrap_or_default();
        let looks = ["ip", "ss", "cat", "ls", "grep", "getent", "namei", "nstat", "ps", "nft", "df"].contains(&program);
        if !looks || line.contains(" set ") || line.contains("# on ") {
            return;
        }
        let mut argv: Vec<&str> = self.wrap.iter().map(String::as_str).collect();
        argv.extend(["sh", "-c", line]);
        let out = Command::new(argv[0]).args(&argv[1..]).output().unwrap();
        // getent(1) and grep(1) say so when there is nothing; ip(8) when there is no route, ps(1) when it is gone.
        let nothing = match program {
            "getent" | "ip" => 2,
            "grep" | "ps" => 1,
            _ => 0,
        };
        let code = out.status.code();
        assert!(code == Some(0) || code == Some(nothing), "{line}: {code:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}

pub(super) fn cause_of(exit: &Exit) -> String {
    exit.stderr.lines().find_map(|line| line.strip_prefix("cause: ")).unwrap_or_default().to_owned()
}

pub(super) fn tries_of(exit: &Exit) -> Vec<String> {
    let advice = |line: &str| line.strip_prefix("try: ").or(line.strip_prefix(" or: ")).map(str::to_owned);
    exit.stderr.lines().filter_map(advice).collect()
}

/// Without addresses and numbers: what is left must tell causes apart.
pub(super) fn bare(said: &str) -> String {
    let word = |word: &str| {
        let address = word.trim_matches(|c: char| ":;,()[]".contains(c)).trim_end_matches(|c: char| c.is_ascii_digit());
        let address = address.trim_end_matches(['.', ':', ']']);
        if address.parse::<IpAddr>().is_ok() { String::new() } else { word.to_owned() }
    };
    let words: Vec<String> = said.split(' ').map(word).collect();
    words.join(" ").chars().filter(|c| !c.is_ascii_digit() && !".:[]".contains(*c)).collect()
}

/// `sockkit connect -w 2s ADDR` in the namespace.
pub(super) fn connect(t: &Ctx, ns: &Netns, args: &[&str]) -> Cmd {
    t.connect(&["-w", "2s"]).args(args).under(&ns.wrap())
}

/// Us at 10.1.0.1, a router at 10.1.0.254 and 10.2.0.254, another host at 10.2.0.1; the same with fd00:1:: and
/// fd00:2::. The other host's and the router's rules go by TCP and UDP port.
pub(super) struct Road {
    pub(super) us: Netns,
    pub(super) router: Netns,
    pub(super) them: Netns,
}

impl Road {
    pub(super) fn new() -> Self {
        let (us, router, them) = (Netns::new(), Netns::new(), Netns::new());
        us.cable("near", &["10.1.0.1/24", "fd00:1::1/64"], &router, "west", &["10.1.0.254/24", "fd00:1::fe/64"]);
        them.cable("near", &["10.2.0.1/24", "fd00:2::1/64"], &router, "east", &["10.2.0.254/24", "fd00:2::fe/64"]);
        router.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        // ICMP errors are limited to one a second and peer; here many come at once.
        for ns in [&us, &router, &them] {
            ns.run("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
        }
        // How long nobody answers for an address before it counts as nobody there.
        let hasty = "net.ipv4.neigh.DEV.mcast_solicit=1 net.ipv4.neigh.DEV.retrans_time_ms=100";
        us.run(&format!("sysctl -qw {}", hasty.replace("DEV", "near")));
        router.run(&format!("sysctl -qw {}", hasty.replace("DEV", "east")));
        for (ns, hop) in [(&us, "1"), (&them, "2")] {
            ns.run(&format!("ip route add default via 10.{hop}.0.254; ip -6 route add default via fd00:{hop}::fe"));
        }
        Self { us, router, them }
    }

    /// `rules` for the other host's input, and for what the router forwards.
    pub(super) fn rules(&self, theirs: &[&str], forwarded: &[&str]) {
        rules(&self.them, "input", theirs);
        rules(&self.router, "forward", forwarded);
    }
}

/// Rules of nft(8) for packets at this hook.
pub(super) fn rules(ns: &Netns, hook: &str, rules: &[&str]) {
    let chain = format!("'add chain inet t {hook} {{ type filter hook {hook} priority 0; }}'");
    let lines: String = rules.iter().map(|rule| format!("; nft 'add rule inet t {hook} {rule}'")).collect();
    ns.run(&format!("nft add table inet t; nft {chain}{lines}"));
}

/// How a name server of ours answers.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// With this RCODE (RFC 1035, section 4.1.1), and no records.
    Code(u8),
    /// With an alias, and this RCODE.
    Alias(u8),
    /// With these addresses.
    Addresses(Option<[u8; 4]>, Option<[u8; 16]>),
    /// NXDOMAIN but for names that end so.
    OnlyUnder(&'static str),
    /// Cut short (TC), and by TCP not at all.
    Truncated,
    /// With something else.
    Garbage,
    /// Not at all.
    Silence,
}

/// A name server in a namespace; it ends with the value.
pub(super) struct NameServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    pub(super) fn start(ns: &Netns, answer: Answer) -> Self {
        Self::start_at(ns, "127.0.0.1:53", answer)
    }

    pub(super) fn start_at(ns: &Netns, address: &str, answer: Answer) -> Self {
        // The one before is closed, but a process that another test just starts may have it until it execs.
        let socket = poll_until("port 53", || ns.within(|| UdpSocket::bind(address).ok()));
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut query = [0; 512];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut query) else { continue };
                if let Some(packet) = reply(&query[..length], answer) {
                    let _ = socket.send_to(&packet, from);
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// The question again, with QR, RD and RA, and the records.
fn reply(query: &[u8], answer: Answer) -> Option<Vec<u8>> {
    let name = query.get(12..)?.iter().position(|byte| *byte == 0)?;
    let mut packet = query.get(..12 + name + 5)?.to_vec();
    let kind = u16::from_be_bytes([packet[packet.len() - 4], packet[packet.len() - 3]]);
    packet[2..4].copy_from_slice(&[0x81, 0x80]);
    packet[6..12].fill(0);
    // The name by a pointer to the question, the type, IN, a minute, the data.
    let record = |packet: &mut Vec<u8>, kind: u16, data: &[u8]| {
        packet[7] += 1;
        packet.extend([0xc0, 12]);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
        packet.extend(data);
    };
    match answer {
        Answer::Silence => return None,
        Answer::Garbage => return Some(b"no idea what you want".to_vec()),
        Answer::Code(code) => packet[3] |= code,
        Answer::Truncated => packet[2] |= 2,
        Answer::Alias(code) => {
            packet[3] |= code;
            record(&mut packet, CNAME, b"\x04gone\x07invalid\x00");
        }
        Answer::Addresses(v4, v6) => match (kind, v4, v6) {
            (A, Some(v4), _) => record(&mut packet, A, &v4),
            (AAAA, _, Some(v6)) => record(&mut packet, AAAA, &v6),
            _ => {}
        },
        Answer::OnlyUnder(domain) => {
            let labels: Vec<u8> = query[12..12 + name].to_vec();
            let text: String = labels.iter().map(|b| if *b < 32 { '.' } else { char::from(*b) }).collect();
            if !text.ends_with(domain) {
                packet[3] |= 3;
            } else if kind == A {
                record(&mut packet, A, &[127, 0, 0, 1]);
            }
        }
    }
    Some(packet)
}

/// Clients that hold as many connections to a listener in the namespace.
pub(super) fn connections(ns: &Netns, to: &str, count: usize) -> Vec<TcpStream> {
    ns.within(|| (0..count).map(|_| TcpStream::connect(to).unwrap()).collect())
}

/// A listener with this backlog, and clients that it does not accept until no more fit.
pub(crate) fn full(ns: &Netns, at: &str, backlog: i32) -> (Vec<TcpStream>, Socket) {
    let at: SocketAddr = at.parse().unwrap();
    ns.within(|| {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&at.into()).unwrap();
        listener.listen(backlog).unwrap();
        let clients = (0..=backlog).map(|_| TcpStream::connect(at).unwrap()).collect();
        (clients, listener)
    })
}

/// A listener in the namespace that answers everybody who comes with these bytes, and ends.
pub(super) fn greeter(ns: &Netns, at: &str, greeting: &'static [u8]) -> JoinHandle<()> {
    let listener = ns.within(|| TcpListener::bind(at).unwrap());
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(greeting).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = client.read_to_end(&mut Vec::new());
    })
}
