//! Local time: localtime(3) and mktime(3), which no library in use wraps.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::time::{SystemTime, UNIX_EPOCH};

/// A moment as a calendar and a clock on the wall of the local zone show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The year, four digits or more.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 is Sunday.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60: there are leap seconds.
    pub second: u8,
    /// The abbreviation of the zone, `CST`; ASCII.
    pub zone: String,
}

/// The moment in the local zone. Moments before 1970 are shown as 1970.
#[must_use]
pub fn local_time(at: SystemTime) -> Local {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // The type is that of localtime_r, as the C library has it.
    let seconds = seconds.try_into().unwrap_or(0);
    let mut parts = MaybeUninit::zeroed();
    // SAFETY: localtime_r fills the struct it is given; tm is plain data, so zeroes are a value even if it failed.
    let tm: libc::tm = unsafe {
        libc::localtime_r(&seconds, parts.as_mut_ptr());
        parts.assume_init()
    };
    let zone = if tm.tm_zone.is_null() {
        String::new()
    } else {
        // SAFETY: not null, so localtime_r pointed it at a string of the C library that lives as long as the process.
        unsafe { CStr::from_ptr(tm.tm_zone) }.to_string_lossy().into_owned()
    };
    let small = |part: i32| u8::try_from(part).unwrap_or(0);
    Local {
        year: 1900 + i64::from(tm.tm_year),
        month: small(tm.tm_mon) + 1,
        day: small(tm.tm_mday),
        weekday: small(tm.tm_wday),
        hour: small(tm.tm_hour),
        minute: small(tm.tm_min),
        second: small(tm.tm_sec),
        zone,
    }
}

/// The moment, in seconds since 1970, at which the local zone shows this date and time. `None` when the C library
/// cannot tell. What a change of the clocks shows twice is one of the two; what it leaves out is the hour beside.
#[must_use]
pub fn from_local(year: i64, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> Option<i64> {
    // SAFETY: tm is plain data; zeroes are a value of it.
    let mut tm: libc::tm = unsafe { MaybeUninit::zeroed().assume_init() };
    tm.tm_year = i32::try_from(year - 1900).ok()?;
    tm.tm_mon = i32::from(month) - 1;
    tm.tm_mday = i32::from(day);
    tm.tm_hour = i32::from(hour);
    tm.tm_min = i32::from(minute);
    tm.tm_sec = i32::from(second);
    tm.tm_isdst = -1;
    // -1 is also the last second of 1969; a failure leaves the day of the week as it was.
    tm.tm_wday = -1;
    // SAFETY: a struct of our own, which mktime normalises in place.
    let seconds = unsafe { libc::mktime(&mut tm) };
    (tm.tm_wday >= 0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn there_and_back() {
        // In June: away from the hours that a change of the clocks doubles.
        let seconds = 1_781_000_000;
        let Local { year, month, day, hour, minute, second, .. } =
            local_time(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(from_local(year, month, day, hour, minute, second), i64::try_from(seconds).ok());
    }
}
