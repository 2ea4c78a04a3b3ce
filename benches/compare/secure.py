"""One connection over TLS, as many bytes as it takes. All have the same certificate, and every client verifies it."""

import os
import subprocess
import time

from bulk import GB, make_source
from harness import Children, Column
from tools import Ncat, NcOpenbsd, Socat, Sockkit, Tool


class Certified:
    """The certificate of the run: `cert` and `key`, `both` in one file. Every client trusts just that one."""

    def __init__(self, bench):
        self.cert, self.key, self.both = bench.path("cert.pem"), bench.path("key.pem"), bench.path("both.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-keyout", self.key, "-out", self.cert, "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
        with open(self.both, "w") as both:
            for part in [self.cert, self.key]:
                with open(part) as f:
                    both.write(f.read())


class SockkitTls(Sockkit):
    codes = [0]

    def __init__(self, name, path, tls, *flags):
        super().__init__(name, path, *flags)
        self.tls = tls

    def receive(self, where):
        return [self.path, "listen", *self.flags, "--recv-only", "--tls", "--tls-cert", self.tls.cert, "--tls-key", self.tls.key,
                self.at(where)]

    def connect(self, where):
        return [self.path, "connect", *self.flags, "--tls", "--tls-ca", self.tls.cert, self.at(where)]


class SocatTls(Socat):
    codes = [0]

    def __init__(self, name, path, tls, *flags):
        super().__init__(name, path, *flags)
        self.tls = tls

    def listening(self, where):
        return f"OPENSSL-LISTEN:{where},bind=127.0.0.1,reuseaddr,cert={self.tls.both},verify=0"

    def connect(self, where):
        to = f"OPENSSL:127.0.0.1:{where},cafile={self.tls.cert},commonname=localhost"
        return [self.path, *self.flags, "-u", "STDIN", to]


class NcatTls(Ncat):
    # It sends no close_notify, which its own receiver may take for a failure; what came is counted.
    codes = [0, 1]

    def __init__(self, name, path, tls):
        super().__init__(name, path)
        self.tls = tls

    def receive(self, where):
        return [self.path, "-v", "--recv-only", "--ssl", "--ssl-cert", self.tls.cert, "--ssl-key", self.tls.key, "-l",
                *self.at(where)]

    def connect(self, where):
        return [self.path, "--ssl-verify", "--ssl-trustfile", self.tls.cert, "--send-only", "localhost", str(where)]


class Mixed(Tool):
    """One that sends to another."""

    def __init__(self, name, sender, receiver):
        super().__init__(name, sender.path)
        self.sender, self.receiver = sender, receiver
        self.word, self.codes = receiver.word, receiver.codes

    def found(self):
        return self.sender.found() and self.receiver.found()

    def ready_args(self, fd):
        return self.receiver.ready_args(fd)

    def receive(self, where):
        return self.receiver.receive(where)

    def connect(self, where):
        return self.sender.connect(where)


class Stunnel(Tool):
    """It carries what others send: nc.openbsd is at both ends, and one stunnel between that encrypts and decrypts. The
    CPU time is that of all three."""

    # The last of its services is bound.
    word = b"[out] (FD"
    codes = [0]

    def __init__(self, name, path, tls):
        super().__init__(name, path)
        self.tls = tls

    def found(self):
        return super().found() and Tool("", "nc.openbsd").found()

    def between(self, bench, plain, secure, target):
        """The configuration: plain -> secure -> target."""
        path = bench.path(f"stunnel{secure}.conf")
        with open(path, "w") as f:
            f.write(f"foreground = yes\npid =\ndebug = info\n"
                    f"[in]\naccept = 127.0.0.1:{secure}\nconnect = 127.0.0.1:{target}\n"
                    f"cert = {self.tls.cert}\nkey = {self.tls.key}\n"
                    f"[out]\nclient = yes\naccept = 127.0.0.1:{plain}\nconnect = 127.0.0.1:{secure}\n"
                    f"CAfile = {self.tls.cert}\nverifyPeer = yes\n")
        return [self.path, path]


def secure(bench, tool):
    """Moves the file from the sender's stdin to a receiver that counts. GB/s, and the CPU seconds for a GB of all who
    have a part in it."""
    size, where = bench.args.size << 20, bench.fresh("tcp")
    limits = bench.limit("limits")
    with Children() as children:
        reader, writer = os.pipe()
        drain = children.start([limits, "drain", "splice"], stdin=reader, stdout=subprocess.PIPE)
        os.close(reader)
        if isinstance(tool, Stunnel):
            plain, hidden = bench.fresh("tcp"), bench.fresh("tcp")
            nc = NcOpenbsd("nc.openbsd", "nc.openbsd")
            receiver = children.listen(nc, nc.receive(where), stdin=subprocess.DEVNULL, stdout=writer)
            stunnel = children.listen(tool, tool.between(bench, plain, hidden, where), stdin=subprocess.DEVNULL)
            connect = nc.connect(plain)
        else:
            receiver = children.listen(tool, tool.receive(where), stdin=subprocess.DEVNULL, stdout=writer)
            stunnel, connect = None, tool.connect(where)
        os.close(writer)
        source = os.open(bench.source, os.O_RDONLY)
        begin = time.perf_counter()
        sender = children.start(connect, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(source)
        cpu = children.end(sender) + children.end(receiver)
        moved = int(drain.stdout.read())
        took = time.perf_counter() - begin
        if stunnel:
            stunnel.terminate()
            cpu += children.end(stunnel)
        if sender.returncode or receiver.returncode not in tool.codes:
            raise RuntimeError(f"ended with {sender.returncode} and {receiver.returncode}")
        if moved != size:
            raise RuntimeError(f"lost data: {moved} of {size} bytes came")
    return size / took / GB, cpu / (size / GB)


def tls(bench):
    """One connection over TLS: sockkit, socat, ncat, stunnel."""
    make_source(bench)
    certified = Certified(bench)
    ncat, sockkit = NcatTls("ncat --ssl", "ncat", certified), SockkitTls("sockkit", bench.args.binary, certified)
    # It ends without a close_notify.
    lenient = SockkitTls("", bench.args.binary, certified, "--tls-allow-truncation")
    contestants = [
        ncat,
        # With itself it loses the end: it resets the connection over session tickets that it has not read. So each of its
        # sides is measured with one that sends no tickets, or reads them.
        Mixed("ncat --ssl to sockkit", ncat, lenient),
        Mixed("sockkit to ncat --ssl", lenient, ncat),
        SocatTls("socat OPENSSL", "socat", certified),
        SocatTls("socat OPENSSL -b64k", "socat", certified, "-b65536"),
        SocatTls("socat OPENSSL -b1M", "socat", certified, "-b1048576"),
        Stunnel("stunnel between nc.openbsd", "stunnel", certified),
        sockkit,
    ]
    bench.compare(f"TLS over TCP, file of {bench.args.size} MiB to a drained pipe", contestants,
                  [Column("GB/s", True, 1.0), Column("CPU s/GB", False, 1.0)], lambda tool: secure(bench, tool))


ROWS = {"tls": tls}
