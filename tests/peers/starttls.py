"""Servers that begin in the clear and go on in TLS: starttls.py PROTOCOL CERT KEY [refuse|inject]

Prints its port. Under TLS it sends back what comes. `inject` puts a line in the clear behind its consent.
"""
import socket, ssl, sys

protocol, cert, key = sys.argv[1:4]
how = sys.argv[4] if len(sys.argv) > 4 else ""
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
plain, _ = listener.accept()


def say(text):
    plain.sendall(text if isinstance(text, bytes) else text.encode())


def hear(end=b"\n"):
    got = b""
    while not got.endswith(end):
        piece = plain.recv(1)
        if not piece:
            sys.exit("the client left after " + repr(got))
        got += piece
    return got


def exactly(count):
    got = b""
    while len(got) < count:
        piece = plain.recv(count - len(got))
        if not piece:
            sys.exit("the client left")
        got += piece
    return got


def heard(wanted, end=b"\n"):
    got = hear(end)
    if wanted not in got:
        sys.exit(f"{wanted!r} is not in {got!r}")


no = how == "refuse"
if protocol in ("smtp", "lmtp"):
    say("220-a server of many lines\r\n220 mail.example ESMTP\r\n")
    heard(b"EHLO " if protocol == "smtp" else b"LHLO ")
    say("250-mail.example\r\n250-SIZE 1000\r\n" + ("" if no else "250-STARTTLS\r\n") + "250 HELP\r\n")
    heard(b"STARTTLS")
    consent = "220 go ahead\r\n"
elif protocol == "imap":
    say("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n")
    heard(b" STARTTLS")
    consent = "s1 NO not today\r\n" if no else "* BAD something else\r\ns1 OK begin\r\n"
elif protocol == "pop3":
    say("+OK ready\r\n")
    heard(b"STLS")
    consent = "-ERR no\r\n" if no else "+OK begin\r\n"
elif protocol == "ftp":
    say("220-welcome\r\n anything at all\r\n220 ready\r\n")
    heard(b"AUTH TLS")
    consent = "502 not implemented\r\n" if no else "234 begin\r\n"
elif protocol == "nntp":
    say("200 ready\r\n")
    heard(b"STARTTLS")
    consent = "580 no\r\n" if no else "382 begin\r\n"
elif protocol == "sieve":
    say('"IMPLEMENTATION" "x"\r\n' + ("" if no else '"STARTTLS"\r\n') + 'OK "ready"\r\n')
    heard(b"STARTTLS")
    consent = 'OK "begin"\r\n'
elif protocol == "xmpp":
    hear(b"?>")
    heard(b"etherx.jabber.org", b">")
    offer = "" if no else "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
    say("<?xml version='1.0'?><stream:stream id='1' version='1.0'><stream:features>" + offer + "</stream:features>")
    heard(b"<starttls", b"/>")
    consent = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
elif protocol == "ldap":
    assert exactly(31).endswith(b"1.3.6.1.4.1.1466.20037")
    consent = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01" + (b"\x34" if no else b"\x00") + b"\x04\x00\x04\x00"
elif protocol == "postgres":
    assert exactly(8) == bytes([0, 0, 0, 8, 4, 210, 22, 47])
    consent = "N" if no else "S"
elif protocol == "mysql":
    can = 0xF7FF if no else 0xFFFF
    body = b"\x0a8.0.36\x00" + b"\0\0\0\1" + b"12345678\0" + can.to_bytes(2, "little") + b"\x2d\2\0" + b"\xff\xc1\x15" + bytes(10)
    say(len(body).to_bytes(3, "little") + b"\0" + body)
    request = exactly(36)
    assert request[:4] == b"\x20\0\0\1" and request[5] & 8, request
    consent = ""
say(consent)
if how == "inject":
    say("in the clear\r\n")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
tls = context.wrap_socket(plain, server_side=True)
while True:
    piece = tls.recv(1 << 16)
    if not piece:
        break
    tls.sendall(piece)
tls.unwrap()
