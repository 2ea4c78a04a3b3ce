"""Sends three messages, waits for the answer to each; the last one is "close"."""

from common import dial

s = dial()
for message in ["hello", "你好", "close"]:
    s.send(message.encode("utf-8"))
    print(s.recv(1024).decode("utf-8"))
print("then", s.recv(1024))
s.close()
