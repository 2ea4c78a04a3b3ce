"""A relay between two ends: what passes, and what it adds."""

import os
import signal
import subprocess
import time

from bulk import GB, make_source
from harness import Children, Column
from tools import BarePump, Tool


class Relay(Tool):
    """`serve` gives the command that listens at one port of 127.0.0.1 and connects to another."""

    def config(self, bench, text):
        path = bench.path(f"conf{next(bench.numbers)}")
        with open(path, "w") as f:
            f.write(text)
        return path


class Direct(Relay):
    def found(self):
        return True

    def serve(self, bench, listen, target, many):
        return None


class Socat(Relay):
    def serve(self, bench, listen, target, many):
        fork = ",fork" if many else ""
        return [self.path, *self.flags, f"TCP-LISTEN:{listen},bind=127.0.0.1,reuseaddr,nodelay,backlog=1024{fork}",
                f"TCP:127.0.0.1:{target},nodelay"]


class Nginx(Relay):
    MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

    def found(self):
        return super().found() and os.path.exists(self.MODULE)

    def serve(self, bench, listen, target, many):
        buffer = "".join(f"proxy_buffer_size {size};" for size in self.flags)
        return [self.path, "-e", "/dev/null", "-c", self.config(bench, f"""
            load_module {self.MODULE};
            daemon off; master_process off; error_log /dev/null; pid {bench.path(f'pid{listen}')};
            events {{ worker_connections 1024; }}
            stream {{
                server {{ listen 127.0.0.1:{listen}; proxy_pass 127.0.0.1:{target}; tcp_nodelay on; {buffer} }}
            }}
            """)]


class Haproxy(Relay):
    def serve(self, bench, listen, target, many):
        options = "".join(f"    option {option}\n" for option in self.flags)
        return [self.path, "-db", "-q", "-f", self.config(bench, f"""
global
    nbthread 1
    maxconn 1000
    tune.pipesize 1048576
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
{options}
listen relay
    bind 127.0.0.1:{listen}
    server target 127.0.0.1:{target}
""")]


class Bare(Relay):
    is_limit = True

    def serve(self, bench, listen, target, many):
        return [self.path, "relay", listen, target]


class Sockkit(Relay):
    def serve(self, bench, listen, target, many):
        return [self.path, "relay", "-q", f"127.0.0.1:{listen}", f"127.0.0.1:{target}"]


def contestants(bench):
    return [Socat("socat", "socat"), Socat("socat -b64k", "socat", "-b65536"), Socat("socat -b1M", "socat", "-b1048576"),
            Nginx("nginx stream", "nginx"), Nginx("nginx stream, 256k", "nginx", "256k"),
            Haproxy("haproxy", "haproxy"), Haproxy("haproxy splicing", "haproxy", "splice-request", "splice-response"),
            Bare("bare splice", bench.limit("limits")), Sockkit("sockkit", bench.args.binary)]


def listens(port):
    """Whether somebody does. Asked of the kernel, for a connection would be taken for a client."""
    wanted = f":{port:04X}"
    with open("/proc/net/tcp") as f:
        return any(line.split()[1].endswith(wanted) and line.split()[3] == "0A" for line in list(f)[1:])


def started(bench, children, tool, target, many=False):
    """Starts the relay to the target, and gives the port to connect to and the process."""
    port = bench.fresh("tcp")
    argv = tool.serve(bench, port, target, many)
    if argv is None:
        return target, None
    relay = children.start(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 10
    while not listens(port):
        if time.monotonic() > until:
            raise RuntimeError(f"{tool.name} does not listen")
        time.sleep(0.002)
    return port, relay


def through(bench, tool, up, down):
    """Moves the file. Gives GB/s, and the CPU seconds of the relay for a GB."""
    size, limits = bench.args.size << 20, bench.limit("limits")
    ends = BarePump("ends", limits, up, down)
    target = bench.fresh("tcp")
    with Children() as children:
        sink = os.open("/dev/null", os.O_WRONLY)
        receiver = children.listen(ends, ends.receive(target), stdin=subprocess.DEVNULL, stdout=sink)
        os.close(sink)
        port, relay = started(bench, children, tool, target)
        source = os.open(bench.source, os.O_RDONLY)
        begin = time.perf_counter()
        sender = children.start(ends.connect(port), stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(source)
        children.end(receiver)
        took = time.perf_counter() - begin
        children.end(sender)
        if sender.returncode or receiver.returncode:
            raise RuntimeError(f"ended with {sender.returncode} and {receiver.returncode}")
        # Most go on; its end is waited for below, as that of all.
        os.kill(relay.pid, signal.SIGKILL)
        cpu = children.end(relay)
    return size / took / GB, cpu / (size / GB)


def asked(bench, tool, connections, rounds):
    """Round trips through it: the median and the 99th percentile in microseconds, and how many a second."""
    with Children() as children:
        echo = children.start([bench.limit("limits"), "echo"], stdout=subprocess.PIPE)
        port, _ = started(bench, children, tool, int(echo.stdout.readline()), connections > 1)
        ask = children.start([bench.limit("limits"), "ask", port, connections, rounds], stdout=subprocess.PIPE)
        said = ask.stdout.read().split()
        if children.end(ask) is None or ask.returncode:
            raise RuntimeError(f"ended with {ask.returncode}")
        return tuple(float(value) for value in said)


def relay_bulk(bench):
    """Relay: one connection, one way."""
    make_source(bench)
    columns = [Column("GB/s", True, 1.0, 0.9), Column("CPU s/GB", False, None, 1.11)]
    for up, down, words in [("sendfile", "splice", "sendfile, splice"), ("read", "read", "read and write")]:
        bench.compare(f"Relay, one connection, {bench.args.size} MiB (ends: {words})", contestants(bench), columns,
                      lambda tool: through(bench, tool, up, down))


def relay_latency(bench):
    """Relay: round trips over one connection, and over 100 at once."""
    for connections, rounds in [(1, 20_000), (100, 500)]:
        rounds = max(rounds // 20, 1) if bench.args.smoke else rounds
        first = [Direct("direct", "")] if connections == 1 else []
        if connections == 1:
            columns = [Column("µs", False, None, 1.11), Column("p99 µs", False), Column("a second", True)]
            order = slice(0, 3)
        else:
            columns = [Column("a second", True, 1.0, 0.9), Column("p99 µs", False), Column("µs", False)]
            order = slice(None, None, -1)
        bench.compare(f"Relay, round trips of 64 bytes, {connections} at once", [*first, *contestants(bench)], columns,
                      lambda tool: asked(bench, tool, connections, rounds)[order])


ROWS = {"relay-bulk": relay_bulk, "relay-latency": relay_latency}
