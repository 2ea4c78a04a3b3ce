"""An HTTP proxy that lets in only who proves, by Digest (RFC 7616), to be bob with the password "se:cret".

digest_proxy.py ALGORITHM: says its port, then serves one tunnel: CONNECT without proof gets 407, with it the tunnel.
"""

import hashlib
import re
import socket
import sys
import threading

algorithm = sys.argv[1]
digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm.removesuffix("-sess")]
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def h(text):
    return digest(text.encode()).hexdigest()


def head(conn):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = conn.recv(1)
        if not byte:
            sys.exit("the client left in its request")
        data += byte
    return data.decode()


def proof(request, target):
    header = re.search(r"^proxy-authorization: digest (.*)\r$", request, re.I | re.M)
    if not header:
        return False
    got = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]*))', header[1])}
    ha1 = h("bob:a realm, with a comma:se:cret")
    if algorithm.endswith("-sess"):
        ha1 = h(f"{ha1}:n0nce:{got['cnonce']}")
    wanted = h(f"{ha1}:n0nce:{got['nc']}:{got['cnonce']}:auth:{h('CONNECT:' + target)}")
    return got["response"] == wanted and got["uri"] == target and got["nonce"] == "n0nce" and got["opaque"] == "0paque"


def copy(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


while True:
    conn, _ = listener.accept()
    request = head(conn)
    target = re.match(r"CONNECT (\S+) HTTP/1.1\r\n", request)[1]
    if "basic" in request.lower():
        sys.exit("the password came in the clear")
    if not proof(request, target):
        challenge = f'Digest realm="a realm, with a comma", nonce="n0nce", opaque="0paque", qop="auth", algorithm={algorithm}'
        conn.sendall(
            f"HTTP/1.1 407 Prove it\r\nProxy-Authenticate: Basic realm=x\r\nProxy-Authenticate: {challenge}\r\n"
            "Content-Length: 5\r\n\r\nsorry".encode()
        )
        conn.close()
        continue
    host, port = target.rsplit(":", 1)
    there = socket.create_connection((host.strip("[]"), int(port)))
    conn.sendall(b"HTTP/1.1  200  here you are\r\n\r\n")
    back = threading.Thread(target=copy, args=(there, conn))
    back.start()
    copy(conn, there)
    back.join()
    break
