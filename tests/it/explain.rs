//! `explain`: lines of nc, ncat and socat in our words, and that these do what theirs did.

use libtest_mimic::Trial;

use crate::support::{Ctx, Exit, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials!["explain";
        one_argument_or_many,
        notes_and_gaps_come_below,
        nothing_to_say_is_a_failure,
        unknown_words_show_the_place,
        a_relay_works,
    ]
}

fn explain(t: &Ctx, words: &[&str]) -> Exit {
    t.sockkit(&["explain"]).args(words).run(b"")
}

fn one_argument_or_many(t: &Ctx) {
    let wanted = "sockkit listen -k --exec /bin/cat :80\n";
    for words in [&["nc -l -k -p 80 -e /bin/cat"][..], &["nc", "-l", "-k", "-p", "80", "-e", "/bin/cat"]] {
        let exit = explain(t, words);
        let text = exit.code(0).stdout.text();
        assert!(text.starts_with(wanted), "{text}");
    }
    let exit = explain(t, &["socat", "TCP-LISTEN:80,fork", "SYSTEM:date; cat"]);
    assert!(exit.code(0).stdout.text().starts_with("sockkit listen -k --sh 'date; cat' :80\n"));
}

fn notes_and_gaps_come_below(t: &Ctx) {
    let text = explain(t, &["nc -t host 80"]).code(0).stdout.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "sockkit connect host:80");
    assert!(lines[1].starts_with("note: without -N"), "{text}");
    assert!(lines[2].starts_with("cannot: -t: "), "{text}");
}

fn nothing_to_say_is_a_failure(t: &Ctx) {
    let text = explain(t, &["socat - DTLS:host:443"]).code(1).stdout.text();
    assert!(text.starts_with("cannot: DTLS: no DTLS"), "{text}");
}

fn unknown_words_show_the_place(t: &Ctx) {
    explain(t, &["telnet host 80"]).code(2).stdout("").says(&["telnet host 80\n  ^^^^^^\n", "socat"]);
    explain(t, &["nc -Q host 80"]).code(2).stdout("").says(&["nc -Q host 80\n     ^^\n"]);
    explain(t, &["nc", "-l"]).code(2).stdout("").says(&["nc -l\n       ^\n"]);
    explain(t, &["nc 'x"]).code(2).stdout("").says(&["quote"]);
    explain(t, &["nc -I lots host 80"]).code(2).stdout("").says(&["lots"]);
    explain(t, &[]).code(2).stdout("");
}

fn a_relay_works(t: &Ctx) {
    let echo = t.sockkit(&["echo", "127.0.0.1:0"]).server();
    let line = format!("socat TCP-LISTEN:0,bind=127.0.0.1,fork TCP:{}", echo.addr());
    let text = explain(t, &[&line]).code(0).stdout.text();
    let ours = text.lines().next().unwrap().strip_prefix("sockkit ").unwrap();
    assert!(ours.starts_with("relay "), "{text}");
    let words: Vec<&str> = ours.split_whitespace().collect();
    let relay = t.sockkit(&[]).args(&words).server();
    t.connect(&["-q", relay.addr()]).run(b"through\n").code(0).stdout("through\n");
}
