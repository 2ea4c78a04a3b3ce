# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sockkit_global_optspecs
    string join \n h/help V/version
end

function __fish_sockkit_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sockkit_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sockkit_using_subcommand
    set -l cmd (__fish_sockkit_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sockkit -n "__fish_sockkit_needs_command" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_needs_command" -s V -l version -d 'Print version'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "listen" -d 'Accept connections; talk through stdin and stdout, or a handler'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "connect" -d 'Open a connection; talk through stdin and stdout, or a line editor'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "echo" -d 'An echo server: sends back what comes, or misbehaves on purpose'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "time" -d 'A time server: answers each message with [message] and the time; or asks one'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "chat" -d 'A chat room for many people: serve one, or join it'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "wait" -d 'Wait until addresses accept connections, or stop accepting; then run a command'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "ping" -d 'Measure how long connections, or round trips over an echo, take'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "inspect" -d 'Show the sockets of this host: whose they are, in what state, what waits in them'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "relay" -d 'Forward between any two endpoints, with a screen and faults on demand'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "replay" -d 'Play a recorded session again and compare what comes back'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "doctor" -d 'Look this host over for settings that bite, or walk the path to an address'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "explain" -d 'Say a line of nc, ncat or socat in sockkit\'s words'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "completions" -d 'Print a completion script'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "man" -d 'Write the man pages'
complete -c sockkit -n "__fish_sockkit_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l count -d 'End after N sessions' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s m -l max-conns -d 'At most N sessions at once; the rest waits in the backlog [default: what the hard limit of descriptors allows, from 512 to 65536; of programs 64]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l grace -d 'Asked to end, give sessions so long to end themselves [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls-client-ca -d 'Ask each client for a certificate that one of those in FILE (PEM) signed' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls-handshake-timeout -d 'How long a handshake may take [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l allow -d 'Let only these networks in: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l deny -d 'Turn these networks away; beats --allow (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l proxy-protocol -d 'Every connection begins with a PROXY protocol header (version 1 or 2, as HAProxy and nginx send it), and its peer is the one that the header names; --allow and --deny are then about that one. Any client can say anything there: --proxy-protocol-from says who may' -r -f -a "accept\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l proxy-protocol-timeout -d 'Turn away who has not sent the whole header in this time [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l proxy-protocol-from -d 'Let only proxies in these networks connect: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l ready-file -d 'Once listening, write the bound address to this file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l ready-fd -d 'Once listening, write the bound address to this descriptor, and close it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l mode -d 'The permission bits of a socket file, from its first instant' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l accept-timeout -d 'Give up if nobody connects in this time' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l user -d 'Once bound, become this user, and this group instead of the user\'s own (names or numbers)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l chroot -d 'Once bound, have this directory for the root of all files' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s i -l idle-timeout -d 'End a connection on which nothing moves in either direction (2s, 500ms, 1m; a bare number is seconds)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l recv-timeout -d 'End a connection on which nothing is received' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l send-timeout -d 'End a connection on which nothing of what waits can be sent' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l reply -d 'Answer each message with TEXT (\\r \\n \\t \\0 \\\\ \\xNN)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l exec -d 'Run a program for each, without a shell: its stdin is what comes, its stdout is sent' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l sh -d 'The same with a line for /bin/sh' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l output-dir -d 'Write what comes to a file in DIR, one for each connection' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l greeting -d 'Send TEXT when somebody has connected (with any handler that talks)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l close-on -d 'End at this message, whatever its case, after answering it (with --reply, --discard, stdin and stdout)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l send -d 'Send TEXT (\\r \\n \\t \\0 \\\\ \\xNN; ${1} is what the last expression captured); may be repeated' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l expect -d 'Wait for a text or a /regex/; with --send in the order given, and may be repeated' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l script -d 'Run the commands of FILE (- is stdin), and end with what came of them' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l report -d 'Report each command in a form for test harnesses; TAP goes to stderr where no file is named' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l line-delay -d 'Pause before each command that sends, but the first' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l linger-after-eof -d 'After the end of stdin, go on for so long at the most (nc\'s -q)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l eol -d 'What ends each line typed in the REPL' -r -f -a "lf\t'LF, as on Unix'
crlf\t'CR LF, as SMTP and HTTP want it'
none\t'Nothing, as the tutorials\' servers want it'"
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l encoding -d 'The encoding of what is typed, and of what is shown on a terminal: latin1, gbk, ... [default: utf-8]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l output -d 'Copy the bytes of both directions to a file as they pass' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s k -l keep-open -d 'Go on after the first connection'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l stats -d 'At the end, tell how many sessions and bytes there were; SIGUSR1 asks at any time'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l tls-self-signed -d 'Make a certificate for this run, and say its fingerprint'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l unlink -d 'Take over a socket file that nobody serves any more'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l no-sandbox -d 'Do not have the kernel forbid what serving does not need: opening files, starting programs, other connections'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l discard -d 'Read and drop'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l close -d 'Say who came, and close'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l no-accept -d 'Accept nobody, and show the queue fill'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s I -l repl -d 'Talk through a line editor'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l line -d 'A message is a line, not what one read returns (with --reply, --discard)'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l keep-going -d 'Go on after a command that failed, and count'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l send-only -d 'Send only: write nothing that comes, take no notice of the peer\'s end'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l recv-only -d 'Receive only: read nothing from stdin, keep our side open until the peer ends'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l no-shutdown -d 'At the end of stdin, do not tell the peer (no FIN)'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l stay -d 'When the peer ends, go on until stdin ends'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l crlf -d 'Send CR LF for each LF of stdin'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -l append -d 'Add to the end of that file'
complete -c sockkit -n "__fish_sockkit_using_subcommand listen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s s -l source -d 'The local address to connect from' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l retry -d 'Keep trying for so long' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s w -l connect-timeout -d 'Give up if there is no connection in this time, resolving included [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l linger-after-eof -d 'After the end of stdin, go on for so long at the most (nc\'s -q)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s i -l idle-timeout -d 'End a connection on which nothing moves in either direction (2s, 500ms, 1m; a bare number is seconds)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l recv-timeout -d 'End a connection on which nothing is received' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l send-timeout -d 'End a connection on which nothing of what waits can be sent' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l eol -d 'What ends each line typed in the REPL' -r -f -a "lf\t'LF, as on Unix'
crlf\t'CR LF, as SMTP and HTTP want it'
none\t'Nothing, as the tutorials\' servers want it'"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l encoding -d 'The encoding of what is typed, and of what is shown on a terminal: latin1, gbk, ... [default: utf-8]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l output -d 'Copy the bytes of both directions to a file as they pass' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l send -d 'Send TEXT (\\r \\n \\t \\0 \\\\ \\xNN; ${1} is what the last expression captured); may be repeated' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l expect -d 'Wait for a text or a /regex/; with --send in the order given, and may be repeated' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l script -d 'Run the commands of FILE (- is stdin), and end with what came of them' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l report -d 'Report each command in a form for test harnesses; TAP goes to stderr where no file is named' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l line-delay -d 'Pause before each command that sends, but the first' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-ca -d 'Trust the certificates in FILE (PEM), in place of the system\'s' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-server-name -d 'Ask for this name, and verify it, in place of the address\'s' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-pin -d 'Accept just the certificate with this fingerprint' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l starttls -d 'Begin in the clear, in this protocol, and go on in TLS' -r -f -a "smtp\t''
lmtp\t''
imap\t''
pop3\t''
ftp\t''
nntp\t''
sieve\t''
xmpp\t''
ldap\t''
postgres\t''
mysql\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l proxy -d 'Go through this proxy: socks5://[USER[:PASSWORD]@]HOST[:PORT], socks5h:// (it resolves names), socks4://, socks4a://, http:// (CONNECT); env: the one that ALL_PROXY names, but for NO_PROXY. Every user of this host can read a password that stands here: --proxy-user-file and SOCKKIT_PROXY_PASSWORD are for it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l proxy-user-file -d 'The first line of this file is USER:PASSWORD for the proxy; the variables SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD do the same' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l proxy-protocol -d 'Begin each connection with a PROXY protocol header of this version, as HAProxy does with send-proxy: for a server that takes connections from proxies only' -r -f -a "v1\t''
v2\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l proxy-protocol-source -d 'Name this client in the header, and not our own address' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s z -l check -d 'Connect, say what happened, close'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l pipe -d 'Be a pipe, also at a terminal'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s I -l repl -d 'Talk through a line editor, also without a terminal'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l stats -d 'At the end, tell rates, round trips and who ended first; SIGUSR1 asks at any time'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l send-only -d 'Send only: write nothing that comes, take no notice of the peer\'s end'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l recv-only -d 'Receive only: read nothing from stdin, keep our side open until the peer ends'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l no-shutdown -d 'At the end of stdin, do not tell the peer (no FIN)'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l stay -d 'When the peer ends, go on until stdin ends'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l crlf -d 'Send CR LF for each LF of stdin'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l append -d 'Add to the end of that file'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l keep-going -d 'Go on after a command that failed, and count'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l tls-insecure -d 'Accept any certificate: whoever is on the way can read and change everything'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand connect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l delay -d 'Wait before each answer' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l chunk -d 'Answer in pieces of N bytes, each written on its own; of a datagram or packet, each one of its own' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l drip -d 'Answer no faster than so many bytes in so much time: 10/s, 1k/100ms' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l reset-after -d 'Reset the connection (RST) when N bytes have been answered, and have arrived (TCP)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l close-after -d 'Close the connection (FIN) when N bytes have been answered' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l stall -d 'Hang: answers: read and drop all, never answer; reads: do not even read' -r -f -a "answers\t''
reads\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l corrupt -d 'Flip a bit of each byte with this probability, 0 to 1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l seed -d 'Damage the same bytes as another run with this seed (-v tells it where none is given)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l count -d 'End after N sessions' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s m -l max-conns -d 'At most N sessions at once; the rest waits in the backlog [default: what the hard limit of descriptors allows, from 512 to 65536; of programs 64]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l grace -d 'Asked to end, give sessions so long to end themselves [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls-client-ca -d 'Ask each client for a certificate that one of those in FILE (PEM) signed' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls-handshake-timeout -d 'How long a handshake may take [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l allow -d 'Let only these networks in: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l deny -d 'Turn these networks away; beats --allow (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l proxy-protocol -d 'Every connection begins with a PROXY protocol header (version 1 or 2, as HAProxy and nginx send it), and its peer is the one that the header names; --allow and --deny are then about that one. Any client can say anything there: --proxy-protocol-from says who may' -r -f -a "accept\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l proxy-protocol-timeout -d 'Turn away who has not sent the whole header in this time [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l proxy-protocol-from -d 'Let only proxies in these networks connect: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l ready-file -d 'Once listening, write the bound address to this file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l ready-fd -d 'Once listening, write the bound address to this descriptor, and close it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l mode -d 'The permission bits of a socket file, from its first instant' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l accept-timeout -d 'Give up if nobody connects in this time' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l user -d 'Once bound, become this user, and this group instead of the user\'s own (names or numbers)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l chroot -d 'Once bound, have this directory for the root of all files' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s i -l idle-timeout -d 'End a connection on which nothing moves in either direction (2s, 500ms, 1m; a bare number is seconds)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l recv-timeout -d 'End a connection on which nothing is received' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l send-timeout -d 'End a connection on which nothing of what waits can be sent' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l never-accept -d 'Accept nobody, and show the queue fill'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l stats -d 'At the end, tell how many sessions and bytes there were; SIGUSR1 asks at any time'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l tls-self-signed -d 'Make a certificate for this run, and say its fingerprint'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l unlink -d 'Take over a socket file that nobody serves any more'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l no-sandbox -d 'Do not have the kernel forbid what serving does not need: opening files, starting programs, other connections'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand echo" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l format -d 'How the time is written; daytime and rfc868 have no place for the message [default: ctime; of --query, whichever fits]' -r -f -a "ctime\t''
rfc3339\t''
unix\t''
unix-ms\t''
daytime\t''
rfc868\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s w -l connect-timeout -d 'Of --query: give up if there is no connection in this time, resolving included [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-ca -d 'Trust the certificates in FILE (PEM), in place of the system\'s' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-server-name -d 'Ask for this name, and verify it, in place of the address\'s' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-pin -d 'Accept just the certificate with this fingerprint' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l starttls -d 'Begin in the clear, in this protocol, and go on in TLS' -r -f -a "smtp\t''
lmtp\t''
imap\t''
pop3\t''
ftp\t''
nntp\t''
sieve\t''
xmpp\t''
ldap\t''
postgres\t''
mysql\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l proxy -d 'Go through this proxy: socks5://[USER[:PASSWORD]@]HOST[:PORT], socks5h:// (it resolves names), socks4://, socks4a://, http:// (CONNECT); env: the one that ALL_PROXY names, but for NO_PROXY. Every user of this host can read a password that stands here: --proxy-user-file and SOCKKIT_PROXY_PASSWORD are for it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l proxy-user-file -d 'The first line of this file is USER:PASSWORD for the proxy; the variables SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD do the same' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l count -d 'End after N sessions' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s m -l max-conns -d 'At most N sessions at once; the rest waits in the backlog [default: what the hard limit of descriptors allows, from 512 to 65536; of programs 64]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l grace -d 'Asked to end, give sessions so long to end themselves [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-client-ca -d 'Ask each client for a certificate that one of those in FILE (PEM) signed' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-handshake-timeout -d 'How long a handshake may take [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l allow -d 'Let only these networks in: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l deny -d 'Turn these networks away; beats --allow (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l proxy-protocol -d 'Every connection begins with a PROXY protocol header (version 1 or 2, as HAProxy and nginx send it), and its peer is the one that the header names; --allow and --deny are then about that one. Any client can say anything there: --proxy-protocol-from says who may' -r -f -a "accept\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l proxy-protocol-timeout -d 'Turn away who has not sent the whole header in this time [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l proxy-protocol-from -d 'Let only proxies in these networks connect: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l ready-file -d 'Once listening, write the bound address to this file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l ready-fd -d 'Once listening, write the bound address to this descriptor, and close it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l mode -d 'The permission bits of a socket file, from its first instant' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l accept-timeout -d 'Give up if nobody connects in this time' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l user -d 'Once bound, become this user, and this group instead of the user\'s own (names or numbers)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l chroot -d 'Once bound, have this directory for the root of all files' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s i -l idle-timeout -d 'End a connection on which nothing moves in either direction (2s, 500ms, 1m; a bare number is seconds)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l recv-timeout -d 'End a connection on which nothing is received' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l send-timeout -d 'End a connection on which nothing of what waits can be sent' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l on-connect -d 'Tell the time to whoever connects, and close (RFC 867, RFC 868); over UDP, to each datagram'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l query -d 'Ask the time server at ADDR, and show how its clock stands to ours'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-insecure -d 'Accept any certificate: whoever is on the way can read and change everything'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l stats -d 'At the end, tell how many sessions and bytes there were; SIGUSR1 asks at any time'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l tls-self-signed -d 'Make a certificate for this run, and say its fingerprint'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l unlink -d 'Take over a socket file that nobody serves any more'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l no-sandbox -d 'Do not have the kernel forbid what serving does not need: opening files, starting programs, other connections'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand time" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and not __fish_seen_subcommand_from serve join help" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and not __fish_seen_subcommand_from serve join help" -f -a "serve" -d 'A chat room over plain lines: nc and telnet can join'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and not __fish_seen_subcommand_from serve join help" -f -a "join" -d 'Join a chat room: a line editor at a terminal, else a pipe'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and not __fish_seen_subcommand_from serve join help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l history -d 'Tell the last N lines of a room to whoever joins it [default: 0]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l password-file -d 'Ask everybody for the password in the first line of this file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l log -d 'Add what is said to the end of this file, as JSON Lines' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l name-limit -d 'The longest name, in characters [default: 32]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l line-limit -d 'The longest line, in bytes; a longer one is cut [default: 4k]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l rate -d 'Lines that a client may send a second, on average; more have to wait; 0: any number [default: 20]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l burst -d 'Lines that a client may send at once [default: 40]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l queue -d 'What may wait for a client that does not read, before it is dropped' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l count -d 'End after N sessions' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s m -l max-conns -d 'At most N sessions at once; the rest waits in the backlog [default: what the hard limit of descriptors allows, from 512 to 65536; of programs 64]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l grace -d 'Asked to end, give sessions so long to end themselves [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls-client-ca -d 'Ask each client for a certificate that one of those in FILE (PEM) signed' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls-handshake-timeout -d 'How long a handshake may take [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l allow -d 'Let only these networks in: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l deny -d 'Turn these networks away; beats --allow (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l proxy-protocol -d 'Every connection begins with a PROXY protocol header (version 1 or 2, as HAProxy and nginx send it), and its peer is the one that the header names; --allow and --deny are then about that one. Any client can say anything there: --proxy-protocol-from says who may' -r -f -a "accept\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l proxy-protocol-timeout -d 'Turn away who has not sent the whole header in this time [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l proxy-protocol-from -d 'Let only proxies in these networks connect: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l ready-file -d 'Once listening, write the bound address to this file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l ready-fd -d 'Once listening, write the bound address to this descriptor, and close it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l mode -d 'The permission bits of a socket file, from its first instant' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l accept-timeout -d 'Give up if nobody connects in this time' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l user -d 'Once bound, become this user, and this group instead of the user\'s own (names or numbers)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l chroot -d 'Once bound, have this directory for the root of all files' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s i -l idle-timeout -d 'End a connection on which nothing moves in either direction (2s, 500ms, 1m; a bare number is seconds)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l recv-timeout -d 'End a connection on which nothing is received' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l send-timeout -d 'End a connection on which nothing of what waits can be sent' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l stats -d 'At the end, tell how many sessions and bytes there were; SIGUSR1 asks at any time'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l tls-self-signed -d 'Make a certificate for this run, and say its fingerprint'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l unlink -d 'Take over a socket file that nobody serves any more'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l no-sandbox -d 'Do not have the kernel forbid what serving does not need: opening files, starting programs, other connections'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -l raw -d 'Be a plain broker: what one client sends, every other gets, byte for byte, no names'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from serve" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s n -l name -d 'The name to have; without one a person is asked, and a pipe is a guest' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l password-file -d 'Say the password in the first line of this file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s w -l connect-timeout -d 'Give up if there is no connection in this time, resolving included' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-ca -d 'Trust the certificates in FILE (PEM), in place of the system\'s' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-server-name -d 'Ask for this name, and verify it, in place of the address\'s' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-pin -d 'Accept just the certificate with this fingerprint' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l starttls -d 'Begin in the clear, in this protocol, and go on in TLS' -r -f -a "smtp\t''
lmtp\t''
imap\t''
pop3\t''
ftp\t''
nntp\t''
sieve\t''
xmpp\t''
ldap\t''
postgres\t''
mysql\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l proxy -d 'Go through this proxy: socks5://[USER[:PASSWORD]@]HOST[:PORT], socks5h:// (it resolves names), socks4://, socks4a://, http:// (CONNECT); env: the one that ALL_PROXY names, but for NO_PROXY. Every user of this host can read a password that stands here: --proxy-user-file and SOCKKIT_PROXY_PASSWORD are for it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l proxy-user-file -d 'The first line of this file is USER:PASSWORD for the proxy; the variables SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD do the same' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l proxy-protocol -d 'Begin each connection with a PROXY protocol header of this version, as HAProxy does with send-proxy: for a server that takes connections from proxies only' -r -f -a "v1\t''
v2\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l proxy-protocol-source -d 'Name this client in the header, and not our own address' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l no-reconnect -d 'When the connection is lost, leave'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l tls-insecure -d 'Accept any certificate: whoever is on the way can read and change everything'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -l json -d 'Write each line of the room to stdout as an object: kind, room, from, text'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from join" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from help" -f -a "serve" -d 'A chat room over plain lines: nc and telnet can join'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from help" -f -a "join" -d 'Join a chat room: a line editor at a terminal, else a pipe'
complete -c sockkit -n "__fish_sockkit_using_subcommand chat; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l timeout -d 'Give up after this time, with status 124; 0: try each address once' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -s w -l connect-timeout -d 'How long one try may take, resolving and the banner included' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l banner -d 'Wait until the first bytes that come match this regular expression' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l stable -d 'It has to stay so for this time, without one try that says otherwise' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l interval -d 'From one try to the next' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-ca -d 'Trust the certificates in FILE (PEM), in place of the system\'s' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-server-name -d 'Ask for this name, and verify it, in place of the address\'s' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-pin -d 'Accept just the certificate with this fingerprint' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l starttls -d 'Begin in the clear, in this protocol, and go on in TLS' -r -f -a "smtp\t''
lmtp\t''
imap\t''
pop3\t''
ftp\t''
nntp\t''
sieve\t''
xmpp\t''
ldap\t''
postgres\t''
mysql\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l proxy -d 'Go through this proxy: socks5://[USER[:PASSWORD]@]HOST[:PORT], socks5h:// (it resolves names), socks4://, socks4a://, http:// (CONNECT); env: the one that ALL_PROXY names, but for NO_PROXY. Every user of this host can read a password that stands here: --proxy-user-file and SOCKKIT_PROXY_PASSWORD are for it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l proxy-user-file -d 'The first line of this file is USER:PASSWORD for the proxy; the variables SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD do the same' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l proxy-protocol -d 'Begin each connection with a PROXY protocol header of this version, as HAProxy does with send-proxy: for a server that takes connections from proxies only' -r -f -a "v1\t''
v2\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l proxy-protocol-source -d 'Name this client in the header, and not our own address' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l gone -d 'Wait until nobody accepts there any more: refused, unreachable, no answer, or no such name'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l any -d 'One of the addresses is enough'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l tls-insecure -d 'Accept any certificate: whoever is on the way can read and change everything'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand wait" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s c -l count -d 'End after N probes of each address' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l interval -d 'From the start of one probe to the start of the next; 0: one after another' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l size -d 'How many bytes an echo carries [default: 64]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l fail-if -d 'End with status 3 if this is so: \'p99>5ms\', \'loss>=1%\'; min avg max p50 p90 p95 p99 p99.9 loss (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s w -l connect-timeout -d 'Give up on a probe after this time' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-ca -d 'Trust the certificates in FILE (PEM), in place of the system\'s' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-server-name -d 'Ask for this name, and verify it, in place of the address\'s' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-pin -d 'Accept just the certificate with this fingerprint' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l starttls -d 'Begin in the clear, in this protocol, and go on in TLS' -r -f -a "smtp\t''
lmtp\t''
imap\t''
pop3\t''
ftp\t''
nntp\t''
sieve\t''
xmpp\t''
ldap\t''
postgres\t''
mysql\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l proxy -d 'Go through this proxy: socks5://[USER[:PASSWORD]@]HOST[:PORT], socks5h:// (it resolves names), socks4://, socks4a://, http:// (CONNECT); env: the one that ALL_PROXY names, but for NO_PROXY. Every user of this host can read a password that stands here: --proxy-user-file and SOCKKIT_PROXY_PASSWORD are for it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l proxy-user-file -d 'The first line of this file is USER:PASSWORD for the proxy; the variables SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD do the same' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l proxy-protocol -d 'Begin each connection with a PROXY protocol header of this version, as HAProxy does with send-proxy: for a server that takes connections from proxies only' -r -f -a "v1\t''
v2\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l proxy-protocol-source -d 'Name this client in the header, and not our own address' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l echo -d 'Measure round trips over one connection to an echo server, and compare what comes back'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l histogram -d 'Draw a histogram, also without a terminal'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l tls-insecure -d 'Accept any certificate: whoever is on the way can read and change everything'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand ping" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -l state -d 'Only in these states: established, listen, time-wait, close-wait, ... (several with commas, or repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -l process -d 'Only those of this process: its program\'s name, or its PID' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -l user -d 'Only those that this user made: a name of /etc/passwd, or a number' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -l watch -d 'Show them again and again: repainted at a terminal, else one below the other [default: 1s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -s l -l listen -d 'Only listeners: connections that wait, the limit, what was lost'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -s t -l tcp -d 'TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -s u -l udp -d 'UDP'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -s x -l unix -d 'UNIX sockets'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -s v -l verbose -d 'Add timers, TCP\'s measurements, options and memory'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -l json -d 'One JSON object for each socket, a line each, with all that is known'
complete -c sockkit -n "__fish_sockkit_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s s -l source -d 'The local address to connect from' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l retry -d 'When nobody is there, keep trying for so long; the client waits meanwhile' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s w -l connect-timeout -d 'Give up if there is no connection to the target in this time, resolving included [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l delay -d 'What comes, comes so much later' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l rate -d 'Pass no more than so many bytes in so much time: 10k/s, 1k/100ms' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l chunk -d 'Pass on in pieces of N bytes, each written on its own; of a datagram or packet, each one of its own' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l drop -d 'Lose each message, of a stream each byte, with this probability, 0 to 1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l corrupt -d 'Flip a bit of each byte with this probability, 0 to 1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l reset-after -d 'Reset both connections (RST) when N bytes have passed, and have arrived' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l close-after -d 'Close both connections (FIN) when N bytes have passed' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l seed -d 'Drop and damage the same bytes as another run with this seed (-v tells it where none is given)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-ca -d 'Trust the certificates in FILE (PEM), in place of the system\'s' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-server-name -d 'Ask for this name, and verify it, in place of the address\'s' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-pin -d 'Accept just the certificate with this fingerprint' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l starttls -d 'Begin in the clear, in this protocol, and go on in TLS' -r -f -a "smtp\t''
lmtp\t''
imap\t''
pop3\t''
ftp\t''
nntp\t''
sieve\t''
xmpp\t''
ldap\t''
postgres\t''
mysql\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l proxy -d 'Go through this proxy: socks5://[USER[:PASSWORD]@]HOST[:PORT], socks5h:// (it resolves names), socks4://, socks4a://, http:// (CONNECT); env: the one that ALL_PROXY names, but for NO_PROXY. Every user of this host can read a password that stands here: --proxy-user-file and SOCKKIT_PROXY_PASSWORD are for it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l proxy-user-file -d 'The first line of this file is USER:PASSWORD for the proxy; the variables SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD do the same' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l count -d 'End after N sessions' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s m -l max-conns -d 'At most N sessions at once; the rest waits in the backlog [default: what the hard limit of descriptors allows, from 512 to 65536; of programs 64]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l grace -d 'Asked to end, give sessions so long to end themselves [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-client-ca -d 'Ask each client for a certificate that one of those in FILE (PEM) signed' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-handshake-timeout -d 'How long a handshake may take [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l allow -d 'Let only these networks in: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l deny -d 'Turn these networks away; beats --allow (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l proxy-protocol -d 'Every connection begins with a PROXY protocol header (version 1 or 2, as HAProxy and nginx send it), and its peer is the one that the header names; --allow and --deny are then about that one. Any client can say anything there: --proxy-protocol-from says who may' -r -f -a "accept\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l proxy-protocol-timeout -d 'Turn away who has not sent the whole header in this time [default: 5s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l proxy-protocol-from -d 'Let only proxies in these networks connect: 10.0.0.0/8, ::1 (may be repeated)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l ready-file -d 'Once listening, write the bound address to this file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l ready-fd -d 'Once listening, write the bound address to this descriptor, and close it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l mode -d 'The permission bits of a socket file, from its first instant' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l accept-timeout -d 'Give up if nobody connects in this time' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l user -d 'Once bound, become this user, and this group instead of the user\'s own (names or numbers)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l chroot -d 'Once bound, have this directory for the root of all files' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s i -l idle-timeout -d 'End a connection on which nothing moves in either direction (2s, 500ms, 1m; a bare number is seconds)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l recv-timeout -d 'End a connection on which nothing is received' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l send-timeout -d 'End a connection on which nothing of what waits can be sent' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-originate -d 'Secure each connection to the target by TLS (--tls is about those that come)'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-insecure -d 'Accept any certificate: whoever is on the way can read and change everything'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l stats -d 'At the end, tell how many sessions and bytes there were; SIGUSR1 asks at any time'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l tls-self-signed -d 'Make a certificate for this run, and say its fingerprint'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l unlink -d 'Take over a socket file that nobody serves any more'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l no-sandbox -d 'Do not have the kernel forbid what serving does not need: opening files, starting programs, other connections'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand relay" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l speed -d '0: as fast as it goes; 1: at the recorded times; 2: twice as fast' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l timeout -d 'How long to wait for a connection, and for what is expected' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l deadline -d 'End the whole run, with status 124' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-cert -d 'Our certificate, with those of its issuers behind it (PEM)' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-key -d 'The key of that certificate (PEM); without, it is in the same file' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-alpn -d 'Protocols to agree on (ALPN), the first choice first: h2,http/1.1' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-min -d 'The oldest version that is spoken' -r -f -a "1.2\t''
1.3\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-client-ca -d 'Ask each client for a certificate that one of those in FILE (PEM) signed' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-handshake-timeout -d 'How long a handshake may take [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-ca -d 'Trust the certificates in FILE (PEM), in place of the system\'s' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-server-name -d 'Ask for this name, and verify it, in place of the address\'s' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-pin -d 'Accept just the certificate with this fingerprint' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l starttls -d 'Begin in the clear, in this protocol, and go on in TLS' -r -f -a "smtp\t''
lmtp\t''
imap\t''
pop3\t''
ftp\t''
nntp\t''
sieve\t''
xmpp\t''
ldap\t''
postgres\t''
mysql\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l proxy -d 'Go through this proxy: socks5://[USER[:PASSWORD]@]HOST[:PORT], socks5h:// (it resolves names), socks4://, socks4a://, http:// (CONNECT); env: the one that ALL_PROXY names, but for NO_PROXY. Every user of this host can read a password that stands here: --proxy-user-file and SOCKKIT_PROXY_PASSWORD are for it' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l proxy-user-file -d 'The first line of this file is USER:PASSWORD for the proxy; the variables SOCKKIT_PROXY_USER and SOCKKIT_PROXY_PASSWORD do the same' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l proxy-protocol -d 'Begin each connection with a PROXY protocol header of this version, as HAProxy does with send-proxy: for a server that takes connections from proxies only' -r -f -a "v1\t''
v2\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l proxy-protocol-source -d 'Name this client in the header, and not our own address' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l backlog -d 'Let N finished handshakes wait to be accepted: listen(2)' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l reuseaddr -d 'Take an address that old connections still hold in TIME_WAIT (TCP servers do by default) [SO_REUSEADDR]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l v6only -d 'Leave IPv4 out of an IPv6 socket, or with no let it in [IPV6_V6ONLY]' -r -f -a "yes\t''
no\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l keepalive -d 'Probe a silent peer: after IDLE, every INTVL, and give up after CNT probes [SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l sndbuf -d 'Set the size of the send buffer; with it the kernel stops adapting it by itself [SO_SNDBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l rcvbuf -d 'Set the size of the receive buffer; with it the kernel stops adapting it by itself [SO_RCVBUF]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l linger -d 'Let close wait this long until everything is sent; 0 resets the connection instead [SO_LINGER]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l ttl -d 'Let packets pass N routers (IPv6: the hop limit) [IP_TTL, IPV6_UNICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tos -d 'Set the type-of-service byte of packets (IPv6: the traffic class) [IP_TOS, IPV6_TCLASS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l dscp -d 'Set the class of packets: ef, af11 to af43, cs0 to cs7, va, be, le, or 0 to 63 [IP_TOS, IPV6_TCLASS]' -r -f -a "be\t''
le\t''
cs0\t''
cs1\t''
cs2\t''
cs3\t''
cs4\t''
cs5\t''
cs6\t''
cs7\t''
af11\t''
af12\t''
af13\t''
af21\t''
af22\t''
af23\t''
af31\t''
af32\t''
af33\t''
af41\t''
af42\t''
af43\t''
va\t''
ef\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l mark -d 'Mark packets for the firewall and for policy routing (needs CAP_NET_ADMIN) [SO_MARK]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l interface -d 'Send and receive through this network interface only [SO_BINDTODEVICE]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l mss -d 'Send segments of at most N bytes, and ask the same of the peer [TCP_MAXSEG]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l user-timeout -d 'Give the connection up when sent data stays unacknowledged this long; 0 is the system\'s default [TCP_USER_TIMEOUT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l congestion -d 'Use this congestion control algorithm [TCP_CONGESTION]' -r -f -a "bbr\t''
cubic\t''
dctcp\t''
htcp\t''
reno\t''
vegas\t''
westwood\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l defer-accept -d 'Accept a client only once it has sent something, or after this long [TCP_DEFER_ACCEPT]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l join -d 'Receive what is sent to this multicast group, on this interface [IP_ADD_MEMBERSHIP, IPV6_ADD_MEMBERSHIP]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l multicast-ttl -d 'Let multicast packets pass N routers (1 without it) [IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l opt -d 'Set any other option, before bind: socket:SO_PRIORITY=6, ip:TOS=0x10, tcp:25=16384, tcp:CONGESTION=reno, 1:13=hex:0100000005000000' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l events -d 'Write the same events to a file or descriptor, and leave stdout to the payload' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l record -d 'Write both directions to a file with their times, as JSON Lines, for `sockkit replay`' -r -F
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l timestamps -d 'Stamp each line that is shown' -r -f -a "rfc3339\t''
delta\t''
unix\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l color -d 'Use colour' -r -f -a "auto\t''
always\t''
never\t''"
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l listen -d 'Play the side that accepted: listen on the address, instead of connecting to it'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls -d 'Secure each connection by TLS'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-allow-truncation -d 'Take a connection that ends without close_notify for one that ended well'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-self-signed -d 'Make a certificate for this run, and say its fingerprint'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l tls-insecure -d 'Accept any certificate: whoever is on the way can read and change everything'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l reuseport -d 'Share the address with other sockets that ask for the same; the kernel spreads what comes [SO_REUSEPORT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l nodelay -d 'Send small segments at once instead of gathering them (no Nagle\'s algorithm) [TCP_NODELAY]'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l fastopen -d 'Send, or as a server take, the first data with the handshake (RFC 7413) [TCP_FASTOPEN_CONNECT, TCP_FASTOPEN]'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l quickack -d 'Acknowledge at once what comes in, until the kernel thinks better of it [TCP_QUICKACK]'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l freebind -d 'Bind to an address that this host does not have, or not yet [IP_FREEBIND, IPV6_FREEBIND]'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l transparent -d 'Bind to addresses of others and take their connections, as a transparent proxy (needs CAP_NET_ADMIN) [IP_TRANSPARENT, IPV6_TRANSPARENT]'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l mptcp -d 'Spread the connection over several paths (Multipath TCP, RFC 8684); TCP where the peer cannot'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l broadcast -d 'Allow sending to broadcast addresses [SO_BROADCAST]'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -s v -l verbose -d 'Tell each phase and option, with times; twice: each read and write'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -s q -l quiet -d 'Say errors only'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l json -d 'Write events to stdout as JSON Lines, payload included'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l hex -d 'Show payload of both directions as a hex dump'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -l raw -d 'Show control bytes to a terminal as they are'
complete -c sockkit -n "__fish_sockkit_using_subcommand replay" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand doctor" -s p -l port -d 'The port of an address without one' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand doctor" -s w -l connect-timeout -d 'For resolving, and for each address: give up after this time [default: 10s]' -r
complete -c sockkit -n "__fish_sockkit_using_subcommand doctor" -s 4 -d 'IPv4 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand doctor" -s 6 -d 'IPv6 only'
complete -c sockkit -n "__fish_sockkit_using_subcommand doctor" -s u -l udp -d 'UDP instead of TCP'
complete -c sockkit -n "__fish_sockkit_using_subcommand doctor" -l json -d 'Print one JSON object for each check'
complete -c sockkit -n "__fish_sockkit_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand explain" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand completions" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand man" -s h -l help -d 'Print help'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "listen" -d 'Accept connections; talk through stdin and stdout, or a handler'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "connect" -d 'Open a connection; talk through stdin and stdout, or a line editor'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "echo" -d 'An echo server: sends back what comes, or misbehaves on purpose'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "time" -d 'A time server: answers each message with [message] and the time; or asks one'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "chat" -d 'A chat room for many people: serve one, or join it'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "wait" -d 'Wait until addresses accept connections, or stop accepting; then run a command'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "ping" -d 'Measure how long connections, or round trips over an echo, take'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "inspect" -d 'Show the sockets of this host: whose they are, in what state, what waits in them'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "relay" -d 'Forward between any two endpoints, with a screen and faults on demand'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "replay" -d 'Play a recorded session again and compare what comes back'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "doctor" -d 'Look this host over for settings that bite, or walk the path to an address'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "explain" -d 'Say a line of nc, ncat or socat in sockkit\'s words'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "completions" -d 'Print a completion script'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "man" -d 'Write the man pages'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and not __fish_seen_subcommand_from listen connect echo time chat wait ping inspect relay replay doctor explain completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and __fish_seen_subcommand_from chat" -f -a "serve" -d 'A chat room over plain lines: nc and telnet can join'
complete -c sockkit -n "__fish_sockkit_using_subcommand help; and __fish_seen_subcommand_from chat" -f -a "join" -d 'Join a chat room: a line editor at a terminal, else a pipe'
