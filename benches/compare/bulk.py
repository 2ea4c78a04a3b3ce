"""One connection, as many bytes as it takes: from a file, from a pipe, both ways at once."""

import os
import subprocess
import time

from harness import Children, Column
from tools import BarePump, Sockkit, peers

GB = 1e9


def bulk(bench, tool, family, piped):
    """Moves the bytes from the sender's stdin to the receiver's stdout. `piped` is (bytes of a write, how to drain)
    of the programs at both ends, or None for a file and /dev/null. Gives GB/s, and the CPU seconds that sender
    and receiver took for a GB."""
    size, where = bench.args.size << 20, bench.fresh(family)
    limits = bench.limit("limits")
    with Children() as children:
        if piped:
            block, how = piped
            # A full pipe: its writer is always ahead. A drained pipe: its reader always waits. See README.md.
            out_reader, out_writer = os.pipe()
            drain = children.start([limits, "drain", how], stdin=out_reader, stdout=subprocess.PIPE)
            os.close(out_reader)
        else:
            out_writer = os.open("/dev/null", os.O_WRONLY)
        receiver = children.listen(tool, tool.receive(where), stdin=subprocess.DEVNULL, stdout=out_writer)
        os.close(out_writer)
        if piped:
            in_reader, in_writer = os.pipe()
            fill = children.start([limits, "fill", size, block], stdin=subprocess.PIPE, stdout=in_writer)
            os.close(in_writer)
        else:
            in_reader = os.open(bench.source, os.O_RDONLY)
        begin = time.perf_counter()
        sender = children.start(
            tool.connect(where), stdin=in_reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(in_reader)
        if piped:
            fill.stdin.close()
        cpu = children.end(sender) + children.end(receiver)
        if piped:
            moved = int(drain.stdout.read())
        took = time.perf_counter() - begin
        if sender.returncode or receiver.returncode:
            raise RuntimeError(f"ended with {sender.returncode} and {receiver.returncode}")
        if piped and moved != size:
            raise RuntimeError(f"lost data: {moved} of {size} bytes came")
    return size / took / GB, cpu / (size / GB)


def swap(bench, tool, family):
    """Both sides send from a full pipe and receive into a drained one, at once. GB/s of both together."""
    size, where = bench.args.size << 20, bench.fresh(family)
    limits = bench.limit("limits")
    with Children() as children:
        drains, fills, pipes = [], [], []
        for _ in range(2):
            out_reader, out_writer = os.pipe()
            drains.append(children.start([limits, "drain", "131072"], stdin=out_reader, stdout=subprocess.PIPE))
            os.close(out_reader)
            in_reader, in_writer = os.pipe()
            fills.append(children.start([limits, "fill", size, 131072], stdin=subprocess.PIPE, stdout=in_writer))
            os.close(in_writer)
            pipes.append((in_reader, out_writer))
        sides = [children.listen(tool, tool.accept(where), stdin=pipes[0][0], stdout=pipes[0][1])]
        begin = time.perf_counter()
        connect = tool.swap if isinstance(tool, BarePump) else tool.connect
        sides.append(children.start(
            connect(where), stdin=pipes[1][0], stdout=pipes[1][1], stderr=subprocess.DEVNULL))
        for fd in [fd for pair in pipes for fd in pair]:
            os.close(fd)
        for fill in fills:
            fill.stdin.close()
        cpu = sum(children.end(side) for side in sides)
        moved = [int(drain.stdout.read()) for drain in drains]
        took = time.perf_counter() - begin
        codes = [side.returncode for side in sides]
        if any(codes):
            raise RuntimeError(f"ended with {codes[0]} and {codes[1]}")
        if moved != [size, size]:
            raise RuntimeError(f"lost data: {moved[0]} and {moved[1]} of {size} bytes came")
    return 2 * size / took / GB, cpu / (2 * size / GB)


def make_source(bench):
    """The file that is sent, in memory; once."""
    if getattr(bench, "source", None):
        return
    bench.source = bench.path("source")
    block = os.urandom(1 << 20)
    with open(bench.source, "wb") as f:
        for _ in range(bench.args.size):
            f.write(block)


def family(bench, family, name):
    make_source(bench)
    limits, size = bench.limit("limits"), f"{bench.args.size} MiB"
    sockkit = Sockkit("sockkit", bench.args.binary)

    def columns(peer):
        # A tenth behind the limit, in time and in CPU.
        return [Column("GB/s", True, peer, 0.9), Column("CPU s/GB", False, None, 1.11)]

    bare = [BarePump("bare sendfile, splice", limits, "sendfile", "splice")]
    bench.compare(f"{name}, file of {size} to /dev/null", [*peers(), *bare, sockkit], columns(1.4),
                  lambda tool: bulk(bench, tool, family, None))
    bare = [BarePump("bare read 256 KiB, splice", limits, "read", "splice"),
            BarePump("bare splice, splice", limits, "splice", "splice")]
    bench.compare(f"{name}, full pipe to drained pipe, {size} (ends: 1 MiB writes, splice)",
                  [*peers(), *bare, sockkit], columns(1.5), lambda tool: bulk(bench, tool, family, ("1048576", "splice")))
    bare.append(BarePump("bare read, read 256 KiB", limits, "read", "read"))
    bench.compare(f"{name}, full pipe to drained pipe, {size} (ends: 128 KiB read and write, as cat)",
                  [*peers(), *bare, sockkit], columns(1.5), lambda tool: bulk(bench, tool, family, ("131072", "131072")))


def tcp(bench):
    """TCP on loopback: file to /dev/null, and pipe to pipe."""
    family(bench, "tcp", "TCP")


def unix(bench):
    """The same over a UNIX socket."""
    family(bench, "unix", "UNIX")


def both(bench):
    """Pipe to pipe over TCP, both directions at once."""
    limits = bench.limit("limits")
    bare = [BarePump("bare read 256 KiB, splice", limits, "read", "splice"),
            BarePump("bare read, read 256 KiB", limits, "read", "read")]
    columns = [Column("GB/s", True, 1.5, 0.9), Column("CPU s/GB", False, None, 1.11)]
    bench.compare(f"TCP, pipe to pipe both ways at once, {bench.args.size} MiB each",
                  [*peers(), *bare, Sockkit("sockkit", bench.args.binary)], columns,
                  lambda tool: swap(bench, tool, "tcp"))


ROWS = {"tcp": tcp, "unix": unix, "both": both}
