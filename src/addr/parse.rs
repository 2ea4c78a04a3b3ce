//! Reading: which kind of address the words are, and the kinds whose grammar is a line long.

use std::ffi::OsString;
use std::ops::{Bound, Range, RangeBounds};
use std::os::unix::ffi::OsStrExt;

use super::{Builtin, Endpoint, IpFamily, Reading, VSOCK_ANY, guess, inet, invisible, unix};
use crate::span::Misread;

/// As many hints as help; more would bury the first.
const HINTS_MAX: usize = 3;

/// What is read, as a whole: what errors show, and what hints are checked against.
pub(super) struct Input<'a> {
    pub(super) reading: &'a Reading,
    shown: String,
    /// Whether hints are wanted. They are not while a hint itself is being checked.
    guessing: bool,
}

/// A piece of one of the words, and where it begins in the text that errors show.
#[derive(Clone, Copy)]
pub(super) struct Part<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Part<'t> {
    /// The piece of this piece at these byte offsets.
    pub(super) fn sub(&self, range: impl RangeBounds<usize>) -> Part<'t> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last + 1,
            Bound::Excluded(&end) => end,
            Bound::Unbounded => self.text.len(),
        };
        Part { text: &self.text[start..end], at: self.at + start }
    }

    pub(super) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.end()
    }

    /// The place of the first character that `bad` picks.
    pub(super) fn first(&self, bad: impl Fn(char) -> bool) -> Option<Range<usize>> {
        let (at, c) = self.text.char_indices().find(|(_, c)| bad(*c))?;
        Some(self.at + at..self.at + at + c.len_utf8())
    }
}

impl Input<'_> {
    /// An error at a place in the text that errors show.
    pub(super) fn fail(&self, at: Range<usize>, message: impl Into<String>) -> Misread {
        Misread::new("address", &self.shown, at, message)
    }

    /// Adds those of the forms that parse with the same flags.
    pub(super) fn hint<S: AsRef<str>>(&self, mut misread: Misread, forms: impl IntoIterator<Item = S>) -> Misread {
        if self.guessing {
            for form in forms {
                let form = form.as_ref();
                let Ok(endpoint) = read(&[form.as_bytes()], self.reading, false) else { continue };
                let form = if form.contains(invisible) { endpoint.to_string() } else { form.to_owned() };
                if misread.hints.len() < HINTS_MAX && !misread.hints.contains(&form) {
                    misread = misread.hint(form);
                }
            }
        }
        misread
    }

    /// Refuses a second word after an address that has no port to give.
    pub(super) fn alone(&self, first: &str, second: Option<Range<usize>>, what: &str) -> Result<(), Misread> {
        match second {
            None => Ok(()),
            Some(at) => Err(self.hint(self.fail(at, format!("{what} takes no port as a second word")), [first])),
        }
    }

    /// Refuses the flags that speak of IP, for an address that is none.
    pub(super) fn no_ip_flags(&self, at: Range<usize>, what: &str) -> Result<(), Misread> {
        let flag = match (self.reading.family, self.reading.udp) {
            (Some(family), _) => flag(family),
            (None, true) => "-u",
            (None, false) => return Ok(()),
        };
        Err(self.fail(at, format!("`{flag}` goes with IP addresses only, and this is {what}")))
    }
}

/// The flag that asks for a family.
pub(super) fn flag(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "-4",
        IpFamily::V6 => "-6",
    }
}

/// A host and a port as one word.
pub(super) fn join(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn parse(words: &[OsString], reading: &Reading) -> Result<Endpoint, Misread> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    read(&words, reading, true)
}

fn read(words: &[&[u8]], reading: &Reading, guessing: bool) -> Result<Endpoint, Misread> {
    let shown: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let input = Input { reading, shown: shown.join(" "), guessing };
    let end = input.shown.len();
    let (first, second, second_at) = match *words {
        [] => return Err(input.fail(0..0, "the address is missing")),
        [first] => (first, None, end),
        [first, second] => (first, Some(second), shown[0].len() + 1),
        [..] => {
            let third_at = shown[0].len() + shown[1].len() + 2;
            let misread = input.fail(third_at..end, "an address is one word, or two: a host and a port");
            return Err(input.hint(misread, [join(&shown[0], &shown[1])]));
        }
    };

    let whole = input.shown[..shown[0].len()].to_owned();
    if let Some(scheme) = unix::scheme(first) {
        input.alone(&whole, second.map(|_| second_at..end), "a UNIX address")?;
        return unix::read(&input, scheme, first);
    }
    if unix::is_bare_path(first) {
        return Err(unix::bare_path(&input, first, whole.len()));
    }
    let first = Part { text: utf8(&input, first, 0)?, at: 0 };
    let second = match second {
        Some(second) => Some(Part { text: utf8(&input, second, second_at)?, at: second_at }),
        None => None,
    };
    if first.text.is_empty() {
        let misread = input.fail(0..0, if second.is_some() { "the host is empty" } else { "the address is empty" });
        return Err(input.hint(misread, second.map(|second| format!(":{}", second.text))));
    }
    for word in [Some(first), second].into_iter().flatten() {
        untrimmed(&input, word, first, second)?;
    }

    let Some((word, rest)) = first.text.split_once(':') else { return inet::read(&input, None, first, second) };
    let scheme = first.sub(..=word.len());
    let rest = first.sub(first.text.len() - rest.len()..);
    let second_range = second.map(|second| second.range());
    match word.to_ascii_lowercase().as_str() {
        "vsock" => vsock(&input, scheme, rest, second),
        // `fd::1` is an address of IPv6, which no number after the colon can be.
        "fd" if inet::v6(first.text).is_ok() => inet::read(&input, None, first, second),
        "fd" => {
            input.alone(first.text, second_range, "a descriptor")?;
            fd(&input, scheme, rest)
        }
        "systemd" => {
            input.alone(first.text, second_range, "a passed socket")?;
            systemd(&input, scheme, rest)
        }
        "echo" => {
            input.alone(first.text, second_range, "a built-in peer")?;
            builtin(&input, Builtin::Echo, scheme, rest)
        }
        "time" => {
            input.alone(first.text, second_range, "a built-in peer")?;
            builtin(&input, Builtin::Time, scheme, rest)
        }
        _ if rest.text.starts_with("//") => match inet::scheme(word) {
            Some(scheme) => inet::read(&input, Some(scheme), rest.sub(2..), second),
            None => Err(unknown_scheme(&input, first.sub(..word.len()), rest, second)),
        },
        _ if guess::reserved(word) => {
            let rest = second.map_or_else(|| rest.text.to_owned(), |second| join(rest.text, second.text));
            // A host may have the name of one of our schemes, but hardly that of a foreign one.
            let (message, host) = match inet::scheme(word) {
                Some(_) => (format!("`{word}` is followed by `://`"), Some(format!("tcp://{word}:{rest}"))),
                None => (format!("unknown scheme `{word}`"), None),
            };
            Err(input.hint(input.fail(0..word.len(), message), guess::schemes(word, &rest).into_iter().chain(host)))
        }
        _ => inet::read(&input, None, first, second),
    }
}

fn utf8<'t>(input: &Input<'_>, word: &'t [u8], at: usize) -> Result<&'t str, Misread> {
    std::str::from_utf8(word).map_err(|error| {
        let at = at + error.valid_up_to();
        let end = at + char::REPLACEMENT_CHARACTER.len_utf8();
        input.fail(at..end, "not UTF-8, which only the name of a UNIX socket may be")
    })
}

/// Refuses white space around a word: a quoted line of some file, most likely.
fn untrimmed(input: &Input<'_>, word: Part<'_>, first: Part<'_>, second: Option<Part<'_>>) -> Result<(), Misread> {
    let start = word.text.len() - word.text.trim_start().len();
    let at = match (start, word.text.trim_end().len()) {
        (0, end) if end == word.text.len() => return Ok(()),
        (0, end) => word.sub(end..),
        (start, _) => word.sub(..start),
    };
    let trimmed = match second {
        Some(second) => join(first.text.trim(), second.text.trim()),
        None => first.text.trim().to_owned(),
    };
    Err(input.hint(input.fail(at.range(), "white space around the address"), [trimmed]))
}

fn unknown_scheme(input: &Input<'_>, word: Part<'_>, rest: Part<'_>, second: Option<Part<'_>>) -> Misread {
    let misread = match word.text.to_ascii_lowercase().as_str() {
        "" => input.fail(word.at..rest.at + 2, "the scheme is missing"),
        "tls" | "ssl" => {
            input.fail(word.range(), format!("unknown scheme `{}`; TLS is asked for with `--tls`", word.text))
        }
        _ => input.fail(word.range(), format!("unknown scheme `{}`", word.text)),
    };
    let second = second.map(|second| second.text);
    let joined = second.map_or_else(|| rest.text.to_owned(), |second| join(rest.text, second));
    let misread =
        if guess::is_url(word.text) { misread } else { input.hint(misread, guess::schemes(word.text, &joined)) };
    if !misread.hints.is_empty() {
        return misread;
    }
    input.hint(misread, guess::urls(word.text, rest.text.trim_start_matches('/'), second))
}

/// Reads digits, however many: `None` when there is another character, or none.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn vsock(input: &Input<'_>, scheme: Part<'_>, rest: Part<'_>, second: Option<Part<'_>>) -> Result<Endpoint, Misread> {
    if let Some(second) = second {
        let misread = input.fail(second.range(), "the port of a vsock address follows the CID and a `:`");
        return Err(
            input.hint(misread, [format!("vsock:{}:{}", rest.text, second.text), format!("vsock:{}", rest.text)])
        );
    }
    input.no_ip_flags(scheme.range(), "a vsock address")?;
    let port = input.reading.port;
    if rest.text.starts_with("//") {
        let misread = input.fail(rest.sub(..2).range(), "no `//` follows `vsock:`");
        return Err(input.hint(misread, [format!("vsock:{}", &rest.text[2..])]));
    }
    let Some((cid, tail)) = rest.text.split_once(':') else {
        if rest.text.is_empty() {
            return Err(input.fail(rest.range(), "the CID and the port are missing"));
        }
        let misread = if vsock_number(rest.text, "").is_ok() {
            input.fail(rest.range(), "a vsock address has a CID and a port, and this is one of them")
        } else {
            input.fail(rest.end()..rest.end(), "the port is missing")
        };
        return Err(input.hint(misread, [format!("vsock:any:{}", rest.text), format!("vsock:{}:{port}", rest.text)]));
    };
    let at = rest.sub(..cid.len());
    // VMADDR_CID_ANY is -1U in C.
    let minus_one = cid == "-1";
    let cid_read = match cid.to_ascii_lowercase().as_str() {
        "hypervisor" => Ok(0),
        "local" => Ok(1),
        "host" => Ok(2),
        _ => vsock_number(cid, "a CID is a number, `any`, `hypervisor`, `local` or `host`"),
    };
    let cid_read = cid_read.map_err(|message| {
        input.hint(input.fail(at.range(), message), minus_one.then(|| format!("vsock:any:{tail}")))
    })?;
    let at = rest.sub(cid.len() + 1..);
    let port = vsock_number(tail, "a vsock port is a number or `any`").map_err(|message| {
        let message = if tail.is_empty() { "the port is missing".to_owned() } else { message };
        let digits = tail.trim_start_matches(':').split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        input.hint(input.fail(at.range(), message), [format!("vsock:{cid}:{digits}"), format!("vsock:{cid}:{port}")])
    })?;
    Ok(Endpoint::Vsock { cid: cid_read, port })
}

fn vsock_number(text: &str, what: &str) -> Result<u32, String> {
    if text.eq_ignore_ascii_case("any") {
        return Ok(VSOCK_ANY);
    }
    let number = number(text).ok_or(what)?;
    u32::try_from(number).map_err(|_| format!("out of range: at most {}", u32::MAX))
}

fn fd(input: &Input<'_>, scheme: Part<'_>, rest: Part<'_>) -> Result<Endpoint, Misread> {
    input.no_ip_flags(scheme.range(), "a descriptor, which has its own family and type")?;
    let message = match number(rest.text) {
        Some(number) => match i32::try_from(number) {
            Ok(fd) => return Ok(Endpoint::Fd(fd)),
            Err(_) => format!("out of range: a descriptor is at most {}", i32::MAX),
        },
        None if rest.text.is_empty() => "the number of the descriptor is missing".to_owned(),
        None => "a descriptor is a number from 0 on".to_owned(),
    };
    // An address of IPv6 can begin with `fd:` as well.
    let (head, tail) = rest.text.rsplit_once(':').unwrap_or_default();
    let standard = ["stdin", "stdout", "stderr"].iter().position(|name| name.eq_ignore_ascii_case(rest.text));
    let forms = [format!("fd:{}", rest.text.trim_start_matches(['/', '&'])), format!("[fd:{head}]:{tail}")];
    Err(input.hint(input.fail(rest.range(), message), standard.map(|fd| format!("fd:{fd}")).into_iter().chain(forms)))
}

fn systemd(input: &Input<'_>, scheme: Part<'_>, rest: Part<'_>) -> Result<Endpoint, Misread> {
    input.no_ip_flags(scheme.range(), "a passed socket, which has its own family and type")?;
    if rest.text.starts_with("//") {
        let misread = input.fail(rest.sub(..2).range(), "no `//` follows `systemd:`");
        return Err(input.hint(misread, [format!("systemd:{}", rest.text.trim_start_matches('/'))]));
    }
    // LISTEN_FDNAMES separates names with colons (sd_listen_fds(3)).
    if let Some(at) = rest.first(|c| c == ':' || invisible(c)) {
        let misread = input.fail(at, "the name of a passed socket has neither `:` nor control characters");
        let before = rest.text.split(':').next().unwrap_or_default();
        return Err(input.hint(misread, [format!("systemd:{before}")]));
    }
    Ok(Endpoint::Systemd((!rest.text.is_empty()).then(|| rest.text.to_owned())))
}

fn builtin(input: &Input<'_>, which: Builtin, scheme: Part<'_>, rest: Part<'_>) -> Result<Endpoint, Misread> {
    input.no_ip_flags(scheme.range(), "a built-in peer, which chooses its own address")?;
    if rest.text.is_empty() {
        return Ok(Endpoint::Builtin(which));
    }
    let word = &scheme.text[..scheme.text.len() - 1];
    let misread = input.fail(rest.range(), format!("nothing follows `{}`", scheme.text));
    Err(input.hint(misread, [scheme.text.to_owned(), format!("tcp://{word}:{}", rest.text)]))
}
