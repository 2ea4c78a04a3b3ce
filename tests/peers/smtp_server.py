"""A mail server as far as a greeting, EHLO and QUIT go (RFC 5321), for one client."""

from common import serve

server = serve()
client, _ = server.accept()
lines = client.makefile("rb")
client.sendall(b"220 mail.invalid ESMTP ready\r\n")
for line in lines:
    word = line.split()[0].upper() if line.split() else b""
    if word == b"EHLO":
        client.sendall(b"250-mail.invalid greets ")
        client.sendall(line.split()[-1] + b"\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n")
    elif word == b"QUIT":
        client.sendall(b"221 2.0.0 bye\r\n")
        break
    else:
        client.sendall(b"500 what?\r\n")
client.close()
