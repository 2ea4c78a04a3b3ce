"""Acknowledges each message; "close" ends it."""

from common import serve

s = serve()
c, addr = s.accept()
while True:
    data = c.recv(1024).decode("utf-8")
    if not data:
        break
    print("client:", data)
    c.send("收到消息".encode("utf-8"))
    if data == "close":
        break
c.close()
s.close()
