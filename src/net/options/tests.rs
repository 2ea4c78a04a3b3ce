use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use socket2::SockAddr;

use super::*;

const FAMILIES: [Family; 4] = [Family::V4, Family::V6, Family::Unix, Family::Vsock];
const KINDS: [Kind; 3] = [Kind::Stream, Kind::Dgram, Kind::Seqpacket];
const ROLES: [Role; 3] = [Role::Client, Role::Listener, Role::Accepted];
const TCP4: Shape = Shape { family: Family::V4, kind: Kind::Stream };
const TCP6: Shape = Shape { family: Family::V6, kind: Kind::Stream };
const UDP4: Shape = Shape { family: Family::V4, kind: Kind::Dgram };
const UDP6: Shape = Shape { family: Family::V6, kind: Kind::Dgram };
const UNIX: Shape = Shape { family: Family::Unix, kind: Kind::Stream };

fn shapes() -> impl Iterator<Item = Shape> {
    FAMILIES.into_iter().flat_map(|family| KINDS.into_iter().map(move |kind| Shape { family, kind }))
}

fn options(chosen: &[(&str, &str)]) -> Options {
    let mut options = Options::new();
    for (name, text) in chosen {
        options.parse(name, Some(text)).unwrap();
    }
    options
}

/// Skipping is said, never silent: a host without the thing still shows that it was meant to be tested.
fn skip(what: &str, why: &dyn std::fmt::Display) {
    drop(writeln!(io::stderr(), "skipped: {what}: {why}"));
}

/// An address that nobody else has.
fn address(shape: Shape, directory: &Path, name: &str) -> SockAddr {
    match shape.family {
        Family::V4 => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into(),
        // Not ::1: Linux makes a socket that is bound to an IPv6 address of its own deaf to IPv4, asked or not.
        Family::V6 => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into(),
        Family::Unix => SockAddr::unix(directory.join(name)).unwrap(),
        // VMADDR_CID_LOCAL and VMADDR_PORT_ANY of vsock(7).
        Family::Vsock => sys::vsock_address(1, u32::MAX).unwrap(),
    }
}

/// The stages that a socket goes through in its life, with what was reported on the way.
struct Life<'a> {
    options: &'a Options,
    shape: Shape,
    directory: &'a Path,
}

impl Life<'_> {
    fn open(&self, role: Role) -> Result<(Socket, Vec<Report>)> {
        let socket = self.options.open(self.shape)?;
        let mut reports = self.options.apply(&socket, self.shape, role, Stage::Create)?;
        reports.extend(self.options.apply(&socket, self.shape, role, Stage::BeforeBind)?);
        Ok((socket, reports))
    }

    fn listener(&self) -> Result<(Socket, Vec<Report>)> {
        let (socket, mut reports) = self.open(Role::Listener)?;
        let address = address(self.shape, self.directory, "listener");
        socket.bind(&address).map_err(|error| Error::os(Phase::Binding, None, error))?;
        reports.extend(self.options.apply(&socket, self.shape, Role::Listener, Stage::BeforeConnect)?);
        reports.extend(self.options.apply(&socket, self.shape, Role::Listener, Stage::Listen)?);
        Ok((socket, reports))
    }

    fn client(&self, server: &Socket) -> Result<(Socket, Vec<Report>)> {
        let (socket, mut reports) = self.open(Role::Client)?;
        reports.extend(self.options.apply(&socket, self.shape, Role::Client, Stage::BeforeConnect)?);
        socket.connect(&server.local_addr().unwrap()).map_err(|error| Error::os(Phase::Connecting, None, error))?;
        reports.extend(self.options.apply(&socket, self.shape, Role::Client, Stage::After)?);
        // Fast open and deferred accept wait for data.
        if self.shape.kind != Kind::Dgram {
            socket.send(b"x").map_err(|error| Error::os(Phase::Sending, None, error))?;
        }
        Ok((socket, reports))
    }

    fn accepted(&self, listener: &Socket) -> Result<(Socket, Vec<Report>)> {
        let (socket, _) = listener.accept().map_err(|error| Error::os(Phase::Accepting, None, error))?;
        let reports = self.options.apply(&socket, self.shape, Role::Accepted, Stage::After)?;
        Ok((socket, reports))
    }
}

/// One socket of this shape and role, with the options set at their stages; what it needs to live stays with it.
fn live(shape: Shape, role: Role, options: &Options) -> Result<(Socket, Vec<Report>, Vec<Socket>)> {
    let directory = tempfile::tempdir().unwrap();
    let none = Options::new();
    let with = Life { options, shape, directory: directory.path() };
    let without = Life { options: &none, ..with };
    Ok(match role {
        Role::Listener => {
            let (listener, reports) = with.listener()?;
            (listener, reports, Vec::new())
        }
        Role::Client => {
            let (listener, _) = without.listener()?;
            let (client, reports) = with.client(&listener)?;
            (client, reports, vec![listener])
        }
        Role::Accepted => {
            let (listener, mut reports) = with.listener()?;
            // Multipath TCP takes two.
            let mptcp = options.value("mptcp").map(|_| ("mptcp", "yes"));
            let peer = self::options(mptcp.as_slice());
            let (client, _) = Life { options: &peer, ..with }.client(&listener)?;
            let (accepted, more) = with.accepted(&listener)?;
            reports.extend(more);
            (accepted, reports, vec![listener, client])
        }
    })
}

/// Whether this host has sockets of this shape at all, and if not, why.
fn exists(shape: Shape) -> Result<()> {
    live(shape, Role::Client, &Options::new()).map(drop)
}

/// Walks the table: every row on every shape and in every role it applies to, at its stage, on a real socket.
#[test]
fn every_option_is_set_and_read_back() {
    let mut checked = 0;
    for shape in shapes() {
        if let Err(error) = exists(shape) {
            skip(&shape.to_string(), &error);
            continue;
        }
        for opt in TABLE {
            let mut tried = 0;
            // A listener never comes to the stage after the connection; its accepted sockets do.
            let reached = |role: &Role| *role != Role::Listener || opt.stage != Stage::After;
            for role in ROLES.into_iter().filter(reached).filter(|role| opt.applies(shape, *role)) {
                for sample in opt.samples {
                    let value = opt.parse(Some(sample)).unwrap();
                    if (opt.fits)(&value, shape).is_ok() {
                        tried += 1;
                        checked += usize::from(set_and_read_back(opt, shape, role, sample, &value));
                    }
                }
            }
            let applies = ROLES.into_iter().any(|role| opt.applies(shape, role));
            assert!(tried > 0 || !applies, "--{} has no sample for {shape}", opt.name);
        }
    }
    assert!(checked > 200, "only {checked} were checked");
}

/// Whether this host could.
fn set_and_read_back(opt: &'static Opt, shape: Shape, role: Role, sample: &str, value: &Value) -> bool {
    let what = format!("--{} {sample} on {shape} as {role:?}", opt.name);
    // A fresh socket has it otherwise, or the reading back would prove nothing. Except: TCP leaves and enters
    // quickack mode as it likes, an algorithm or a backlog may be the host's default, and what has "no" among its
    // samples is tested both ways.
    let varies =
        matches!(opt.name, "quickack" | "congestion" | "backlog" | "opt" | "join") || opt.samples.contains(&"no");
    if !varies {
        let (socket, ..) = live(shape, role, &Options::new()).unwrap();
        let before = (opt.get)(&On { socket: &socket, shape, role }, Some(value));
        assert!(before.is_err() || before.unwrap() != *value, "{what}: a fresh socket has this already");
    }

    let chosen = options(&[(opt.name, sample)]);
    let (socket, reports, _peers) = match live(shape, role, &chosen) {
        Ok(live) => live,
        Err(error) if missing_here(&error) => {
            skip(&what, &error);
            return false;
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let report = reports.iter().find(|report| report.name == opt.name);
    let report = report.unwrap_or_else(|| panic!("{what}: not reported"));
    assert_eq!(report.asked, value.to_string(), "{what}");
    assert!(report.asked == report.effective || report.note.is_some(), "{what}: no reason given: {report:?}");

    // What the kernel says now, on an accepted socket too, where it was perhaps set on the listener only.
    let on = On { socket: &socket, shape, role };
    match (opt.get)(&on, Some(value)) {
        Ok(now) => {
            let settled = (opt.why)(&on, value, &now).is_some();
            assert!(now == *value || settled, "{what}: the socket has {now}");
            assert!(now.to_string() == report.effective || opt.settles, "{what}: {now}, not {report:?}");
            // What was printed reads back, so that a report can be pasted.
            assert_eq!(opt.parse(Some(&now.to_string())).as_ref(), Ok(&now), "{what}");
        }
        Err(error) => assert!(role == Role::Accepted, "{what}: {error}"),
    }
    true
}

/// What a host may lack: a privilege, Multipath TCP, a congestion control, fast open.
fn missing_here(error: &Error) -> bool {
    let text = error.to_string();
    error.exit == Exit::Permission
        || error.phase == Phase::Opening
        || ["this kernel has", "turns it off"].iter().any(|reason| text.contains(reason))
}

#[test]
fn what_does_not_apply_is_a_usage_error() {
    for opt in TABLE {
        for shape in shapes() {
            for role in [Role::Client, Role::Listener].into_iter().filter(|role| !opt.applies(shape, *role)) {
                let error = options(&[(opt.name, opt.samples[0])]).check(shape, role).unwrap_err();
                assert_eq!(error.exit, Exit::Usage, "--{} on {shape}", opt.name);
                let text = error.cause.to_string();
                assert!(text.starts_with(&format!("--{} does not apply to ", opt.name)), "{text}");
            }
        }
    }
    let says = |name, text, shape, role| options(&[(name, text)]).check(shape, role).unwrap_err().cause.to_string();
    assert_eq!(
        says("nodelay", "yes", UDP4, Role::Client),
        "--nodelay does not apply to UDP over IPv4: it is an option of TCP"
    );
    assert_eq!(
        says("backlog", "5", TCP4, Role::Client),
        "--backlog does not apply to a client: it is an option of servers"
    );
    assert_eq!(
        says("join", "ff02::1", UDP4, Role::Listener),
        "--join ff02::1 does not apply to UDP over IPv4: an IPv6 group needs an IPv6 socket"
    );
    assert_eq!(
        says("opt", "tcp:NODELAY=1", UDP4, Role::Client),
        "--opt tcp:NODELAY=1 does not apply to UDP over IPv4: it is an option of TCP"
    );
}

#[test]
fn the_table_is_sound() {
    for (nth, opt) in TABLE.iter().enumerate() {
        assert!(!opt.samples.is_empty() && !opt.help.is_empty(), "{}", opt.name);
        assert_eq!(opt.value_name.is_empty(), opt.takes == Takes::Flag, "{}", opt.name);
        assert!(TABLE[..nth].iter().all(|other| other.name != opt.name), "{} is there twice", opt.name);
        for rival in opt.conflicts {
            assert!(by_name(rival).unwrap().conflicts.contains(&opt.name), "{} and {rival}", opt.name);
        }
        for known in opt.known {
            assert!(opt.parse(Some(known)).is_ok(), "{known}");
        }
    }
    for name in ["rcvbuf", "SO_RCVBUF", "so-rcvbuf"] {
        assert_eq!(by_name(name).unwrap().name, "rcvbuf");
    }
    assert!(by_name("no-such-option").is_none());
}

#[test]
fn every_option_of_a_socket_can_be_listed() {
    let (socket, ..) = live(TCP4, Role::Listener, &options(&[("backlog", "5"), ("ttl", "7")])).unwrap();
    let listed = get(&socket, TCP4, Role::Listener);
    let value = |name| listed.iter().find(|(opt, _)| opt.name == name).map(|(_, value)| value.clone());
    assert_eq!(value("backlog"), Some(Value::Number(5)));
    assert_eq!(value("ttl"), Some(Value::Number(7)));
    // A TCP server has it without asking.
    assert_eq!(value("reuseaddr"), Some(Value::Switch(true)));
    assert_eq!(value("broadcast"), None);
    assert!(listed.len() > 15, "{listed:?}");
}

#[test]
fn defaults_are_set_and_not_told() {
    let (socket, reports, _) = live(TCP4, Role::Listener, &Options::new()).unwrap();
    assert!(socket.reuse_address().unwrap());
    assert_eq!(reports, []);
    let (socket, reports, _) = live(TCP4, Role::Listener, &options(&[("reuseaddr", "no")])).unwrap();
    assert!(!socket.reuse_address().unwrap());
    assert_eq!(reports.len(), 1);
    // Two UDP servers on one port would be one too many.
    let (socket, ..) = live(UDP4, Role::Listener, &Options::new()).unwrap();
    assert!(!socket.reuse_address().unwrap());
}

#[test]
fn the_last_choice_stands_and_repeats_add_up() {
    let chosen = options(&[("ttl", "3"), ("ttl", "4"), ("join", "239.255.77.2%lo"), ("join", "239.255.77.3%lo")]);
    assert_eq!(chosen.value("ttl"), Some(&Value::Number(4)));
    let (_, reports, _) = live(UDP4, Role::Listener, &chosen).unwrap();
    assert_eq!(reports.len(), 3, "{reports:?}");
    let mut chosen = options(&[("tos", "16")]);
    assert_eq!(chosen.parse("dscp", Some("ef")).unwrap_err().exit, Exit::Usage);
}

fn report(shape: Shape, role: Role, name: &str, text: &str) -> Report {
    let (_, reports, _) = live(shape, role, &options(&[(name, text)])).unwrap();
    reports.into_iter().find(|report| report.name == name).unwrap()
}

fn setting(name: &str) -> u64 {
    sys::proc::sysctl(name).unwrap().parse().unwrap()
}

#[test]
fn the_note_says_why_a_buffer_differs() {
    let doubled = report(TCP4, Role::Client, "rcvbuf", "64k");
    assert_eq!((doubled.asked.as_str(), doubled.effective.as_str()), ("65536", "131072"));
    assert!(doubled.note.unwrap().contains("doubles"));
    for (name, cap) in [("rcvbuf", "net.core.rmem_max"), ("sndbuf", "net.core.wmem_max")] {
        let max = setting(cap);
        if max >= 1 << 30 {
            skip(cap, &"this host allows everything");
            continue;
        }
        let capped = report(UDP4, Role::Listener, name, "1g");
        assert_eq!(capped.effective, (max * 2).to_string());
        assert!(capped.note.unwrap().starts_with(&format!("{cap} = {max} caps it")));
        assert!(report(UDP4, Role::Listener, name, "1").note.unwrap().contains("smallest"));
    }
}

#[test]
fn the_note_says_what_capped_the_backlog() {
    let max = setting("net.core.somaxconn");
    for shape in [TCP4, TCP6, UNIX] {
        let capped = report(shape, Role::Listener, "backlog", "2147483647");
        assert_eq!(capped.effective, max.to_string());
        assert_eq!(capped.note.unwrap(), format!("net.core.somaxconn = {max} caps it"));
        assert_eq!(report(shape, Role::Listener, "backlog", "5").note, None);
    }
    let (socket, ..) = live(TCP4, Role::Listener, &Options::new()).unwrap();
    assert_eq!(u64::from(sys::sockopt::tcp_info_listen(&socket).unwrap().1), max);
}

#[test]
fn the_handshake_has_the_last_word_on_the_mss() {
    let settled = {
        let (_, reports, _) = live(TCP4, Role::Client, &options(&[("mss", "1000")])).unwrap();
        reports.into_iter().rfind(|report| report.name == "mss").unwrap()
    };
    assert!(settled.effective.parse::<u32>().unwrap() <= 1000, "{settled:?}");
    // Timestamps take 12 bytes of each segment (RFC 7323).
    if setting("net.ipv4.tcp_timestamps") != 0 {
        assert_eq!(settled.effective, "988");
        assert!(settled.note.unwrap().contains("lowered"));
    }
}

#[test]
fn mptcp_says_when_it_fell_back() {
    // The listener of `live` speaks plain TCP.
    let (_, reports, _) = match live(TCP4, Role::Client, &options(&[("mptcp", "yes")])) {
        Ok(live) => live,
        Err(error) => return skip("mptcp", &error),
    };
    let [made, settled] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!((made.effective.as_str(), settled.effective.as_str()), ("yes", "no"));
    assert!(settled.note.as_ref().unwrap().contains("plain TCP"));
    let (socket, ..) = live(TCP4, Role::Accepted, &options(&[("mptcp", "yes")])).unwrap();
    assert!(sys::sockopt::mptcp(&socket).unwrap());
}

#[test]
fn parts_of_keepalive_that_were_left_out_are_named() {
    let report = report(TCP4, Role::Client, "keepalive", "90");
    assert_eq!(report.asked, "1m30s");
    assert!(report.effective.starts_with("1m30s,"), "{report:?}");
    assert!(report.note.unwrap().contains("net.ipv4.tcp_keepalive_intvl"));
}

#[test]
fn refusals_name_the_flag_and_what_there_is() {
    let refused = |shape, name, text| {
        let error = live(shape, Role::Client, &options(&[(name, text)])).unwrap_err();
        assert_eq!(error.phase, Phase::Setting);
        (error.exit, error.cause.to_string())
    };
    let (exit, text) = refused(TCP4, "interface", "nowhere0");
    assert_eq!(exit, Exit::Bind);
    assert!(text.starts_with("--interface nowhere0: ") && text.contains("lo"), "{text}");
    let (exit, text) = refused(UDP6, "join", "ff02::1%nowhere0");
    assert_eq!(exit, Exit::Bind);
    assert!(text.contains("the interfaces of this host are"), "{text}");
    let (exit, text) = refused(TCP4, "congestion", "nosuchthing");
    assert_eq!(exit, Exit::Failed);
    assert!(text.contains("reno"), "{text}");
    for (text, words) in [
        ("tcp:26=1", "this kernel has no such option, or one that can only be read"),
        ("tcp:CONGESTION=nosuchthing", "reno"),
        ("ip:TTL=300", "out of range"),
        ("1:13=hex:01", "the structure has another size"),
        ("socket:BINDTODEVICE=nowhere0", "no network interface"),
        ("tcp:ULP=tls", "is for a connection"),
    ] {
        let (_, refusal) = refused(TCP4, "opt", text);
        assert!(refusal.starts_with(&format!("--opt {text}: ")) && refusal.contains(words), "{refusal}");
    }
    let mark = by_name("mark").unwrap();
    let error = mark.error(&Value::Number(1), io::Error::from_raw_os_error(libc::EPERM));
    assert_eq!(error.exit, Exit::Permission);
    assert_eq!(error.cause.to_string(), "--mark 1: Operation not permitted: it needs CAP_NET_ADMIN");
}

#[test]
fn an_ipv6_socket_that_takes_ipv4_has_both_halves() {
    let chosen = options(&[("v6only", "no"), ("ttl", "9"), ("dscp", "ef")]);
    let (socket, ..) = live(TCP6, Role::Listener, &chosen).unwrap();
    assert_eq!((socket.unicast_hops_v6().unwrap(), socket.ttl_v4().unwrap()), (9, 9));
    assert_eq!(socket.tos_v4().unwrap(), 46 << 2);
}

/// The one option that cannot be read back is proved by what arrives, on an IPv6 socket with an IPv4 group too.
#[test]
fn a_joined_group_is_heard() {
    // The loopback has no routes for multicast.
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let routed = |name: &String| name != "lo" && routes.lines().any(|line| line.split('\t').next() == Some(name));
    let Some(interface) = sys::proc::interfaces().into_iter().find(routed) else {
        return skip("hearing a multicast group", &"no interface for it");
    };
    for (shape, group, any) in
        [(UDP4, "239.255.77.9", "0.0.0.0:0"), (UDP6, "ff02::7709", "[::]:0"), (UDP6, "239.255.77.10", "[::]:0")]
    {
        let joined = format!("{group}%{interface}");
        let chosen = options(&[("join", &joined)]);
        let socket = chosen.open(shape).unwrap();
        socket.bind(&any.parse::<SocketAddr>().unwrap().into()).unwrap();
        chosen.apply(&socket, shape, Role::Listener, Stage::BeforeConnect).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();

        let group: IpAddr = group.parse().unwrap();
        let sender = UdpSocket::bind(if group.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }).unwrap();
        sys::sockopt::bind_device(&sender.try_clone().unwrap().into(), &interface).unwrap();
        if let Err(error) = sender.send_to(b"hello", (group, port)) {
            skip(&format!("hearing {joined}"), &error);
            continue;
        }
        let mut buffer = [MaybeUninit::uninit(); 16];
        let heard = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{joined} on {shape}: {error}"));
        assert_eq!(heard, 5);

        let again = chosen.apply(&socket, shape, Role::Listener, Stage::BeforeConnect).unwrap_err();
        assert!(again.cause.to_string().contains("already"), "{again}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_value_or_a_complaint(
        text in "[-+.,:=%0-9a-zA-Z_ ]{0,24}|(socket|tcp|6):[A-Za-z_0-9]{0,12}=(hex:)?[0-9a-fA-Fx]{0,12}|\\PC*",
    ) {
        for opt in TABLE {
            match opt.parse(Some(&text)) {
                Ok(value) => prop_assert_eq!(opt.parse(Some(&value.to_string())), Ok(value)),
                Err(misread) => prop_assert!(misread.input.get(misread.at.clone()).is_some(), "{:?}", misread),
            }
        }
    }
}

/// The samples are set and read back; whoever copies an example from the help has one of them.
#[test]
fn the_examples_of_the_help_are_samples() {
    let opt = by_name("opt").unwrap();
    let (_, examples) = opt.help.split_once(": ").unwrap();
    assert!(examples.split(", ").all(|example| opt.samples.contains(&example)), "{examples}");
}
