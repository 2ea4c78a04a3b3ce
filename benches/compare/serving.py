"""The servers: echo over TCP, UNIX and UDP, and the chat. The load is `serving` of limits/, and its `bare` servers
are the limit: one thread and epoll, or recvmmsg and sendmmsg, with no checks, no names and no limits."""

import json
import os
import resource
import subprocess

from harness import Children, Column
from tools import Limit, Ncat, Sockkit, Socat

CPUS = sorted(os.sched_getaffinity(0))


class Bare(Limit):
    word = b"ready"

    def __init__(self, name, path, what):
        super().__init__(name, path)
        self.what = what

    def serve(self, family, where):
        return [self.path, "bare", self.what, address(family, where)]


class Ours(Sockkit):
    def serve(self, family, where):
        at = f"udp://127.0.0.1:{where}" if family == "udp" else self.at(where)
        return [self.path, *self.flags, "-q", at]


class SocatFork(Socat):
    def serve(self, family, where):
        return [self.path, "-d", "-d", f"{self.listening(where)},fork", "PIPE"]


class NcatKeep(Ncat):
    def serve(self, family, where):
        return [self.path, "-v", "-k", "-l", *self.flags, *self.at(where)]


def address(family, where):
    return f"unix:{where}" if family == "unix" else f"{family}:127.0.0.1:{where}"


def echoes(bench, family):
    serving = bench.limit("serving")
    if family == "udp":
        bare = [Bare("recvmmsg, sendmmsg", serving, "udp"), Bare("the same behind epoll", serving, "udp-epoll")]
        return [*bare, Ours("sockkit", bench.args.binary, "echo")]
    socat = [SocatFork("socat fork", "socat")]
    ncat = [NcatKeep("ncat -k", "ncat", "-e", "/bin/cat")] if family == "tcp" else []
    return [*socat, *ncat, Bare("epoll", serving, "echo"), Ours("sockkit", bench.args.binary, "echo")]


def load(bench, tool, family, what, *args, pin=None):
    """What the load says of this server: a dictionary. `args` go behind the address; PID is the server's."""
    where = bench.fresh("unix" if family == "unix" else "tcp")
    pin = ["taskset", "-c", str(pin)] if pin is not None else []
    with Children() as children:
        server = children.listen(tool, [*pin, *tool.serve(family, where)], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL)
        args = [server.pid if arg == "PID" else arg for arg in args]
        client = children.start([*pin, bench.limit("serving"), what, address(family, where), *args],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said, why = client.stdout.read(), client.stderr.read()
        children.end(client)
        if client.returncode:
            # What a panic says is on the line behind its place.
            lines = why.decode(errors="replace").strip().splitlines()
            raise RuntimeError(next((b for a, b in zip(lines, lines[1:]) if "panicked" in a), " ".join(lines))[:120])
    return json.loads(said)


def picked(said, *keys):
    return tuple(said[key] for key in keys)


def rtt(bench):
    """Round trips of 64 bytes, one at a time: TCP, UNIX, UDP; on one CPU and on any."""
    count = 200 if bench.args.smoke else 20_000
    columns = [Column("p50 µs", False, peer=1.0, limit=1.05), Column("mean µs", False), Column("p99 µs", False)]
    for family in ["tcp", "unix", "udp"]:
        for pin, words in [(CPUS[0], "on one CPU"), (None, "not pinned")]:
            bench.compare(f"Round trip over {family}, {words}", echoes(bench, family), columns,
                          lambda tool: picked(load(bench, tool, family, "rtt", count, pin=pin),
                                              "p50_us", "mean_us", "p99_us"))


def closed(bench):
    """Many connections, each with one message under way."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for conns in [10] if bench.args.smoke else [100, 1000, 5000, 10_000]:
        if conns + 100 > hard:
            bench.say(f"\n{conns} connections: the limit of descriptors is {hard}\n")
            continue
        # A process for each connection, as the peers have it, is no contest at ten thousand.
        tools = [tool for tool in echoes(bench, "tcp") if conns <= 1000 or not isinstance(tool, (Socat, Ncat))]
        # ncat -k takes 100 at once unless told otherwise, and that is what it is measured at.
        tools = [tool for tool in tools if conns <= 100 or not isinstance(tool, Ncat)]
        bench.compare(f"{conns} connections in closed loop", tools,
                      [Column("answers/s", True, peer=1.0, limit=0.9), Column("p99 µs", False, limit=1.2)],
                      lambda tool: picked(load(bench, tool, "tcp", "closed", conns, 1), "per_s", "p99_us"))


def accept(bench):
    """Connections a second: connect, 16 bytes each way, close; 16 at a time."""
    count = 200 if bench.args.smoke else 10_000
    bench.compare("Connect, 16 bytes each way, close; 16 at a time", echoes(bench, "tcp"),
                  [Column("connections/s", True, peer=1.0, limit=0.9), Column("failed", False)],
                  lambda tool: picked(load(bench, tool, "tcp", "accept", count if not tool.name.startswith(("socat", "ncat")) else
                                           count // 10, 16), "per_s", "failed"))


def burst(bench):
    """So many connect at once, then each says 16 bytes: who is served?"""
    for count in [20] if bench.args.smoke else [100, 1000]:
        tools = [tool for tool in echoes(bench, "tcp") if count <= 100 or not isinstance(tool, (Socat, Ncat))]
        bench.compare(f"{count} connect at once", tools, [Column("s", False, peer=1.0), Column("not served", False)],
                      lambda tool: picked(load(bench, tool, "tcp", "burst", count), "s", "failed"))


def idle(bench):
    """Memory for each of many connections that have said something and are silent."""
    for conns in [100] if bench.args.smoke else [1000, 10_000]:
        # What a process for each would take, RSS does not tell.
        tools = [tool for tool in echoes(bench, "tcp") if not isinstance(tool, (Socat, Ncat))]
        bench.compare(f"Memory of {conns} idle connections", tools, [Column("bytes of RSS each", False)],
                      lambda tool: picked(load(bench, tool, "tcp", "idle", conns, "PID"), "each"))


def udp(bench):
    """Datagrams of 64 bytes: 32 under way on one socket, and one on each of 32."""
    for sockets, window in [(1, 32), (32, 1)]:
        bench.compare(f"UDP echo, {sockets} socket{'s' * (sockets > 1)}, {window} under way on each", echoes(bench, "udp"),
                      [Column("packets/s", True, limit=0.9), Column("lost", False), Column("p99 µs", False)],
                      lambda tool: picked(load(bench, tool, "udp", "udp", sockets, window, 1), "per_s", "lost", "p99_us"))


def fan(bench):
    """Chat: lines of 64 bytes from one to many, 64 under way. Ours has names, checks and a format; the others none."""
    serving, sockkit = bench.limit("serving"), bench.args.binary
    for receivers in [3] if bench.args.smoke else [1, 10, 100, 1000]:
        tools = [Bare("epoll", serving, "broadcast"), Ours("sockkit", sockkit, "chat", "serve", "--rate", "0"),
                 Ours("sockkit --raw", sockkit, "chat", "serve", "--raw")]
        if receivers < 100:
            # It takes no more than 100, itself included, and of many at once fewer.
            tools.insert(0, NcatKeep("ncat --broker", "ncat", "--broker"))
        bench.compare(f"Fan-out to {receivers}", tools,
                      [Column("deliveries/s", True, peer=1.0, limit=0.7), Column("p99 µs", False, limit=2.0)],
                      lambda tool: picked(load(bench, tool, "tcp", "fan", receivers, 64, 1,
                                               "chat" if tool.name == "sockkit" else "raw"), "per_s", "p99_us"))


ROWS = {"rtt": rtt, "closed": closed, "accept": accept, "burst": burst, "idle": idle, "udp": udp, "fan": fan}
