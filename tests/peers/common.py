"""What the tutorial programs share: the tests need to know the port, and a program that waits for ever needs an end."""

import socket
import sys


def serve():
    """A listening socket on a free loopback port, which is told on stderr."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(5)
    print(server.getsockname()[1], file=sys.stderr, flush=True)
    return server


def dial():
    """A socket connected to the port given as the argument."""
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(20)
    client.connect(("127.0.0.1", int(sys.argv[1])))
    return client
