"""The first server of every tutorial: accepts, prints who came, closes at once."""

from common import serve

s = serve()
c, addr = s.accept()
print("connected from", addr)
c.close()
s.close()
