"""Its client: connects, reads until nothing more comes."""

from common import dial

s = dial()
print("received", s.recv(1024))
s.close()
