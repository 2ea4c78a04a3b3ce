"""Greets; says what it was told; "bye" ends it."""

from common import serve

s = serve()
c, addr = s.accept()
c.send(b"Can I help you?")
while True:
    data = c.recv(1024)
    if not data or data == b"bye":
        break
    print("client:", data.decode())
    c.send(b"ok: " + data)
c.close()
s.close()
