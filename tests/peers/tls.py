"""A TLS peer that does exactly what a test wants: tls.py {server CERT KEY|client HOST PORT} WHAT [VERSION]

A server prints its port; what it received goes to standard output in the end.
"""
import fcntl, socket, ssl, struct, sys, termios, time

role, where, second, what = sys.argv[1:5]
version = sys.argv[5] if len(sys.argv) > 5 else "1.3"
versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if role == "server" else ssl.PROTOCOL_TLS_CLIENT)
context.minimum_version = context.maximum_version = versions[version]
if role == "server":
    context.load_cert_chain(where, second)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    plain, _ = listener.accept()
    listener.close()
else:
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection((where, int(second)))
plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

tls = context.wrap_socket(plain, server_side=role == "server")


def rest():
    got = bytearray()
    while True:
        try:
            piece = tls.recv(1 << 16)
        except (ssl.SSLError, OSError):
            break
        if not piece:
            break
        got += piece
    return got


if what == "record":
    # One whole record and one byte of the next, then silence.
    tls.sendall(b"a" * 16384 + b"b")
    time.sleep(600)
elif what == "truncate":
    # The data, and the connection's end without the goodbye of TLS.
    tls.sendall(b"all that came\n")
    fd = socket.socket(fileno=tls.detach())
    fd.shutdown(socket.SHUT_WR)
    time.sleep(600)
elif what == "damage":
    # The data, and a record that nobody can have made with the keys of the session; then how many records come back.
    tls.sendall(b"all that came\n")
    fd = socket.socket(fileno=tls.detach())
    fd.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    came, count = b"", 0
    while piece := fd.recv(1 << 16):
        came += piece
    while came:
        came, count = came[5 + int.from_bytes(came[3:5], "big"):], count + 1
    print(count, flush=True)
elif what == "answer":
    # Reads to the peer's end, and answers after it.
    got = rest()
    tls.sendall(b"%d bytes came\n" % len(got))
    tls.unwrap().close()
elif what == "reset":
    # Data that all arrives, and a reset behind it.
    tls.sendall(b"x" * 60000)
    while fcntl.ioctl(tls, termios.TIOCOUTQ, bytes(4)) != bytes(4):
        time.sleep(0.001)
    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tls.close()
elif what == "goodbye":
    # Data and close_notify in one piece, and no end of the connection behind it.
    tls.sendall(b"last words\n")
    try:
        tls.settimeout(0.0)
        tls.unwrap()
    except (ssl.SSLError, OSError):
        pass
    time.sleep(600)
elif what == "write-only":
    # Closes without reading a byte: tickets that nobody took would be a reset.
    tls.sendall(b"x" * (1 << 20))
    try:
        tls.settimeout(5)
        tls.unwrap()
    except (ssl.SSLError, OSError):
        pass
    tls.close()
elif what == "slow":
    time.sleep(1)
    sys.stdout.write(str(len(rest())))
