"""Stamps what it receives with the time, one client after another."""

from time import ctime

from common import serve

s = serve()
while True:
    c, addr = s.accept()
    print("...connected from:", addr)
    while True:
        data = c.recv(1024)
        if not data:
            break
        c.send(bytes("[%s] %s" % (data.decode("utf-8"), ctime()), "utf-8"))
    c.close()
