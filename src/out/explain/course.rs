//! Why a session went wrong that had begun well: what its course tells.

use std::time::Duration;

use crate::addr::{Endpoint, Unix, UnixKind};
use crate::course::{Course, Ending, Oddity, TcpInfo};
use crate::error::{Cause, Error, Fact, Phase};
use crate::event::Side;
use crate::sys;
use crate::text::count_of_bytes as count;

use super::{Case, Why, ways, word};

/// So long without a word, and a firewall or a router with NAT may have forgotten the connection (RFC 5382 asks them
/// for two hours and four minutes; many give it some minutes).
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Of a hundred segments, so many that had to be sent again are a loss that slows a connection down.
const LOSS: u32 = 2;

/// Where TLS is spoken from the first byte (IANA): https, smtps, ldaps, domain-s, ftps, nntps, imaps, pop3s, sips, ircs,
/// secure-mqtt; and what is often used for https beside 443.
const TLS_PORTS: [u16; 12] = [443, 465, 563, 636, 853, 990, 993, 995, 5061, 6697, 8443, 8883];

/// The course among the facts.
pub(super) fn of(error: &Error) -> Option<&Course> {
    error.facts.iter().find_map(|fact| match fact {
        Fact::Course(course) => Some(&**course),
        _ => None,
    })
}

/// What the course of the session says; `None` where it says nothing.
pub(super) fn why(case: &Case<'_>, course: &Course) -> Option<Why> {
    if let Some(oddity) = course.oddity().filter(|oddity| matches!(oddity, Oddity::AnswersInTls | Oddity::ClientHello))
    {
        return Some(odd(case, course, oddity));
    }
    match (&case.error.cause, case.error.errno()) {
        (Cause::TimedOut { limit, after }, _) => stalled(case, course, limit, *after),
        (_, Some(libc::ECONNRESET | libc::ECONNABORTED)) => Some(reset(case, course)),
        (_, Some(libc::EPIPE)) => Some(late(case)),
        (_, Some(libc::ETIMEDOUT)) if case.error.phase != Phase::Connecting => Some(lost(case, course)),
        (_, Some(libc::ENETUNREACH | libc::EHOSTUNREACH)) if course.tcp.is_some() => Some(undeliverable(case)),
        (_, Some(_)) => None,
        (Cause::Text(_), None) if case.error.phase == Phase::Expecting => expected(case, course),
        _ => course.oddity().map(|oddity| odd(case, course, oddity)),
    }
}

/// Nothing failed, and yet.
fn odd(case: &Case<'_>, course: &Course, oddity: Oddity) -> Why {
    let port = case.port().unwrap_or(0);
    match oddity {
        Oddity::AnswersInTls => {
            let name = course.tls_alert().map(alert).unwrap_or_default();
            let why = Why::new(format!(
                "the answer is a TLS alert{name}: {} speaks TLS, and got plain text from us",
                case.peer()
            ));
            in_tls(case, course, why.try_(format!("sockkit connect --tls {}", case.word())))
        }
        Oddity::ClientHello => Why::new(format!(
            "{} began a TLS handshake (a ClientHello came), and this server speaks plain text",
            case.peer()
        ))
        .try_(format!("sockkit {} --tls --tls-self-signed …", case.server()))
        .try_("sockkit connect ADDR   # on the client, without TLS".to_owned()),
        Oddity::ClosedAtOnce => Why::new(format!(
            "{} accepted and closed at once, without a word: most likely a proxy or port forwarding with nothing behind it, or a service that does not let {} in",
            case.peer(),
            case.comer()
        ))
        .try_(format!("sockkit wait --stable 1s {}", case.word()))
        .try_(if case.is_here() { format!("ss -ltnp 'sport = :{port}'") } else { ways::trace(case) }),
        Oddity::ClosedUnanswered => {
            let most = if TLS_PORTS.contains(&port) && !course.secured {
                format!("most likely it expects TLS, as port {port} usually does, and got plain text")
            } else {
                format!("most likely it expects {}, or does not let {} in", something_else(course), case.comer())
            };
            let why = Why::new(format!(
                "{} took {} and closed without an answer: {most}; or a proxy found nothing behind it; or that was all it wanted",
                case.peer(),
                count(course.sent)
            ));
            in_tls(case, course, why).try_(format!("sockkit connect{} --hex -v {}", flag(course), case.word()))
        }
    }
}

fn something_else(course: &Course) -> &'static str {
    if course.secured { "something else within TLS" } else { "something else (TLS servers close so on plain text)" }
}

/// What the session had.
fn flag(course: &Course) -> &'static str {
    if course.secured { " --tls" } else { "" }
}

/// Tries TLS, unless that is what was spoken, where openssl(1) can go.
fn in_tls(case: &Case<'_>, course: &Course, why: Why) -> Why {
    if course.secured || !matches!(case.endpoint, Endpoint::Inet(_)) {
        return why;
    }
    why.try_(format!("openssl s_client -connect {}", word(&bare(case))))
}

/// One that was waited for closes each connection, or resets it, before a word is said.
pub(super) fn closes(case: &Case<'_>) -> Why {
    Why::new(format!(
        "{} takes connections and ends each at once: most likely a proxy or port forwarding with nothing behind it yet, or a service that does not let {} in",
        case.endpoint,
        case.comer()
    ))
    .try_(match case.port() {
        Some(port) if case.is_here() => format!("ss -ltnp 'sport = :{port}'"),
        _ => ways::trace(case),
    })
    .try_(format!("sockkit connect --hex -v {}", case.word()))
}

/// ` (unexpected_message)`: RFC 8446, section 6.
fn alert(description: u8) -> String {
    let name = match description {
        10 => "unexpected_message",
        22 => "record_overflow",
        40 => "handshake_failure",
        47 => "illegal_parameter",
        50 => "decode_error",
        70 => "protocol_version",
        80 => "internal_error",
        other => return format!(" ({other})"),
    };
    format!(" ({name})")
}

/// `host:port` without a scheme.
fn bare(case: &Case<'_>) -> String {
    let whole = case.endpoint.to_string();
    whole.split_once("://").map_or(whole.clone(), |(_, rest)| rest.to_owned())
}

fn span(length: Duration) -> String {
    let whole = if length < Duration::from_millis(1) {
        Duration::from_micros(u64::try_from(length.as_micros()).unwrap_or(u64::MAX))
    } else if length < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(length.as_secs())
    };
    humantime::format_duration(whole).to_string()
}

/// The way back to where the same is tried with more patience.
fn longer(case: &Case<'_>, limit: &str, after: Duration) -> String {
    super::longer(case, case.command, limit, after)
}

/// A limit passed: what of the two directions stood still, and why.
fn stalled(case: &Case<'_>, course: &Course, limit: &str, after: Duration) -> Option<Why> {
    let peer = case.peer();
    if course.output_full {
        return Some(
            Why::new(format!(
                "whoever reads our standard output does not: what {peer} sent waits for room there, and so the peer is not to blame"
            ))
            .try_("ss -tmi   # a Recv-Q that stays full is ours".to_owned()),
        );
    }
    if let (Endpoint::Unix(Unix { kind: UnixKind::Dgram, .. }), "--send-timeout") = (case.endpoint, limit) {
        return Some(
            Why::new(format!(
                "the queue of {peer} is full: as many messages wait in it as may (net.unix.max_dgram_qlen), for its program does not read them"
            ))
            .try_("ss -xap")
            .try_("sysctl net.unix.max_dgram_qlen")
            .try_(longer(case, limit, after)),
        );
    }
    // In a session where much moves until the end, nobody stands still. It may have begun late.
    let session = course.age.min(after);
    if limit == "--deadline" && course.quiet < session / 2 {
        let moves = course.quiet < session / 4;
        // A peer without room throws away what comes nevertheless, so that this looks like loss. One that reads slowly
        // lets us send in leaps: our kernel takes more only when a third of its buffer is free.
        let held = course.tcp.and_then(|tcp| held_back(case, &tcp, session));
        let why = held.or_else(|| course.tcp.filter(|_| moves).and_then(|tcp| slow(case, &tcp)));
        if moves || why.is_some() {
            return why.map(|why| why.try_(longer(case, limit, after)));
        }
    }
    let queue = course.send_queue.unwrap_or(0);
    if queue > 0 {
        let Some(tcp) = course.tcp else {
            return Some(
                Why::new(format!("{peer} does not read: {} of ours wait in its socket", count(queue)))
                    .try_(longer(case, limit, after)),
            );
        };
        return Some(unacknowledged(case, course, &tcp, queue).try_(longer(case, limit, after)));
    }
    if let Some(why) = course.tcp.and_then(|tcp| slow(case, &tcp)).filter(|_| limit == "--deadline") {
        return Some(why.try_(longer(case, limit, after)));
    }
    // Nobody is silent for long who has come just now.
    if limit == "--deadline" && course.quiet < after / 4 {
        return None;
    }
    let mut why = silent(case, course);
    why.tries.insert(0, longer(case, limit, after));
    Some(why)
}

/// Something of ours is on its way, or waits to be.
fn unacknowledged(case: &Case<'_>, course: &Course, tcp: &TcpInfo, queue: u64) -> Why {
    // What does not even leave this host is not on its way, so that it looks as if the peer had no room for it.
    if let Some(why) = ways::broken(case) {
        return why;
    }
    let host = case.host();
    let waits = count(queue);
    // What was sent is all acknowledged; the rest may not be sent.
    // What has room there, and is not sent, is stopped on this host.
    let wanted = queue.min(u64::from(tcp.segment.max(1)));
    let stuck =
        tcp.unacknowledged == 0 && tcp.probes > 0 && tcp.window.is_some_and(|window| u64::from(window) >= wanted);
    if stuck {
        return ways::own_rule(format!(
            "{host} has room for more, and {waits} wait in our send queue: they do not leave this host. Most likely a rule of its own firewall (output chain) or of its routes stops them"
        ))
        .try_(ways::route_of(case));
    }
    let no_room = tcp.unacknowledged == 0 || tcp.window == Some(0);
    if no_room && tcp.probes > 1 {
        return Why::new(format!(
            "{host} did not read what was sent, its receive buffer was full (zero window), and for {} it has not answered the question whether there is room again: the host is gone, or the way to it is broken",
            span(tcp.since_ack)
        ))
        .try_(case.ping());
    }
    if no_room {
        let since = span(course.quiet);
        return Why::new(format!(
            "{host} does not read what is sent: its kernel acknowledges, but its receive buffer is full (zero window), and {waits} wait in our send queue; for {since} nothing could be sent. Its program is busy, stopped or waits for us to read"
        ))
        .try_(who_reads(case));
    }
    if tcp.retries > 0 || tcp.retransmits > 0 {
        return not_through(case, course, tcp, &waits);
    }
    Why::new(format!(
        "of what was sent {waits} are not acknowledged by {host} yet: the way is slow (round trip {}), or broke just now",
        span(tcp.rtt)
    ))
    .try_(case.ping())
}

/// The sockets of the program that should read.
fn who_reads(case: &Case<'_>) -> String {
    match case.port() {
        Some(port) if case.is_here() => format!("sockkit inspect -v :{port}"),
        Some(port) => {
            format!(
                "ss -tnp 'sport = :{port}'   # on {}; a large Recv-Q is what its program does not read",
                case.host()
            )
        }
        None => "ss -tnp".to_owned(),
    }
}

/// Segments are sent again and again. Full ones only, or all?
fn not_through(case: &Case<'_>, course: &Course, tcp: &TcpInfo, waits: &str) -> Why {
    let host = case.host();
    // The kernel counts the SYN among what was acknowledged.
    let acked = tcp.acked.unwrap_or(0).saturating_sub(1);
    let full = u64::from(tcp.segment);
    let large = course.send_queue.unwrap_or(0) >= full && full > 0;
    let small_went = acked > 0 || course.received > 0;
    let never_a_full_one = acked < full;
    let loss = tcp.segments.map_or(0, |segments| u64::from(tcp.retransmits) * 100 / u64::from(segments.max(1)));
    let again = tcp.retransmits;
    let (smaller, probe) = (smaller_mss(case, tcp), probe(case, tcp));
    if tcp.sacked > 0 && large && never_a_full_one {
        return Why::new(format!(
            "small packets reach {host} and large ones do not: of what was sent it acknowledges only what came in short segments, and {waits} wait although sent again {again} times. Most likely a link on the way takes less than {} bytes, and the ICMP message that says so is dropped (path-MTU black hole)",
            tcp.path_mtu
        ))
        .try_(smaller)
        .try_(probe);
    }
    if large && never_a_full_one && small_went {
        return Why::new(format!(
            "no full-sized segment ({full} bytes) has got through to {host} yet, although what was smaller did: most likely a link on the way takes less than {} bytes and the ICMP message that says so is dropped (path-MTU black hole); or the way broke just then, or the host is gone",
            tcp.path_mtu
        ))
        .try_(smaller)
        .try_(probe);
    }
    if large && acked == 0 && course.received == 0 && tcp.retries > 1 {
        return Why::new(format!(
            "nothing but the handshake has got through to {host}: no full-sized segment ({full} bytes) of {waits} was acknowledged, although sent again {again} times. Most likely a link on the way takes less than {} bytes and the ICMP message that says so is dropped (path-MTU black hole); or a firewall lets only the handshake pass, or the host is gone",
            tcp.path_mtu
        ))
        .try_(smaller)
        .try_(probe)
        .try_(case.ping());
    }
    if tcp.since_ack < Duration::from_secs(2) && tcp.retries < 3 {
        return Why::new(format!(
            "the way to {host} loses packets: {again} segments had to be sent again ({loss} in a hundred), and {waits} still wait"
        ))
        .try_(format!("ping -c 50 -i 0.2 {}", word(&host)))
        .try_(ways::trace(case));
    }
    Why::new(format!(
        "{host} acknowledges nothing for {} any more, although {waits} were sent again {again} times: the host is gone, or the way to it is broken; or a firewall (this host's own is one) began to drop this connection",
        span(tcp.since_ack)
    ))
    .try_(case.ping())
    .try_(ways::trace(case))
}

fn smaller_mss(case: &Case<'_>, tcp: &TcpInfo) -> String {
    let mss = if tcp.segment > 1220 { 1200 } else { 500 };
    format!("sockkit {} --mss {mss} {}", case.command, case.again())
}

/// A ping as large as the path should take, that may not be cut up.
fn probe(case: &Case<'_>, tcp: &TcpInfo) -> String {
    let headers = if case.is_v6() { 48 } else { 28 };
    format!("ping -M do -s {} -c 3 {}", tcp.path_mtu.saturating_sub(headers), word(&case.host()))
}

/// All arrives in the end, but much of it at the second try.
fn slow(case: &Case<'_>, tcp: &TcpInfo) -> Option<Why> {
    let segments = tcp.segments.filter(|segments| *segments >= 50)?;
    (tcp.retransmits * 100 / segments >= LOSS).then(|| {
        Why::new(format!(
            "the way to {} loses packets: {} of {segments} segments had to be sent again, which makes the connection slow",
            case.host(),
            tcp.retransmits
        ))
        .try_(format!("ping -c 50 -i 0.2 {}", word(&case.host())))
        .try_(ways::trace(case))
    })
}

/// It reads, and for most of the time less than we would send.
fn held_back(case: &Case<'_>, tcp: &TcpInfo, session: Duration) -> Option<Why> {
    let limited = tcp.window_limited.filter(|limited| *limited >= session / 2)?;
    let why = Why::new(format!(
        "{} reads more slowly than it is sent to: for {} its receive buffer had no room (zero window), and nothing could be sent",
        case.host(),
        span(limited)
    ));
    Some(why.try_(who_reads(case)))
}

/// Nothing of ours is left to send: it is the peer's turn.
fn silent(case: &Case<'_>, course: &Course) -> Why {
    let peer = case.peer();
    if let Some(missing) = course.tcp.and_then(|tcp| tcp.out_of_order).filter(|count| *count > 0)
        && course.quiet > Duration::from_millis(300)
        && !course.peer_ended
    {
        return Why::new(format!(
            "{missing} packets of {peer} came while earlier ones are missing: the way from it loses packets, most likely its large ones (path-MTU black hole)"
        ))
        .try_(format!("sockkit {} --mss 1200 {}", case.command, case.again()))
        .try_(case.ping());
    }
    if course.peer_ended {
        return Why::new(format!(
            "{peer} has ended its side (FIN), and we have not: our standard input is open and says nothing"
        ));
    }
    if course.accepted {
        return match course.received {
            0 => Why::new(format!(
                "{peer} connected and says nothing: it waits for us to speak first, or only looked whether the port is open"
            )),
            bytes => Why::new(format!(
                "{peer} sent {} and has been silent for {}: it waits for something from us, or it is stuck or gone without a word",
                count(bytes),
                span(course.quiet)
            )),
        };
    }
    match (course.sent, course.received) {
        (0, 0) => Why::new(format!(
            "{peer} accepted, and neither side has said a word: most likely it waits for us to speak first, as HTTP and TLS servers do; or its program accepts late, or is stuck"
        ))
        .try_(format!("sockkit connect --hex -v {}", case.again())),
        (sent, 0) => {
            let line = match course.last_sent {
                Some(b'\n') | None => "for more",
                Some(_) => "for the end of a line (the last byte sent was no newline), for more",
            };
            let end = if course.we_ended { "" } else { " or for our end (FIN)" };
            let lost = if case.is_loopback() { "" } else { "; or its answer is in packets too large for the way (path MTU)" };
            let taken = if sys::KNOWS_UNSENT {
                format!("the kernel of {peer} has taken all {} that we sent, and its program", count(sent))
            } else {
                format!("we sent {}, and the program of {peer}", count(sent))
            };
            Why::new(format!("{taken} has not answered: it waits {line}{end}, or it is busy or stuck{lost}"))
        }
        (_, received) => Why::new(format!(
            "{peer} sent {} and has been silent for {}{}: it waits for something from us, or has nothing to say, or is stuck",
            count(received),
            span(course.quiet),
            if sys::KNOWS_UNSENT { ", and has acknowledged all that we sent" } else { "" }
        )),
    }
}

/// A RST came.
fn reset(case: &Case<'_>, course: &Course) -> Why {
    let peer = case.peer();
    if ways::is_own_rule(case) {
        return ways::own_rule(format!(
            "most likely a rule of this host's own firewall (output chain) reset the connection in the name of {peer}: it stops what goes there"
        ));
    }
    if course.was_short() && course.sent == 0 {
        return if course.accepted {
            Why::new(format!(
                "{peer} connected and reset the connection at once: a check whether the port is open, or a client that was stopped"
            ))
        } else {
            Why::new(format!(
                "{peer} accepted the connection and reset it at once: most likely a proxy with nothing behind it, or a server that does not want us; or its program crashed"
            ))
            .try_(format!("sockkit wait --stable 1s {}", case.word()))
            .try_(ways::trace(case))
        };
    }
    if course.peer_ended {
        return late(case);
    }
    if course.quiet >= FORGOTTEN {
        return Why::new(format!(
            "after {} without a word: most likely a firewall or NAT router on the way forgot the connection; or the peer closed it, or was started anew",
            span(course.quiet)
        ))
        .try_(format!("sockkit {} --keepalive=30s {}", case.command, case.again()));
    }
    if course.was_short() {
        let why = Why::new(format!(
            "{peer} closed without reading what was sent ({}), and without an answer: most likely it expects {}, or does not let {} in; or a proxy found nothing behind it; or its program crashed",
            count(course.sent),
            something_else(course),
            case.comer()
        ));
        return in_tls(case, course, why)
            .try_(format!("sockkit wait{} --banner . {}", flag(course), case.word()))
            .try_(ways::trace(case));
    }
    Why::new(format!(
        "{peer} reset the connection after {}, with {} sent and {} received: its program ended or crashed, or closed without reading all that was sent; or a firewall between cut it",
        span(course.age),
        count(course.sent),
        count(course.received)
    ))
    .try_(format!("sockkit {} --hex -v {}", case.command, case.again()))
    .try_(ways::trace(case))
}

/// What we sent came after the peer had closed.
fn late(case: &Case<'_>) -> Why {
    let peer = case.peer();
    Why::new(format!(
        "{peer} had closed the connection already (FIN), so that nobody reads what is still sent: it had what it wanted, or it gave up on us"
    ))
    .try_(format!("sockkit {} --hex -v {}", case.command, case.again()))
}

/// The kernel gave up.
fn lost(case: &Case<'_>, course: &Course) -> Why {
    if let Some(why) = ways::broken(case) {
        return why;
    }
    match course.tcp {
        Some(tcp) if tcp.segment > 0 && tcp.acked.unwrap_or(0) < u64::from(tcp.segment) && course.sent > u64::from(tcp.segment) => {
            not_through(case, course, &TcpInfo { retries: tcp.retries.max(3), ..tcp }, &count(course.sent))
        }
        _ => Why::new(format!(
            "the connection was open, but {} no longer acknowledges what is sent: the host is gone, or the way to it is broken",
            case.host()
        ))
        .try_(case.ping())
        .try_(ways::trace(case)),
    }
}

/// The kernel gave up, and an ICMP error had come meanwhile (tcp(7): such are kept, and told at the end).
fn undeliverable(case: &Case<'_>) -> Why {
    ways::broken(case).unwrap_or_else(|| {
        Why::new(format!(
            "the connection was open, but {} no longer acknowledges what is sent, and a router or firewall says that it cannot be delivered (ICMP): the host is gone, or the way to it is broken; or a firewall began to reject this connection",
            case.host()
        ))
        .try_(ways::trace(case))
        .try_(case.ping())
    })
}

/// A script's expectation was not met: only where the course says more than what came.
fn expected(case: &Case<'_>, course: &Course) -> Option<Why> {
    if let Some(oddity) = course.oddity() {
        return Some(odd(case, course, oddity));
    }
    let broke = matches!(course.how, Some(Ending::Reset | Ending::Lost)) && course.ended_by == Some(Side::Peer);
    if broke && course.was_short() {
        return Some(reset(case, course));
    }
    if course.send_queue.unwrap_or(0) > 0
        && let Some(tcp) = course.tcp
        && !broke
    {
        return Some(unacknowledged(case, course, &tcp, course.send_queue.unwrap_or(0)));
    }
    (course.received == 0 && course.ended_by.is_none()).then(|| silent(case, course))
}

#[cfg(test)]
mod tests {
    use super::super::explain;
    use super::*;

    /// What is said of a session of TCP that `--deadline 8s` cut off.
    fn cut_off(course: Course, tcp: TcpInfo) -> String {
        let peer = "192.0.2.1:80".parse().unwrap();
        let mut error = Error::timed_out(Phase::Waiting, Some(&peer), "--deadline", Duration::from_secs(8));
        let tcp = TcpInfo { segment: 1460, acked: Some(1 << 20), ..tcp };
        error.facts.push(Fact::Course(Box::new(Course { sent: 2 << 20, tcp: Some(tcp), ..course })));
        explain("listen", &error).cause.unwrap()
    }

    #[test]
    fn who_came_late_and_does_not_read_is_to_blame() {
        let (waits, full) = (Some(1 << 20), TcpInfo { window: Some(0), ..TcpInfo::default() });
        let second = Duration::from_secs(1);
        for (age, quiet) in [(second * 8, second * 7), (second * 3 / 2, second * 4 / 3)] {
            let why = cut_off(Course { age, quiet, send_queue: waits, ..Course::default() }, full);
            assert!(why.contains("192.0.2.1 does not read what is sent"), "{why}");
        }
        // Much moves until the end, and for most of the time as fast as we send.
        let moving = |age| Course { age, quiet: age / 10, send_queue: waits, ..Course::default() };
        for age in [second * 8, second * 3 / 2] {
            assert_eq!(cut_off(moving(age), full), "the work was not done by then");
            let why = cut_off(moving(age), TcpInfo { window_limited: Some(age * 2 / 3), ..full });
            assert!(why.contains("192.0.2.1 reads more slowly than it is sent to"), "{why}");
        }
        // What is read slowly goes in leaps, and the last one may be a while ago.
        let leaps = Course { age: second * 2, quiet: second / 2, send_queue: waits, ..Course::default() };
        let why = cut_off(leaps.clone(), TcpInfo { window_limited: Some(second * 9 / 5), ..full });
        assert!(why.contains("192.0.2.1 reads more slowly than it is sent to"), "{why}");
        let why = cut_off(leaps, TcpInfo { window_limited: Some(second / 2), ..full });
        assert!(why.contains("192.0.2.1 does not read what is sent"), "{why}");
        // Nothing waits, and it has hardly come.
        let came = Course { age: second * 3 / 2, quiet: second * 4 / 3, ..Course::default() };
        assert_eq!(cut_off(came, TcpInfo::default()), "the work was not done by then");
    }
}
