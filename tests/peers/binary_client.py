"""The time server's other client: says "i am binary", and prints what comes back."""

from common import dial

s = dial()
s.send(b"i am binary")
print(s.recv(1024).decode("utf-8"))
s.close()
