"""One connection whose bytes are looked at as they pass: shown, kept, changed, searched."""

import contextlib
import os
import subprocess
import time

from bulk import GB, bulk
from harness import Children, Column
from tools import BarePump, Ncat, Sockkit, Socat

# No more than so many MiB.
COPIED = 256
KEPT = "kept"


class Sends:
    """A contestant as the sender; who receives is the same for all."""

    def __init__(self, tool, receiver):
        self.tool, self.receiver = tool, receiver
        self.name, self.is_limit, self.found = tool.name, tool.is_limit, tool.found
        self.word, self.ready_args, self.receive = receiver.word, receiver.ready_args, receiver.receive

    def connect(self, where):
        return self.tool.connect(where)


class SocatTo(Socat):
    """`more` goes behind the address that it connects to."""

    def __init__(self, name, more, *flags):
        super().__init__(name, "socat", *flags)
        self.more = more

    def connect(self, where):
        return [self.path, *self.flags, "STDIO", f"TCP:127.0.0.1:{where}{self.more}"]


def make_lines(bench, size):
    path, size = bench.path("lines"), size << 20
    line = b"".join(b"%02d the quick brown fox jumps over the lazy dog\n" % n for n in range(100))
    with open(path, "wb") as f:
        while f.tell() < size:
            f.write((line * 256)[: size - f.tell()])
    return path


@contextlib.contextmanager
def lines(bench, most):
    """Lines of text in the place of the random bytes of the other rows, and not too many."""
    size, source = bench.args.size, getattr(bench, "source", None)
    bench.args.size = min(size, most)
    bench.source = make_lines(bench, bench.args.size)
    try:
        yield
    finally:
        os.unlink(bench.source)
        bench.args.size, bench.source = size, source


def few(bench):
    """So many MiB of what is written out byte by byte, at 4 MB/s and more."""
    return min(16, max(1, bench.args.size // 128))


def row(bench, title, most, tools):
    """Each sends the lines to the same receiver."""
    receiver = BarePump("", bench.limit("limits"), "read", "splice")

    def measure(tool):
        # Not all begin by emptying what the one before has left.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(bench.path(KEPT))
        return bulk(bench, tool, "tcp", None)

    with lines(bench, most):
        bench.compare(f"{title}, {bench.args.size} MiB of lines over TCP", [Sends(tool, receiver) for tool in tools],
                      [Column("GB/s", True, 1.0), Column("CPU s/GB, with that of the receiver", False)], measure)


def shown(bench):
    """--hex beside the hex dumps of socat and ncat, all to /dev/null."""
    row(bench, "A hex dump", few(bench), [
        SocatTo("socat -x", "", "-x"), SocatTo("socat -x -b64k", "", "-x", "-b65536"),
        Ncat("ncat --hex-dump", "ncat", "--hex-dump", "/dev/null"),
        Sockkit("sockkit", bench.args.binary, "--hex")])


def kept(bench):
    """--output and --record beside what socat and ncat keep of a session."""
    file = bench.path(KEPT)
    row(bench, "The bytes kept in a file (--output)", COPIED, [
        SocatTo("socat -r", "", "-r", file), SocatTo("socat -r -b64k", "", "-b65536", "-r", file),
        Ncat("ncat --output", "ncat", "--output", file),
        Sockkit("sockkit", bench.args.binary, "--output", file)])
    row(bench, "Both directions with their times (--record; socat and ncat: a hex dump)", few(bench), [
        SocatTo("socat -x", "", "-x"), Ncat("ncat --hex-dump", "ncat", "--hex-dump", file),
        Sockkit("sockkit", bench.args.binary, "--record", file)])


def crlf(bench):
    """--crlf beside that of ncat and socat; nc.openbsd -C writes each line by itself, 0.01 GB/s."""
    row(bench, "LF made CR LF", COPIED, [
        Ncat("ncat --crlf", "ncat", "--crlf"),
        SocatTo("socat crnl", ",crnl"), SocatTo("socat crnl -b64k", ",crnl", "-b65536"),
        Sockkit("sockkit", bench.args.binary, "--crlf")])


def expect(bench):
    """`expect` of what does not come, in a stream from a file: at least 1 GB/s for a literal, 0.3 for a regex."""
    size, source = bench.args.size << 20, bench.path("searched")
    with lines(bench, COPIED), open(bench.source, "rb") as some, open(source, "wb") as f:
        while f.tell() < size:
            some.seek(0)
            f.write(some.read(size - f.tell()))
    limits = bench.limit("limits")
    for what, pattern, wanted in [("a literal", '"a needle in it"', 1), ("a regex", "/needle [0-9]+ (here|there)/", 0.3)]:
        script = bench.path("script")
        with open(script, "w") as f:
            f.write(f"expect {pattern} within 100s\n")

        def search(tool):
            where = bench.fresh("tcp")
            with Children() as children, open(source, "rb") as stdin:
                sender = BarePump("", limits, "sendfile", "none")
                server = children.listen(
                    sender, [limits, "talk", "listen", str(where), "sendfile", "none"], stdin=stdin,
                    stdout=subprocess.DEVNULL)
                begin = time.perf_counter()
                client = children.start([*tool.connect(where), "--script", script], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                cpu = children.end(client)
                took = time.perf_counter() - begin
                children.end(server)
                if client.returncode != 3:
                    raise RuntimeError(f"ended with {client.returncode}")
            return size / took / GB, size / cpu / GB

        bench.compare(f"expect of {what} in {bench.args.size} MiB", [Sockkit("sockkit", bench.args.binary, "-q")],
                      [Column("GB/s", True), Column("GB for a CPU second of it", True)], search)
        bench.say(f"- wanted: at least {wanted} GB/s")
    os.unlink(source)


ROWS = {"hex": shown, "record": kept, "crlf": crlf, "expect": expect}
