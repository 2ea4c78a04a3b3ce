"""A whole process: what a script that calls it a thousand times waits for."""

import os
import re
import shutil
import statistics
import subprocess
import time

from harness import Children, Column, LIMIT
from tools import Limit, Sockkit, Tool, peers


class BareConnect(Limit):
    def connect(self, where):
        return [self.path, str(where)]

    def check(self, port):
        return [self.path, "-z", str(port)]


class NcTraditional(Tool):
    def connect(self, where):
        # Without -q it waits for the peer, as it should here.
        return [self.path, "127.0.0.1", str(where)]

    def check(self, port):
        return [self.path, "-z", "127.0.0.1", str(port)]


def spawns(argv, stdin_file, count):
    """Median microseconds from spawn to end, over `count` runs one after another."""
    path, times = shutil.which(argv[0]), []
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, stdin_file, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
    ]
    for _ in range(count):
        begin = time.perf_counter()
        pid = os.posix_spawn(path, argv, os.environ, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        times.append(time.perf_counter() - begin)
        if status:
            raise RuntimeError(f"{' '.join(argv)} ended with {os.waitstatus_to_exitcode(status)}")
    return statistics.median(times) * 1e6


def contestants(bench):
    short = [tool for tool in peers() if not tool.flags]
    return [NcTraditional("nc.traditional", "nc.traditional"), *short,
            BareConnect("bare C library", bench.limit("bare-connect")), Sockkit("sockkit", bench.args.binary)]


def measured(bench, title, argv, stdin_file):
    # One server for all the rounds: reads what came, answers, closes.
    with Children(LIMIT * bench.args.rounds) as children:
        server = children.start([bench.limit("limits"), "answer"], stdout=subprocess.PIPE)
        port = int(server.stdout.readline())
        columns = [Column("µs", False, peer=1.0, against="nc.openbsd")]
        bench.compare(title, contestants(bench), columns,
                      lambda tool: spawns(argv(tool, port), stdin_file, bench.args.spawns))
        server.kill()


def start(bench):
    """Start-up: connect, 5 bytes, answer, exit."""
    five = bench.path("five")
    with open(five, "wb") as f:
        f.write(b"hello")
    measured(bench, "Start-up: connect, 5 bytes, answer, exit", lambda tool, port: tool.connect(port), five)
    # Each library is a tenth of a millisecond.
    needed = subprocess.run(["ldd", bench.args.binary], capture_output=True, text=True).stdout
    bench.say("- sockkit loads " + ", ".join(re.findall(r"^\s*(\S+) => /", needed, re.MULTILINE)))


def check(bench):
    """Start-up of a port check: -z."""
    measured(bench, "Check: -z", lambda tool, port: tool.check(port), "/dev/null")


ROWS = {"start": start, "check": check}
