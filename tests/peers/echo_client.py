"""Sends two megabytes, ends, and says whether the same came back."""

import threading
from hashlib import sha256
from os import urandom
from socket import SHUT_WR

from common import dial

s = dial()
data = urandom(2_000_000)


def send():
    s.sendall(data)
    s.shutdown(SHUT_WR)


threading.Thread(target=send).start()
hashed = sha256()
while True:
    piece = s.recv(65536)
    if not piece:
        break
    hashed.update(piece)
print("the same" if hashed.digest() == sha256(data).digest() else "not the same")
