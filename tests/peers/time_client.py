"""Its client: sends what is typed, prints what comes back, until an empty line."""

import sys

from common import dial

s = dial()
while True:
    data = sys.stdin.readline().rstrip("\n")
    if not data:
        break
    s.send(data.encode("utf-8"))
    data = s.recv(1024)
    if not data:
        break
    print(data.decode("utf-8"))
s.close()
