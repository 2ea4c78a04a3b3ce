//! The forms in which servers tell the time: written, and read again.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sys::{self, Local};

/// Seconds from 1900, where RFC 868 begins, to 1970.
const FROM_1900: i64 = 2_208_988_800;
/// The seconds of RFC 868 are 32 bits, so they begin again every 136 years: next on 7 February 2036.
const ERA: i64 = 1 << 32;
/// A number of seconds since 1970 that is larger than this one (in the year 5138) counts milliseconds.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Zones by their abbreviations in RFC 822, section 5.1, in hours east of Greenwich. All others mean different
/// things in different places.
const ZONES: [(&str, i64); 12] = [
    ("UTC", 0),
    ("GMT", 0),
    ("UT", 0),
    ("Z", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];

/// A form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `Mon Dec  9 17:06:41 2019`: ctime(3) in the C locale, in the local zone.
    #[default]
    Ctime,
    /// `2019-12-09T09:06:41.250Z`: RFC 3339, in UTC.
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// `Monday, December 9, 2019 17:06:41-CST`: the first of the forms that RFC 867 proposes, in the local zone.
    Daytime,
    /// Seconds since 1900 in UTC, 32 bits, big-endian: RFC 868.
    Rfc868,
}

/// A time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Nanoseconds since 1970 in UTC. The real time is this or up to `precision` later.
    pub nanos: i128,
    /// What the form rounds off.
    pub precision: Duration,
    /// The form.
    pub format: Format,
    /// Whether it named no zone, or none that has one meaning, and was read in ours.
    pub our_zone: bool,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Ctime, Self::Rfc3339, Self::Unix, Self::UnixMs, Self::Daytime, Self::Rfc868];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ctime => "ctime",
            Self::Rfc3339 => "rfc3339",
            Self::Unix => "unix",
            Self::UnixMs => "unix-ms",
            Self::Daytime => "daytime",
            Self::Rfc868 => "rfc868",
        }
    }

    /// Whether it is all that its protocol says: there is no message around it.
    #[must_use]
    pub fn is_protocol(self) -> bool {
        matches!(self, Self::Daytime | Self::Rfc868)
    }

    /// Writes a moment, without a line end. One before 1970 is written as 1970.
    #[must_use]
    pub fn write(self, at: SystemTime) -> Vec<u8> {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let short = |name: &'static str| &name[..3];
        match self {
            Self::Ctime => {
                let Local { year, month, day, weekday, hour, minute, second, .. } = sys::local_time(at);
                let (weekday, month) = (short(DAYS[usize::from(weekday % 7)]), short(nth_month(month)));
                format!("{weekday} {month} {day:2} {hour:02}:{minute:02}:{second:02} {year}").into_bytes()
            }
            Self::Daytime => {
                let Local { year, month, day, weekday, hour, minute, second, zone } = sys::local_time(at);
                let (weekday, month) = (DAYS[usize::from(weekday % 7)], nth_month(month));
                format!("{weekday}, {month} {day}, {year} {hour:02}:{minute:02}:{second:02}-{zone}").into_bytes()
            }
            Self::Rfc3339 => rfc3339(i128::try_from(since.as_nanos()).unwrap_or(0)).into_bytes(),
            Self::Unix => since.as_secs().to_string().into_bytes(),
            Self::UnixMs => since.as_millis().to_string().into_bytes(),
            Self::Rfc868 => {
                let seconds = i64::try_from(since.as_secs()).unwrap_or(0) + FROM_1900;
                u32::try_from(seconds.rem_euclid(ERA)).unwrap_or(0).to_be_bytes().to_vec()
            }
        }
    }

    /// Reads what a server said: bare or behind `[message] `, with or without a line end. `near` says which era of
    /// RFC 868 is meant: the one nearest to it.
    #[must_use]
    pub fn read(self, said: &[u8], near: SystemTime) -> Option<Reading> {
        let second = Duration::from_secs(1);
        let reading = |nanos, precision, our_zone| Reading { nanos, precision, format: self, our_zone };
        if self == Self::Rfc868 {
            let seconds = i64::from(u32::from_be_bytes(said.try_into().ok()?)) - FROM_1900;
            let near = near.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
            // Rounded to the nearest whole number of eras.
            let eras = (near - seconds + ERA / 2).div_euclid(ERA);
            return Some(reading(in_nanos(seconds + eras * ERA), second, false));
        }
        let text = std::str::from_utf8(said).ok()?.trim_end_matches(['\r', '\n']);
        let text = if text.starts_with('[') { text.rsplit_once("] ")?.1 } else { text }.trim();
        match self {
            Self::Unix | Self::UnixMs => {
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                let number: u64 = text.parse().ok()?;
                if (number >= MILLISECONDS_FROM) != (self == Self::UnixMs) {
                    return None;
                }
                let (scale, precision) =
                    if self == Self::Unix { (1_000_000_000, second) } else { (1_000_000, Duration::from_millis(1)) };
                Some(reading(i128::from(number) * scale, precision, false))
            }
            Self::Rfc3339 => {
                let (nanos, precision) = read_rfc3339(text)?;
                Some(reading(nanos, precision, false))
            }
            Self::Ctime => {
                // Day, month, day of the month, clock, year. date(1) puts a zone before the year.
                let parts: Vec<&str> = text.split_ascii_whitespace().collect();
                let ([weekday, month, day, clock, year], zone) = match parts[..] {
                    [a, b, c, d, zone, e] => ([a, b, c, d, e], Some(zone)),
                    [a, b, c, d, e] => ([a, b, c, d, e], None),
                    _ => return None,
                };
                DAYS.iter().find(|name| &name[..3] == weekday)?;
                let month = MONTHS.iter().position(|name| &name[..3] == month)?;
                let (seconds, our_zone) = moment(year, month, day, clock, zone)?;
                Some(reading(in_nanos(seconds), second, our_zone))
            }
            Self::Daytime => {
                let (weekday, rest) = text.split_once(", ")?;
                DAYS.iter().find(|name| **name == weekday)?;
                let (month_day, rest) = rest.split_once(", ")?;
                let (month, day) = month_day.split_once(' ')?;
                let month = MONTHS.iter().position(|name| *name == month)?;
                let (year, rest) = rest.split_once(' ')?;
                let (clock, zone) = rest.split_at_checked(8)?;
                let zone = zone.strip_prefix('-').unwrap_or(zone).trim();
                let (seconds, our_zone) = moment(year, month, day, clock, Some(zone).filter(|zone| !zone.is_empty()))?;
                Some(reading(in_nanos(seconds), second, our_zone))
            }
            Self::Rfc868 => None,
        }
    }

    /// Reads it in whichever form fits. Any four bytes are a time of RFC 868, so four that are text have to be near
    /// the time that it is; and a number is only taken for a time since 1973, when they came to have nine digits.
    #[must_use]
    pub fn guess(said: &[u8], near: SystemTime) -> Option<Reading> {
        let text = said.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        let decade = i128::from(10 * 365 * 24 * 60 * 60) * 1_000_000_000;
        let now = near.duration_since(UNIX_EPOCH).map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
        Self::ALL.into_iter().filter_map(|format| format.read(said, near)).find(|reading| match reading.format {
            Self::Rfc868 => !text || (reading.nanos - now).abs() < decade,
            Self::Unix => reading.nanos >= in_nanos(100_000_000),
            _ => true,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn nth_month(month: u8) -> &'static str {
    MONTHS[usize::from(month.clamp(1, 12)) - 1]
}

fn in_nanos(seconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000
}

/// The moment that a calendar (the month from 0) and a clock show, in seconds since 1970, and whether it had to be
/// read in our zone.
fn moment(year: &str, month: usize, day: &str, clock: &str, zone: Option<&str>) -> Option<(i64, bool)> {
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        let plain = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    let year = i64::from(number(year, 4..=4)?);
    let month = u8::try_from(month + 1).ok()?;
    let day = u8::try_from(number(day, 1..=2)?).ok().filter(|day| (1..=31).contains(day))?;
    let mut parts = clock.split(':').map(|part| number(part, 2..=2).and_then(|part| u8::try_from(part).ok()));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let offset = zone.and_then(zone_offset);
    match offset {
        Some(offset) => Some((utc(year, month, day, hour, minute, second) - offset, false)),
        None => Some((sys::from_local(year, month, day, hour, minute, second)?, true)),
    }
}

/// Seconds east of Greenwich: `+0800`, `+08:00`, or a name that means one thing only. Where our own zone goes by the
/// name, that is meant.
fn zone_offset(zone: &str) -> Option<i64> {
    if let Some(digits) = zone.strip_prefix(['+', '-']) {
        let digits = digits.replace(':', "");
        let number: i64 = (digits.len() == 4).then(|| digits.parse().ok()).flatten()?;
        let seconds = (number / 100 * 60 + number % 100) * 60;
        return Some(if zone.starts_with('-') { -seconds } else { seconds });
    }
    if sys::local_time(SystemTime::now()).zone == zone {
        return None;
    }
    ZONES.iter().find(|(name, _)| *name == zone).map(|(_, hours)| hours * 3600)
}

/// Seconds since 1970 of a date and time in UTC. Days by the algorithm of Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", days_from_civil.
fn utc(year: i64, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    days * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)
}

/// `2019-12-09T09:06:41.250Z` of nanoseconds since 1970; to the millisecond, a whole second without. One before 1970
/// is written as 1970.
#[must_use]
pub fn rfc3339(nanos: i128) -> String {
    let nanos = u64::try_from(nanos).unwrap_or(0);
    let at = UNIX_EPOCH + Duration::from_nanos(nanos);
    if nanos % 1_000_000_000 == 0 {
        humantime::format_rfc3339_seconds(at).to_string()
    } else {
        humantime::format_rfc3339_millis(at).to_string()
    }
}

/// Nanoseconds since 1970, and what the form leaves out.
fn read_rfc3339(text: &str) -> Option<(i128, Duration)> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let month = usize::from(u8::try_from(month.parse::<u16>().ok()?).ok()?).checked_sub(1).filter(|m| *m < 12)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("", rest),
    };
    if fraction.len() > 9 || (fraction.is_empty() && rest.starts_with('.')) {
        return None;
    }
    let zone = if zone == "z" { "Z" } else { zone };
    if zone != "Z" && !zone.starts_with(['+', '-']) {
        return None;
    }
    let zone = if zone == "Z" { "+0000" } else { zone };
    let (seconds, our_zone) = moment(year, month, day, clock, Some(zone))?;
    if our_zone {
        return None;
    }
    let nanos: i128 = format!("{fraction:0<9}").parse().ok()?;
    let precision = Duration::from_nanos(10u64.pow(9 - u32::try_from(fraction.len()).ok()?));
    Some((in_nanos(seconds) + nanos, precision))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const THEN: u64 = 1_575_882_401; // 2019-12-09T09:06:41Z

    #[test]
    fn what_is_written_reads_back() {
        // June, away from the hours that a change of the clocks doubles; and both sides of the end of an era.
        for seconds in [THEN, 1_781_000_000, 0x8000_0000, 2_085_978_495, 2_085_978_496, 4_000_000_000] {
            for format in Format::ALL {
                let said = format.write(at(seconds));
                let near = at(seconds + 1_000_000);
                let reading = format.read(&said, near).unwrap();
                assert_eq!(reading.nanos, in_nanos(seconds.cast_signed()), "{format} {said:?}");
                assert_eq!(Format::guess(&said, near), Some(reading), "{format} {said:?}");
            }
        }
    }

    #[test]
    fn rfc868_is_what_the_rfc_says() {
        // Its own examples: 2,208,988,800 is 1970, 2,398,291,200 is 1976.
        assert_eq!(Format::Rfc868.write(UNIX_EPOCH), 2_208_988_800u32.to_be_bytes());
        assert_eq!(Format::Rfc868.write(at(189_302_400)), 2_398_291_200u32.to_be_bytes());
        // The first second of the next era is 0, on 7 February 2036 at 06:28:16.
        assert_eq!(Format::Rfc868.write(at(2_085_978_496)), [0; 4]);
        assert_eq!(utc(2036, 2, 7, 6, 28, 16), 2_085_978_496);
        // A server that is behind by a little over the end of the era is behind by a little.
        let reading = Format::Rfc868.read(&[0xff; 4], at(2_085_978_500)).unwrap();
        assert_eq!(reading.nanos, in_nanos(2_085_978_495));
    }

    #[test]
    fn forms_of_others_are_read() {
        let then = in_nanos(THEN.cast_signed());
        for (said, nanos, format) in [
            ("[i am binary] 1575882401", then, Format::Unix),
            ("[a] b] 1575882401\n", then, Format::Unix),
            ("1575882401250\r\n", then + 250_000_000, Format::UnixMs),
            ("2019-12-09T09:06:41Z", then, Format::Rfc3339),
            ("2019-12-09T17:06:41.5+08:00\r\n", then + 500_000_000, Format::Rfc3339),
            ("2019-12-09 04:06:41-05:00", then, Format::Rfc3339),
            ("Mon Dec  9 01:06:41 PST 2019", then, Format::Ctime),
            ("Monday, December 9, 2019 09:06:41-GMT\r\n", then, Format::Daytime),
            ("Monday, December 9, 2019 17:06:41 +0800", then, Format::Daytime),
        ] {
            let reading = Format::guess(said.as_bytes(), at(THEN)).unwrap_or_else(|| panic!("{said}"));
            assert_eq!((reading.nanos, reading.format), (nanos, format), "{said}");
        }
        assert!(Format::guess(b"Mon Dec  9 17:06:41 2019\n", at(THEN)).unwrap().our_zone);
    }

    #[test]
    fn nonsense_is_no_time() {
        for said in [
            &b""[..],
            b"nope",
            b"hello there",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"Mon Dec  9 17:06:41 201",
            b"Mon Dec 99 17:06:41 2019",
            b"Mon Dec  9 27:06:41 2019",
            b"2019-13-09T09:06:41Z",
            b"2019-12-09T09:06:41.Z",
            b"2019-12-09T09:06:41",
            b"-1575882401",
            b"\xff\xff\xff",
            b"\xff\xff\xff\xff\xff",
            b"[",
            b"[x]",
            b"2020",
            b"404",
            "一二三四五六七八".as_bytes(),
        ] {
            assert_eq!(Format::guess(said, at(THEN)), None, "{:?}", String::from_utf8_lossy(said));
        }
    }
}
