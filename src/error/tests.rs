use super::*;
use crate::addr::{Unix, UnixName};

#[test]
fn words_never_show_a_bare_number() {
    assert_eq!(words(&io::Error::from_raw_os_error(libc::ECONNREFUSED)), "Connection refused");
}

#[test]
fn the_attempt_that_got_furthest_decides() {
    let endpoint: Endpoint = "example.org:80".parse().unwrap();
    let attempt = |errno| Error::os(Phase::Connecting, Some(&endpoint), io::Error::from_raw_os_error(errno));
    let all = Error::attempts(&endpoint, vec![attempt(libc::ENETUNREACH), attempt(libc::ECONNREFUSED)]);
    assert_eq!(all.exit, Exit::Refused);
    let all = Error::attempts(&endpoint, vec![attempt(libc::ETIMEDOUT), attempt(libc::EHOSTUNREACH)]);
    assert_eq!(all.exit, Exit::ConnectTimeout);
}

#[test]
fn one_number_means_different_things_in_different_phases() {
    let tcp: Endpoint = "127.0.0.1:80".parse().unwrap();
    let unix: Endpoint = "unix:/nowhere".parse().unwrap();
    let exit = |phase, endpoint, errno| Error::os(phase, Some(endpoint), io::Error::from_raw_os_error(errno)).exit;
    assert_eq!(exit(Phase::Connecting, &tcp, libc::EACCES), Exit::Unreachable);
    assert_eq!(exit(Phase::Binding, &tcp, libc::EACCES), Exit::Permission);
    let udp: Endpoint = "udp://[2001:db8::1]:80".parse().unwrap();
    assert_eq!(exit(Phase::Receiving, &udp, libc::EACCES), Exit::Unreachable);
    assert_eq!(exit(Phase::Sending, &udp, libc::EACCES), Exit::Unreachable);
    let udp: Endpoint = "udp://192.0.2.255:80".parse().unwrap();
    assert_eq!(exit(Phase::Sending, &udp, libc::EACCES), Exit::Permission);
    assert_eq!(exit(Phase::Connecting, &unix, libc::EACCES), Exit::Permission);
    assert_eq!(exit(Phase::Connecting, &tcp, libc::ETIMEDOUT), Exit::ConnectTimeout);
    assert_eq!(exit(Phase::Receiving, &tcp, libc::ETIMEDOUT), Exit::Reset);
    assert_eq!(exit(Phase::Connecting, &unix, libc::ENOENT), Exit::Unreachable);
    assert_eq!(exit(Phase::Connecting, &tcp, libc::EINVAL), Exit::Unreachable);
    assert_eq!(exit(Phase::Connecting, &unix, libc::EINVAL), Exit::Failed);
    assert_eq!(exit(Phase::Binding, &tcp, libc::EINVAL), Exit::Failed);
}

#[test]
fn attempts_say_in_one_line_what_each_says() {
    let endpoint: Endpoint = "example.org:80".parse().unwrap();
    let silent = || Error::timed_out(Phase::Connecting, Some(&endpoint), "--connect-timeout", Duration::from_secs(1));
    let all = Error::attempts(&endpoint, vec![silent(), silent()]).to_string();
    assert_eq!(all, "connecting, example.org:80: no answer within 1s (--connect-timeout) (all 2 addresses)");
}

#[test]
fn a_socket_without_an_address_is_not_named() {
    let unnamed = Unix { kind: UnixKind::Stream, name: UnixName::Unnamed };
    let error = Error::text(Exit::Reset, Phase::Sending, Some(&Endpoint::Unix(unnamed)), "it is gone");
    assert_eq!(error.to_string(), "sending: it is gone");
}

#[test]
fn the_file_of_an_error_is_all_of_its_path() {
    let error =
        |named_by, path: &str| Error::file(named_by, path.as_ref(), &io::Error::from_raw_os_error(libc::ENOENT));
    for (named_by, path, text) in [
        ("", "/tmp/from here to there", "/tmp/from here to there: No such file or directory"),
        ("--output", "to here", "--output to here: No such file or directory"),
        ("--output", "", "--output: No such file or directory"),
    ] {
        let error = error(named_by, path);
        assert_eq!(error.cause.to_string(), text);
        assert!(matches!(&error.facts[..], [Fact::File { path: known, .. }] if known.as_os_str() == path), "{error:?}");
    }
}
