"""What a host has and when it has it: the list of many sockets, and the notice that a port opens."""

import resource
import socket
import subprocess
import sys
import time

from harness import Children, Column
from tools import Sockkit, Tool


class Ss(Tool):
    def list(self):
        return [self.path, "-tanp"]


class Inspect(Sockkit):
    def list(self):
        return [self.path, "inspect", "--tcp"]


class Loop(Tool):
    """What people write: a check, and a pause of 50 ms."""

    def wait(self, port):
        return ["sh", "-c", f"until {self.path} -z 127.0.0.1 {port}; do sleep 0.05; done"]


class Wait(Sockkit):
    def wait(self, port):
        return [self.path, "wait", "-q", f"127.0.0.1:{port}"]


# By another process: to fork one that has ten thousand descriptors takes 3 ms, which would be measured too.
HOLDER = """
import resource, socket, sys
pairs = int(sys.argv[1])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
listener = socket.create_server(("127.0.0.1", 0), backlog=16)
held = []
for _ in range(pairs):
    held += [socket.create_connection(listener.getsockname()), listener.accept()[0]]
print("ready", flush=True)
sys.stdin.read()
"""


def inspect(bench):
    """The whole process: TCP sockets of this host, ten thousand more than there are, with whose they are."""
    pairs = 50 if bench.args.smoke else min(5000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100) // 2)

    def measure(tool):
        with Children() as children:
            begin = time.perf_counter()
            process = children.start(tool.list(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            cpu = children.end(process)
            took = time.perf_counter() - begin
            if process.returncode:
                raise RuntimeError(f"ended with {process.returncode}")
        return took * 1000, cpu * 1000

    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(pairs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        if holder.stdout.readline() != b"ready\n":
            raise RuntimeError("no sockets to be listed")
        bench.compare(f"{2 * pairs} TCP sockets and their processes", [Ss("ss -tanp", "ss"), Inspect("sockkit", bench.args.binary)],
                      [Column("ms", False, 1.0), Column("CPU ms", False)], measure)
    bench.say("- wanted: at most 50 ms")


def wait(bench):
    """From the moment that a port opens to the end of whoever waits for it; the port opens after 0.3 to 0.4 s."""
    turn = iter(range(1 << 30))

    def measure(tool):
        port = bench.fresh("tcp")
        with Children() as children:
            process = children.start(tool.wait(port), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            # At another moment of its pause each time.
            time.sleep(0.3 + 0.013 * (next(turn) % 8))
            with socket.create_server(("127.0.0.1", port)):
                begin = time.perf_counter()
                children.end(process)
                took = time.perf_counter() - begin
            if process.returncode:
                raise RuntimeError(f"ended with {process.returncode}")
        return took * 1000

    bench.compare("A port opens", [Loop("nc.openbsd -z, every 50 ms", "nc.openbsd"), Wait("sockkit", bench.args.binary)],
                  [Column("ms", False, 1.0)], measure)
    bench.say("- wanted: at most 20 ms")


ROWS = {"inspect": inspect, "wait": wait}
