//! The flags of socket options: one for each row of the table, under the heading "Socket".

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::net::options::{Opt, Options, TABLE, Takes, Value};

/// The heading of these flags in the help.
pub const HEADING: &str = "Socket";

/// The flags of socket options. Flatten it into the arguments of a subcommand.
#[derive(Debug, Clone, Default)]
pub struct SocketOptions {
    options: Options,
}

impl SocketOptions {
    /// What was chosen. Whether it fits the socket is asked where the socket is known: [`Options::check`].
    #[must_use]
    pub fn options(&self) -> Options {
        self.options.clone()
    }

    /// The same group with other choices.
    #[must_use]
    pub fn only(&self, options: Options) -> Self {
        Self { options }
    }
}

impl Args for SocketOptions {
    fn augment_args(command: Command) -> Command {
        command.args(TABLE.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SocketOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut new = Self::default();
        new.update_from_arg_matches(matches)?;
        Ok(new)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for opt in TABLE {
            let values: Vec<Value> = if opt.takes == Takes::Flag {
                matches.get_flag(opt.name).then_some(Value::Switch(true)).into_iter().collect()
            } else {
                matches.get_many(opt.name).into_iter().flatten().cloned().collect()
            };
            for value in values {
                self.options
                    .choose(opt.name, value)
                    .map_err(|error| clap::Error::raw(ErrorKind::ArgumentConflict, format!("{}\n", error.cause)))?;
            }
        }
        Ok(())
    }
}

fn flag(opt: &'static Opt) -> Arg {
    let arg = Arg::new(opt.name)
        .long(opt.name)
        .help(help(opt))
        .help_heading(HEADING)
        .conflicts_with_all(opt.conflicts.iter().copied());
    if opt.takes == Takes::Flag {
        return arg.action(ArgAction::SetTrue);
    }
    let arg = arg
        .value_name(opt.value_name)
        .value_parser(RowParser(opt))
        .hide_possible_values(true)
        // So that -1 is answered by the reader of the value and not taken for a flag.
        .allow_negative_numbers(true)
        .action(if opt.repeats { ArgAction::Append } else { ArgAction::Set });
    match opt.missing {
        Some(missing) => arg.num_args(0..=1).require_equals(true).default_missing_value(missing),
        None => arg,
    }
}

/// The help of the table, and the kernel's own names, for whoever knows them.
fn help(opt: &Opt) -> String {
    let mut help = String::with_capacity(160);
    help.push_str(opt.help);
    let mut last = "";
    for (_, name) in opt.constants.iter().filter(|(_, name)| !name.contains('(')) {
        if *name != last {
            help.push_str(if last.is_empty() { " [" } else { ", " });
            help.push_str(name);
            last = name;
        }
    }
    if !last.is_empty() {
        help.push(']');
    }
    help
}

/// Reads the value of a row, and offers the values worth offering to completion.
#[derive(Clone)]
struct RowParser(&'static Opt);

impl TypedValueParser for RowParser {
    type Value = Value;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Value, clap::Error> {
        let text = value.to_string_lossy();
        self.0.parse(Some(&text)).map_err(|misread| {
            let message = format!("--{}: {misread}\n", self.0.name);
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let known = if self.0.known.is_empty() { self.0.takes.choices() } else { self.0.known.to_vec() };
        (!known.is_empty()).then(|| Box::new(known.into_iter().map(PossibleValue::new)) as Box<_>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt as _;
    use std::time::Duration;

    use crate::net::options::Keepalive;

    fn command() -> Command {
        SocketOptions::augment_args(Command::new("sockkit").arg(Arg::new("address")))
    }

    fn read(arguments: &[&str]) -> Result<Options, clap::Error> {
        let matches = command().try_get_matches_from([&["sockkit"], arguments].concat())?;
        SocketOptions::from_arg_matches(&matches).map(|socket| socket.options())
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_row_is_in_the_help_under_the_heading() {
        let help = command().term_width(1000).render_long_help().to_string();
        let (_, section) = help.split_once("\nSocket:\n").expect("the heading");
        for opt in TABLE {
            assert!(section.contains(&format!("--{}", opt.name)), "{} is missing:\n{help}", opt.name);
            assert!(section.contains(opt.help), "{}'s help is missing:\n{help}", opt.name);
        }
    }

    #[test]
    fn every_sample_is_taken_by_its_flag() {
        for opt in TABLE {
            for sample in opt.samples {
                let argument = match opt.takes {
                    Takes::Flag => format!("--{}", opt.name),
                    _ => format!("--{}={sample}", opt.name),
                };
                let options = read(&[&argument]).unwrap_or_else(|error| panic!("{argument}: {error}"));
                assert_eq!(options.value(opt.name), Some(&opt.parse(Some(sample)).unwrap()), "{argument}");
            }
        }
    }

    #[test]
    fn a_value_may_be_left_out_where_the_help_says_so() {
        let options = read(&["--keepalive", "--reuseaddr=no", "--v6only", "::"]).unwrap();
        assert_eq!(options.value("keepalive"), Some(&Value::Keepalive(Keepalive::default())));
        assert_eq!(options.value("reuseaddr"), Some(&Value::Switch(false)));
        assert_eq!(options.value("v6only"), Some(&Value::Switch(true)));
        assert_eq!(options.value("nodelay"), None);
        let options = read(&["--keepalive=60,10", "--rcvbuf", "64K"]).unwrap();
        let keepalive =
            Keepalive { idle: Some(Duration::from_secs(60)), interval: Some(Duration::from_secs(10)), count: None };
        assert_eq!(options.value("keepalive"), Some(&Value::Keepalive(keepalive)));
        assert_eq!(options.value("rcvbuf"), Some(&Value::Size(65_536)));
    }

    #[test]
    fn bad_values_are_usage_errors_with_a_caret() {
        for (flag, text, column) in [
            ("backlog", "-1", 0),
            ("backlog", "2147483648", 0),
            ("backlog", "NaN", 0),
            ("backlog", "", 0),
            ("backlog", "1e18", 1),
            ("reuseaddr", "maybe", 0),
            ("keepalive", "60,0", 3),
            ("keepalive", "60,10,3,4", 8),
            ("keepalive", "60,10,128", 6),
            ("keepalive", "60,,3", 3),
            ("rcvbuf", "64q", 2),
            ("rcvbuf", "2g", 0),
            ("rcvbuf", "-1", 0),
            ("sndbuf", "99999999999999999999", 0),
            ("linger", "1e18", 1),
            ("linger", "-1", 0),
            ("linger", "69y", 0),
            ("ttl", "0", 0),
            ("ttl", "256", 0),
            ("tos", "0x100", 0),
            ("dscp", "af44", 0),
            ("dscp", "64", 0),
            ("mark", "4294967296", 0),
            ("interface", "", 0),
            ("interface", "a b", 1),
            ("interface", "sixteen-bytes-no", 0),
            ("mss", "87", 0),
            ("user-timeout", "25days", 0),
            ("join", "10.0.0.1", 0),
            ("join", "239.0.0.1%", 10),
            ("opt", "socket", 6),
            ("opt", "SO_RCVBUF=1", 0),
            ("opt", "sock:SO_RCVBUF=1", 0),
            ("opt", "socket:SO_RCVBUFF=1", 7),
            ("opt", "socket:SO_RCVBUF=", 17),
            ("opt", "socket:SO_RCVBUF=1k", 17),
            ("opt", "socket:SO_RCVBUF=4294967296", 17),
            ("opt", "1:2=hex:0", 8),
        ] {
            let error = read(&[&format!("--{flag}={text}")]).expect_err(text);
            assert_eq!(error.exit_code(), 2, "--{flag}={text}");
            let message = error.to_string();
            let caret = format!("\n  {text}\n  {}^", " ".repeat(column));
            assert!(message.contains(&caret), "--{flag}={text}: {message}");
            assert!(message.contains(&format!("--{flag}: ")), "{message}");
        }
    }

    #[test]
    fn what_is_not_unicode_is_a_usage_error() {
        let argument = OsString::from_vec(b"--rcvbuf=\xff1".to_vec());
        let error = command().try_get_matches_from([OsString::from("sockkit"), argument]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("\n  \u{fffd}1\n  ^"), "{error}");
    }

    #[test]
    fn a_negative_number_is_read_as_a_value() {
        let message = read(&["--backlog", "-1"]).unwrap_err().to_string();
        assert!(message.contains("from 0 to 2147483647"), "{message}");
    }

    #[test]
    fn two_ways_to_say_one_thing_conflict() {
        assert_eq!(read(&["--tos", "16", "--dscp", "ef"]).unwrap_err().kind(), ErrorKind::ArgumentConflict);
    }

    #[test]
    fn completion_knows_the_names() {
        let command = command();
        let choices = |name: &str| {
            let arg = command.get_arguments().find(|arg| arg.get_id() == name).unwrap();
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect::<Vec<_>>()
        };
        assert!(choices("dscp").contains(&"ef".to_owned()));
        assert!(choices("congestion").contains(&"cubic".to_owned()));
        assert_eq!(choices("v6only"), ["yes", "no"]);
        assert!(choices("rcvbuf").is_empty());
    }
}
