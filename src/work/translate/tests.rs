//! The lines that people know, and ours.

use super::*;

/// Theirs and ours; empty where there is none. That ours are lines of this program is tested where those are known.
pub(crate) const IDIOMS: &[(&str, &str)] = &[
    // nc, servers.
    ("nc -l 80", "sockkit listen :80"),
    ("nc -l -p 80", "sockkit listen :80"),
    ("nc -lp 80", "sockkit listen :80"),
    ("nc -lvnp 4444", "sockkit listen :4444"),
    ("nc -lk 80", "sockkit listen -k :80"),
    ("nc -l -p 80 -k", "sockkit listen -k :80"),
    ("nc -l 127.0.0.1 80", "sockkit listen 127.0.0.1:80"),
    ("nc -l ::1 80", "sockkit listen '[::1]:80'"),
    ("nc -4 -l 80", "sockkit listen -4 :80"),
    ("nc -6l 80", "sockkit listen -6 :80"),
    ("nc -lu 5353", "sockkit listen -u :5353"),
    ("nc -ukl 5353", "sockkit listen -u -k :5353"),
    ("nc -lU /tmp/s", "sockkit listen unix:/tmp/s"),
    ("nc -luU /tmp/s", "sockkit listen unix-dgram:/tmp/s"),
    ("nc -l -w 5 80", "sockkit listen -i 5 :80"),
    ("nc.traditional -l -w 5 -p 80", "sockkit listen --accept-timeout 5 :80"),
    ("nc -ld 80", "sockkit listen --recv-only :80"),
    ("nc -l -p 80 -e /bin/cat", "sockkit listen --exec /bin/cat :80"),
    ("nc -lp 80 -c 'tee log'", "sockkit listen --sh 'tee log' :80"),
    ("nc.traditional -l -p 80 10.0.0.1", "sockkit listen --allow 10.0.0.1 :80"),
    ("nc -l 80 > file", "sockkit listen :80 > file"),
    ("nc -l 80 < file", "sockkit listen :80 < file"),
    ("nc -l 80 | tar x", "sockkit listen :80 | tar x"),
    ("sudo nc -l 80 &", "sudo sockkit listen :80 &"),
    // nc, clients.
    ("nc host 80", "sockkit connect host:80"),
    ("/usr/bin/nc host http", "sockkit connect host:http"),
    ("netcat -N host 80", "sockkit connect host:80"),
    ("nc -z host 80", "sockkit connect -z host:80"),
    ("nc -zv host 80", "sockkit connect -z host:80"),
    ("nc -vz -w 3 host 80", "sockkit connect -z -w 3 host:80"),
    ("nc -zw1 host 22", "sockkit connect -z -w 1 host:22"),
    ("nc -zuv host 53", "sockkit connect -u -z host:53"),
    ("nc -z host 20-30", "sockkit connect -z host:20"),
    ("nc -w 3 host 80", "sockkit connect -w 3 -i 3 host:80"),
    ("nc -q 1 host 80", "sockkit connect --linger-after-eof 1 host:80"),
    ("nc -q -1 host 80", "sockkit connect host:80"),
    ("nc -q0 host 80", "sockkit connect --linger-after-eof 0 host:80"),
    ("nc -u host 514", "sockkit connect -u host:514"),
    ("nc -u -w1 host 514", "sockkit connect -u -w 1 -i 1 host:514"),
    ("nc -ub 192.168.0.255 9", "sockkit connect -u --broadcast 192.168.0.255:9"),
    ("nc -U /run/s.sock", "sockkit connect unix:/run/s.sock"),
    ("nc -uU /run/s.sock", "sockkit connect unix-dgram:/run/s.sock"),
    ("nc -d host 80", "sockkit connect --recv-only host:80"),
    ("nc -s 10.0.0.1 -p 4000 host 80", "sockkit connect --source 10.0.0.1:4000 host:80"),
    ("nc -p 4000 host 80", "sockkit connect --source :4000 host:80"),
    ("nc -s ::1 ::1 80", "sockkit connect --source ::1 '[::1]:80'"),
    ("nc -C host 25", "sockkit connect --crlf host:25"),
    ("nc -I 65536 -O 65536 -M 4 host 80", "sockkit connect --rcvbuf 65536 --sndbuf 65536 --ttl 4 host:80"),
    ("nc -T lowdelay host 80", "sockkit connect --tos 16 host:80"),
    ("nc -T ef host 80", "sockkit connect --dscp ef host:80"),
    ("nc -m 255 -D host 179", "sockkit connect --opt 'ip:21=255' --opt 'socket:1=1' host:179"),
    ("nc -X 5 -x proxy:1080 host 80", "sockkit connect --proxy socks5h://proxy:1080 host:80"),
    ("nc -x proxy -X connect host 80", "sockkit connect --proxy http://proxy:3128 host:80"),
    ("nc -X 4 -x proxy -P bob host 80", "sockkit connect --proxy socks4://bob@proxy host:80"),
    ("nc -P b:b -X connect -x proxy host 80", "sockkit connect --proxy 'http://b%3Ab@proxy:3128' host:80"),
    ("nc -6 -N fe80::1%eth0 80", "sockkit connect -6 '[fe80::1%eth0]:80'"),
    ("echo hello | nc -N host 80", "echo hello | sockkit connect host:80"),
    ("tar c . | nc -q 0 host 80 > log", "tar c . | sockkit connect --linger-after-eof 0 host:80 > log"),
    ("timeout 5 nc -z host 80", "timeout 5 sockkit connect -z host:80"),
    ("until nc -z host 80; do sleep 1; done", "until sockkit connect -z host:80 ; do sleep 1 ; done"),
    ("while true; do nc -l 80 < f; done", "while true ; do sockkit listen :80 < f ; done"),
    ("printf 'a;b'|nc -q1 host 80|tee log", "printf 'a;b' | sockkit connect --linger-after-eof 1 host:80 | tee log"),
    ("nc host 80 -e /bin/sh", "sockkit connect host:80"),
    // ncat.
    ("ncat -l", "sockkit listen :31337"),
    ("ncat -l 80", "sockkit listen :80"),
    ("ncat -lkp 80", "sockkit listen -k :80"),
    ("ncat -l localhost 80", "sockkit listen localhost:80"),
    ("ncat -l -k -m 10 --allow 10.0.0.0/8", "sockkit listen -k -m 10 --allow 10.0.0.0/8 :31337"),
    ("ncat -lk -e /bin/cat 80", "sockkit listen -k --exec /bin/cat :80"),
    ("ncat -l 80 --keep-open --sh-exec 'date'", "sockkit listen -k --sh date :80"),
    ("ncat --exec=/bin/cat -kl 80", "sockkit listen --exec /bin/cat -k :80"),
    ("ncat host", "sockkit connect host:31337"),
    ("ncat host 80", "sockkit connect host:80"),
    ("ncat -C host 80", "sockkit connect --crlf host:80"),
    ("ncat --send-only host 80 < f", "sockkit connect --send-only host:80 < f"),
    ("ncat --recv-only -l 80 > f", "sockkit listen --recv-only :80 > f"),
    ("ncat -w 3 -i 500ms host 80", "sockkit connect -w 3 -i 500ms host:80"),
    ("ncat -z host 80", "sockkit connect -z host:80"),
    ("ncat -U /tmp/s", "sockkit connect unix:/tmp/s"),
    ("ncat -lU /tmp/s", "sockkit listen unix:/tmp/s"),
    ("ncat --vsock 2 1234", "sockkit connect vsock:2:1234"),
    ("ncat -u host 53", "sockkit connect -u host:53"),
    ("ncat -p 4000 -s 10.0.0.1 host 80", "sockkit connect --source 10.0.0.1:4000 host:80"),
    ("ncat -o log --append-output host 80", "sockkit connect --output log --append host:80"),
    ("ncat --ssl host 443", "sockkit connect --tls --tls-insecure host:443"),
    ("ncat --ssl-verify --ssl-trustfile ca.pem host 443", "sockkit connect --tls-ca ca.pem --tls host:443"),
    ("ncat -lk --ssl 443", "sockkit listen -k --tls --tls-self-signed :443"),
    (
        "ncat -l --ssl-cert c.pem --ssl-key k.pem -c 'cat' 443",
        "sockkit listen --sh cat --tls-cert c.pem --tls-key k.pem --tls :443",
    ),
    ("ncat --proxy p:3128 --proxy-type http host 80", "sockkit connect --proxy http://p:3128 host:80"),
    ("ncat --proxy-type socks5 --proxy-dns local --proxy p host 80", "sockkit connect --proxy socks5://p host:80"),
    ("ncat --proxy p --proxy-auth u:p host 80", "sockkit connect --proxy http://p:3128 host:80"),
    ("ncat -l --broker 80", "sockkit chat serve --raw :80"),
    ("ncat -lk --chat --allow 10.0.0.0/8 80", "sockkit chat serve --allow 10.0.0.0/8 :80"),
    // socat.
    ("socat - TCP:host:80", "sockkit connect host:80"),
    ("socat STDIO TCP4:host:80", "sockkit connect -4 host:80"),
    ("socat - TCP6:[::1]:80", "sockkit connect -6 '[::1]:80'"),
    ("socat - tcp-connect:host:80,crnl", "sockkit connect --crlf host:80"),
    ("socat TCP-LISTEN:80 -", "sockkit listen :80"),
    ("socat - TCP-LISTEN:80,reuseaddr,fork", "sockkit listen -k :80"),
    ("socat TCP-LISTEN:80,bind=127.0.0.1,reuseaddr -", "sockkit listen 127.0.0.1:80"),
    ("socat TCP4-LISTEN:80,backlog=5 STDOUT", "sockkit listen -4 --backlog 5 :80"),
    ("socat TCP-LISTEN:80,reuseaddr,fork EXEC:cat", "sockkit listen -k --exec cat :80"),
    ("socat TCP-L:80,fork,max-children=4 EXEC:'cat -n'", "sockkit listen -k --exec 'cat -n' -m 4 :80"),
    ("socat TCP-LISTEN:80,fork SYSTEM:'date; cat'", "sockkit listen -k --sh 'date; cat' :80"),
    ("socat TCP-LISTEN:80,range=10.0.0.0/8 EXEC:date", "sockkit listen --exec date --allow 10.0.0.0/8 :80"),
    ("socat -u FILE:f TCP:host:80", "sockkit connect --send-only host:80 < f"),
    ("socat -u TCP-LISTEN:80 OPEN:f,creat,append", "sockkit listen --recv-only :80 >> f"),
    ("socat -u TCP-LISTEN:80,reuseaddr CREATE:f", "sockkit listen --recv-only :80 > f"),
    ("socat TCP-LISTEN:80,fork OPEN:/etc/motd", "sockkit listen -k --sh 'cat /etc/motd' :80"),
    ("socat -U TCP-LISTEN:80,fork FILE:page", "sockkit listen -k --sh 'cat page' :80"),
    ("socat PIPE TCP-LISTEN:7,fork", "sockkit echo :7"),
    ("socat TCP-LISTEN:7 PIPE", "sockkit echo --count 1 :7"),
    ("socat - UDP:host:53", "sockkit connect -u host:53"),
    ("socat - UDP4-DATAGRAM:10.255.255.255:9,broadcast", "sockkit connect -4 -u --broadcast 10.255.255.255:9"),
    ("socat -u UDP-RECV:514 -", "sockkit listen --recv-only -u :514"),
    ("socat UDP-LISTEN:53,fork EXEC:cat", "sockkit listen -k --exec cat -u :53"),
    ("socat - UNIX-CONNECT:/run/s", "sockkit connect unix:/run/s"),
    ("socat - ABSTRACT-CONNECT:name", "sockkit connect unix:@name"),
    ("socat UNIX-LISTEN:/run/s,mode=600,unlink-early -", "sockkit listen --mode 600 --unlink unix:/run/s"),
    ("socat - UNIX-SENDTO:/dev/log", "sockkit connect unix-dgram:/dev/log"),
    ("socat - VSOCK-CONNECT:2:1234", "sockkit connect vsock:2:1234"),
    ("socat READLINE TCP:host:80", "sockkit connect -I host:80"),
    ("socat -t 2 -T 30 - TCP:host:80", "sockkit connect --linger-after-eof 2 -i 30 host:80"),
    ("socat -d -d -x - TCP:host:80", "sockkit connect -v --hex host:80"),
    ("socat - TCP:host:80,bind=10.0.0.1,sourceport=4000", "sockkit connect --source 10.0.0.1:4000 host:80"),
    ("socat - TCP:host:80,connect-timeout=3,nodelay", "sockkit connect -w 3 --nodelay host:80"),
    ("socat - TCP:host:80,shut-none", "sockkit connect --no-shutdown host:80"),
    ("socat TCP-LISTEN:8080,fork,reuseaddr TCP:host:80", "sockkit relay :8080 host:80"),
    ("socat UNIX-LISTEN:/run/s,fork TCP:host:80", "sockkit relay unix:/run/s host:80"),
    (
        "socat TCP4-LISTEN:80,nodelay,backlog=5 TCP6:host:80,nodelay",
        "sockkit relay --count 1 --nodelay --backlog 5 tcp4://:80 tcp6://host:80",
    ),
    (
        "socat -T 5 UDP-LISTEN:53,fork UDP:host:53,bind=10.0.0.1",
        "sockkit relay -i 5 --source 10.0.0.1 udp://:53 udp://host:53",
    ),
    ("socat - OPENSSL:host:443", "sockkit connect --tls host:443"),
    ("socat - OPENSSL:host:443,verify=0", "sockkit connect --tls --tls-insecure host:443"),
    (
        "socat - SSL:host:443,cafile=ca.pem,cert=me.pem,key=me.key,commonname=www",
        "sockkit connect --tls --tls-cert me.pem --tls-key me.key --tls-ca ca.pem --tls-server-name www host:443",
    ),
    (
        "socat OPENSSL-LISTEN:443,cert=s.pem,verify=0,fork,reuseaddr EXEC:cat",
        "sockkit listen -k --exec cat --tls --tls-cert s.pem :443",
    ),
    (
        "socat OPENSSL-LISTEN:443,cert=s.pem,verify=0,fork TCP:host:80",
        "sockkit relay --tls --tls-cert s.pem :443 host:80",
    ),
    ("socat TCP-LISTEN:80,fork OPENSSL:host:443,verify=0", "sockkit relay --tls-originate --tls-insecure :80 host:443"),
    ("socat OPENSSL-LISTEN:443,cert=s.pem,fork OPENSSL:host:443,cert=c.pem", ""),
    ("socat - DTLS:host:443", ""),
    ("socat TCP:a:1 TCP:b:2", ""),
    ("socat TCP:host:80 EXEC:cat", ""),
    ("socat - PTY,link=/tmp/p", ""),
    ("socat - -", ""),
];

fn said(line: &str) -> Translation {
    translate(&split(line).unwrap()).unwrap_or_else(|misread| panic!("{line}: {misread}"))
}

#[test]
fn idioms_in_our_words() {
    assert!(IDIOMS.len() >= 60);
    let mut wrong = Vec::new();
    for (theirs, ours) in IDIOMS {
        let line = said(theirs).line().unwrap_or_default();
        if line != *ours {
            wrong.push(format!("{theirs}\n  {line}\n  not {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_differs_is_said() {
    for (line, word) in [
        ("nc host 80", "--no-shutdown"),
        ("nc -w 3 host 80", "idle"),
        ("nc -q 1 host 80", "--linger-after-eof"),
        ("nc -l -w 5 80", "--accept-timeout"),
        ("nc -zu host 53", "closed port"),
        ("nc -u host 53", "1 s after the last datagram"),
        ("nc -lu 53", "first peer"),
        ("nc -l 80", "IPv4"),
        ("ncat -lk 80", "one after another"),
        ("ncat -l --sh-exec date 80", "SOCKKIT_PEER_ADDR"),
        ("socat - TCP:host:80", "0.5 s"),
    ] {
        let notes = said(line).notes.join("\n");
        assert!(notes.contains(word), "{line}: {notes}");
    }
}

#[test]
fn what_has_no_word_is_named() {
    for (line, word) in [
        ("ncat -l --proxy-type http 3128", "--proxy-type: "),
        ("socat - SOCKS4A:p:host:80", "SOCKS4A: "),
        ("nc -z host 20-30", "seq 20 30"),
        ("nc -z host 22 80", "80: "),
        ("nc host 80 -e /bin/sh", "-e: "),
        ("nc -i 1 host 80", "-i: "),
        ("ncat -u --ssl host 443", "--ssl with -u: "),
        ("socat - DTLS:host:443", "DTLS: "),
        ("socat TCP:a:1 TCP:b:2", "two sockets of which none, or both, listen"),
        ("socat TCP-L:80,fork TCP:b:2,crnl", "--crlf: "),
        ("socat - TCP:host:80,lowport", "lowport: "),
        ("socat -,raw,echo=0 TCP:host:80", "raw: "),
        ("socat /dev/ttyS0,b9600 TCP-L:80", "b9600: "),
    ] {
        let cannot = said(line).cannot.join("\n");
        assert!(cannot.contains(word), "{line}: {cannot}");
    }
}

#[test]
fn what_is_not_known_is_shown() {
    for (line, place) in [
        ("telnet host 80", "telnet"),
        ("nc -Q host 80", "-Q"),
        ("nc -z --bogus host 80", "--bogus"),
        ("nc -w x host 80", "-w"),
        ("nc host x:y", "x:y"),
        ("nc host", ""),
        ("nc -l", ""),
        ("ncat --bogus host 80", "--bogus"),
        ("ncat --ss host", "--ss"),
        ("socat - BOGUS:x", "BOGUS:x"),
        ("socat -z - TCP:a:1", "-z"),
        ("socat - TCP:a:1 STDIO", "STDIO"),
        ("socat -", ""),
        ("", ""),
    ] {
        let misread = translate(&split(line).unwrap()).expect_err(line);
        assert_eq!(&misread.input[misread.at.clone()], place, "{line}");
    }
}

#[test]
fn any_line_is_taken() {
    for line in
        ["socat -é - -", "nc -é", "nc -", "socat '' ''", "socat -l - -", "nc -lp", "socat 'TCP:\\' -", "socat -b"]
    {
        let _ = translate(&split(line).unwrap());
    }
}
