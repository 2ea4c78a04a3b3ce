"""Is greeted, says something, says "bye"."""

from common import dial

s = dial()
print(s.recv(1024).decode())
s.send(b"a cup of tea")
print(s.recv(1024).decode())
s.send(b"bye")
print("then", s.recv(1024))
s.close()
