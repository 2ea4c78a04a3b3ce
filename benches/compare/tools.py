"""The contestants: how each listens, connects and checks, with the flags that a user who knows it would give.

`where` is a port of 127.0.0.1, or the path of a UNIX socket.
"""

import shutil


class Tool:
    """`word` is what it says on stderr once it listens; `None` for one that has a descriptor for it."""

    word = b"istening on"
    is_limit = False

    def __init__(self, name, path, *flags):
        self.name, self.path, self.flags = name, path, flags

    def found(self):
        return shutil.which(self.path) is not None

    def ready_args(self, fd):
        return []

    def at(self, where):
        return ["-U", where] if isinstance(where, str) else ["127.0.0.1", str(where)]


class NcOpenbsd(Tool):
    def receive(self, where):
        # -d: a receiver has no use for its stdin.
        return [self.path, "-v", "-d", "-l", *self.at(where)]

    def accept(self, where):
        return [self.path, "-v", "-N", "-l", *self.at(where)]

    def connect(self, where):
        return [self.path, "-N", *self.at(where)]

    def check(self, port):
        return [self.path, "-z", "127.0.0.1", str(port)]


class Ncat(Tool):
    def receive(self, where):
        return [self.path, "-v", "--recv-only", "-l", *self.at(where)]

    def accept(self, where):
        return [self.path, "-v", "-l", *self.at(where)]

    def connect(self, where):
        return [self.path, *self.flags, *self.at(where)]

    def check(self, port):
        return [self.path, "-z", "127.0.0.1", str(port)]


class Socat(Tool):
    def receive(self, where):
        return [self.path, "-d", "-d", *self.flags, "-u", self.listening(where), "STDOUT"]

    def accept(self, where):
        return [self.path, "-d", "-d", *self.flags, self.listening(where), "STDIO"]

    def listening(self, where):
        if isinstance(where, str):
            return f"UNIX-LISTEN:{where}"
        return f"TCP-LISTEN:{where},bind=127.0.0.1,reuseaddr"

    def connect(self, where):
        to = f"UNIX-CONNECT:{where}" if isinstance(where, str) else f"TCP:127.0.0.1:{where}"
        return [self.path, *self.flags, "STDIO", to]

    def check(self, port):
        # It has no -z; this is what stands in for it.
        return [self.path, "-u", "/dev/null", f"TCP:127.0.0.1:{port}"]


class Sockkit(Tool):
    word = None

    def receive(self, where):
        return [self.path, "listen", *self.flags, self.at(where)]

    accept = receive

    def connect(self, where):
        return [self.path, "connect", *self.flags, self.at(where)]

    def at(self, where):
        return f"unix:{where}" if isinstance(where, str) else f"127.0.0.1:{where}"

    def check(self, port):
        return [self.path, "connect", "-z", f"127.0.0.1:{port}"]

    def ready_args(self, fd):
        return ["--ready-fd", str(fd)]


class Limit(Tool):
    """A program of limits/ that does this one thing and nothing else."""

    is_limit = True


class BarePump(Limit):
    """`talk` of limits/: how it sends and how it receives are its flags."""

    def __init__(self, name, path, up, down):
        super().__init__(name, path, up, down)

    def receive(self, where):
        return [self.path, "talk", "listen", str(where), "none", self.flags[1]]

    def accept(self, where):
        return [self.path, "talk", "listen", str(where), *self.flags]

    def connect(self, where):
        return [self.path, "talk", "connect", str(where), self.flags[0], "none"]

    def swap(self, where):
        return [self.path, "talk", "connect", str(where), *self.flags]


def peers():
    """Those that come from the distribution."""
    return [
        NcOpenbsd("nc.openbsd", "nc.openbsd"),
        Ncat("ncat", "ncat"),
        Socat("socat", "socat"),
        Socat("socat -b64k", "socat", "-b65536"),
        Socat("socat -b1M", "socat", "-b1048576"),
    ]
