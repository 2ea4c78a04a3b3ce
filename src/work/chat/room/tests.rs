use super::*;

const RULES: Rules = Rules {
    name_limit: 8,
    line_limit: 100,
    history: 2,
    password: None,
    rate: 20,
    burst: 40,
    queue: 4096,
    record: true,
};

/// Rooms, and what a test asks of them.
struct Hall(Rooms);

impl Hall {
    fn new(rules: Rules) -> Self {
        Self(Rooms::new(rules))
    }

    fn enter(&mut self) -> Seat {
        self.0.enter(Instant::now())
    }

    /// Somebody with a name, who has read what there was to read.
    fn person(&mut self, name: &str) -> Seat {
        let seat = self.enter();
        assert_eq!(self.says(seat, name), Flow::On);
        self.hears(seat);
        seat
    }

    fn says(&mut self, seat: Seat, line: &str) -> Flow {
        self.0.line(seat, line.as_bytes(), false)
    }

    fn hears(&mut self, seat: Seat) -> String {
        let mut heard = String::new();
        while !self.0.is_drained(seat) {
            let mut write = |slices: &[io::IoSlice<'_>]| {
                let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                heard.push_str(std::str::from_utf8(&bytes).unwrap());
                Ok(bytes.len())
            };
            self.0.write(seat, &mut write).unwrap();
        }
        heard
    }

    /// What waits for somebody, in bytes.
    fn waits(&mut self, seat: Seat) -> usize {
        let member = self.0.members[seat].as_ref().unwrap();
        member.queue.size(log_of(&self.0.rooms, &member.room))
    }
}

#[test]
fn names_are_asked_for_until_one_will_do() {
    let mut hall = Hall::new(RULES);
    let bob = hall.enter();
    assert_eq!(hall.hears(bob), "name: ");
    hall.says(bob, " Bob ");
    assert_eq!(hall.hears(bob), "-- you are Bob in lobby; nobody else is here; /help lists the commands\n");
    let other = hall.enter();
    for (name, answer) in [
        ("bOB", "-- bOB is taken\n"),
        ("123456789", "-- a name has at most 8 characters\n"),
        ("a b", "-- a name has no spaces\n"),
        ("\u{1b}c", "-- a name has no control characters, and none that are not seen\n"),
    ] {
        hall.hears(other);
        hall.says(other, name);
        assert_eq!(hall.hears(other), format!("{answer}name: "));
    }
    hall.0.line(other, b"\xff", false);
    assert_eq!(hall.hears(other), "-- a name is UTF-8\nname: ");
    assert_eq!(hall.hears(bob), "", "nobody hears of who has no name");
    hall.says(other, "");
    assert_eq!(hall.hears(other), "-- you are guest1 in lobby; here: Bob; /help lists the commands\n");
    assert_eq!(hall.hears(bob), "[lobby] -- guest1 joined\n");
    hall.0.leave(bob);
    assert_eq!(hall.hears(other), "[lobby] -- Bob left\n");
    hall.says(other, "/nick BOB");
    assert_eq!(hall.hears(other), "-- you are BOB now\n", "a name is free again");
    hall.says(other, "/nick bob");
    assert_eq!(hall.hears(other), "-- you are bob now\n", "one's own name is not taken");
}

#[test]
fn what_is_said_reaches_everybody_else_once() {
    let mut hall = Hall::new(RULES);
    let [a, b, c] = ["a", "b", "c"].map(|name| hall.person(name));
    for seat in [a, b, c] {
        hall.hears(seat);
    }
    for (line, heard) in [
        ("hello", "[lobby] <a> hello\n"),
        ("/me waves", "[lobby] * a waves\n"),
        ("//me waves", "[lobby] <a> /me waves\n"),
        ("\u{1b}[2J\rroot\u{202e}", "[lobby] <a> \\x1b[2J\\rroot\\u{202e}\n"),
        ("%n %s", "[lobby] <a> %n %s\n"),
        ("[lobby] <b> fake", "[lobby] <a> [lobby] <b> fake\n"),
        ("   ", ""),
    ] {
        hall.says(a, line);
        assert_eq!([b, c].map(|seat| hall.hears(seat)), [heard, heard]);
        assert_eq!(hall.hears(a), "");
    }
    hall.0.line(a, b"\xff\xe6\x94", false);
    assert_eq!(hall.hears(b), "[lobby] <a> \\xff\\xe6\\x94\n");
    let record = String::from_utf8(hall.0.take_record()).unwrap();
    let first: serde_json::Value = serde_json::from_str(record.lines().next().unwrap()).unwrap();
    assert_eq!([&first["room"], &first["name"], &first["text"], &first["kind"]], ["lobby", "a", "hello", "say"]);
    assert_eq!(record.lines().count(), 7);
}

#[test]
fn commands() {
    let mut hall = Hall::new(RULES);
    let [a, b] = ["a", "b"].map(|name| hall.person(name));
    hall.hears(a);
    for (line, own, other) in [
        ("/who", "-- in lobby: a, b\n", ""),
        ("/msg B  psst ", "-> <b> psst\n", "<a> psst\n"),
        ("/msg b", "-- /msg NAME TEXT\n", ""),
        ("/msg zoe hi", "-- nobody is called zoe\n", ""),
        ("/me", "-- /me TEXT\n", ""),
        ("/what now", "-- unknown command /what; /help lists them\n", ""),
        ("/\u{1b}[2J", "-- unknown command /\\x1b[2J; /help lists them\n", ""),
        ("/help", HELP, ""),
        ("/nick", "-- a name has at least one character\n", ""),
        ("/nick b", "-- b is taken\n", ""),
        ("/nick al", "-- you are al now\n", "[lobby] -- a is now al\n"),
        ("/join", "-- rooms: lobby (2)\n", ""),
        ("/join a]b", "-- a name has no brackets\n", ""),
        ("/join Lobby", "-- lobby is where you are\n", ""),
        ("/join den", "-- you are al in den; nobody else is here; /help lists the commands\n", "[lobby] -- al left\n"),
        ("alone", "", ""),
        ("/join", "-- rooms: den (1), lobby (1)\n", ""),
    ] {
        assert_eq!(hall.says(a, line), Flow::On);
        assert_eq!((&*hall.hears(a), &*hall.hears(b)), (own, other), "{line}");
    }
    hall.says(b, "/join den");
    let den = "-- you are b in den; here: al; /help lists the commands\n-- history: 1 line\n[den] <al> alone\n";
    assert_eq!((hall.hears(b), &*hall.hears(a)), (den.to_owned(), "[den] -- b joined\n"));
    assert_eq!(hall.says(b, "/quit so long\u{7}"), Flow::Quit);
    assert_eq!(hall.hears(a), "[den] -- b left (so long\\x07)\n");
    hall.0.leave(a);
    let c = hall.person("c");
    hall.says(c, "/join den");
    assert!(!hall.hears(c).contains("history"), "a room that nobody is in is forgotten");
}

#[test]
fn history_is_told_to_who_joins_and_is_bounded() {
    let mut hall = Hall::new(RULES);
    let a = hall.person("a");
    for line in ["one", "two", "/me three"] {
        hall.says(a, line);
    }
    let b = hall.enter();
    hall.says(b, "b");
    let (_, rest) = hall.hears(b).split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(rest, "-- history: 2 lines\n[lobby] <a> two\n[lobby] * a three\n");
    // In bytes too: no newcomer falls behind before it could read.
    let mut hall = Hall::new(Rules { history: 1000, ..RULES });
    let a = hall.person("a");
    for _ in 0..1000 {
        hall.says(a, &"x".repeat(80));
    }
    let b = hall.enter();
    hall.says(b, "b");
    assert!(hall.waits(b) < RULES.queue);
    assert!(hall.hears(b).contains("-- history: 16 lines\n"));
}

#[test]
fn the_password_is_asked_three_times() {
    let mut hall = Hall::new(Rules { password: Some(b"open sesame".to_vec()), ..RULES });
    let a = hall.enter();
    assert_eq!(hall.hears(a), "password: ");
    for _ in 0..2 {
        assert!(hall.0.is_secret(a));
        assert_eq!(hall.says(a, "open"), Flow::On);
        assert_eq!(hall.hears(a), "-- wrong password\npassword: ");
    }
    assert_eq!(hall.says(a, ""), Flow::Quit);
    assert_eq!(hall.hears(a), "-- wrong password: goodbye\n");
    let b = hall.enter();
    hall.says(b, "open sesame");
    assert!(!hall.0.is_secret(b));
    assert!(hall.hears(b).ends_with(ASK_NAME));
    for (guess, is) in [("", false), ("open sesam", false), ("open sesameo", false), ("open sesame", true)] {
        assert_eq!(same(b"open sesame", guess.as_bytes()), is, "{guess}");
    }
}

#[test]
fn who_reads_nothing_is_told_and_dropped_and_nobody_else_is() {
    let mut hall = Hall::new(RULES);
    let [a, b, c] = ["a", "b", "c"].map(|name| hall.person(name));
    for seat in [a, b, c] {
        hall.hears(seat);
    }
    // Part of a line has gone; its rest has to come before anything else.
    hall.says(a, "first");
    hall.0.write(c, &mut |_| Ok(3)).unwrap();
    let line = "x".repeat(90);
    let mut most = 0;
    for _ in 0..100 {
        hall.says(a, &line);
        hall.hears(b);
        most = most.max(hall.waits(c));
    }
    assert!(most <= RULES.queue, "{most}");
    assert!(hall.0.fell(c, Waker::noop(), &|| 0) && !hall.0.fell(b, Waker::noop(), &|| 0));
    assert_eq!(hall.hears(c), "bby] <a> first\n-- you fell behind by more than 4 KiB: goodbye\n");
    assert_eq!(hall.hears(a), "[lobby] -- c left (fell behind)\n");
    // Who asks for much and reads nothing is no better.
    for _ in 0..100 {
        hall.says(b, "/help");
    }
    assert!(hall.0.fell(b, Waker::noop(), &|| 0));
    hall.0.free(b);
    hall.0.free(c);
    let [d, e] = ["b", "c"].map(|name| hall.person(name));
    assert_eq!((d.min(e), d.max(e)), (b.min(c), b.max(c)), "places are taken again");
}

#[test]
fn a_client_has_a_rate() {
    let mut hall = Hall::new(RULES);
    let a = hall.person("a");
    let now = Instant::now();
    let mut sent = 0;
    while hall.0.admit(a, now).is_ok() {
        hall.says(a, "hi");
        sent += 1;
    }
    assert!((39..=40).contains(&sent), "{sent}");
    let told = "-- too fast: 20 lines a second are the most; yours wait their turn\n";
    assert_eq!(hall.hears(a), told);
    assert!(hall.0.admit(a, now + Duration::from_millis(10)).is_err());
    assert_eq!(hall.hears(a), "", "once");
    assert!(hall.0.admit(a, now + Duration::from_millis(60)).is_ok());
}

#[test]
fn the_end_is_told_to_all_and_their_leaving_to_nobody() {
    let mut hall = Hall::new(RULES);
    let [a, b] = ["a", "b"].map(|name| hall.person(name));
    hall.hears(a);
    hall.0.close();
    hall.0.close();
    hall.0.leave(b);
    assert_eq!(hall.hears(a), "-- the server ends\n");
}
