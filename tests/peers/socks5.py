"""A SOCKS 5 proxy without logins, for any number of connections. Says its port."""

import socket
import struct
import threading


def exactly(conn, count):
    data = b""
    while len(data) < count:
        more = conn.recv(count - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def copy(source, sink):
    while data := source.recv(65536):
        sink.sendall(data)
    sink.shutdown(socket.SHUT_WR)


def serve(conn):
    exactly(conn, exactly(conn, 2)[1])
    conn.sendall(b"\5\0")
    kind = exactly(conn, 4)[3]
    if kind == 3:
        host = exactly(conn, exactly(conn, 1)[0]).decode()
    else:
        host = socket.inet_ntop(*((socket.AF_INET, exactly(conn, 4)) if kind == 1 else (socket.AF_INET6, exactly(conn, 16))))
    (port,) = struct.unpack("!H", exactly(conn, 2))
    try:
        there = socket.create_connection((host, port))
    except ConnectionRefusedError:
        conn.sendall(b"\5\5\0\1" + bytes(6))
        return conn.close()
    conn.sendall(b"\5\0\0\1" + bytes(6))
    threading.Thread(target=copy, args=(there, conn), daemon=True).start()
    copy(conn, there)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
