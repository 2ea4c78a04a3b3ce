"""What all measurements share: interleaved rounds, medians, tables, children that are waited for and accounted."""

import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading

LIMIT = 120  # seconds for anything


class Column:
    """What is measured of each run. `peer` and `limit` are what the ratio of sockkit to the best of them should
    reach; a ratio is a value over a value, so where less is better it should stay below."""

    def __init__(self, unit, more_is_better, peer=None, limit=None, against=None):
        self.unit, self.more, self.peer, self.limit, self.against = unit, more_is_better, peer, limit, against

    def best(self, medians):
        return (max if self.more else min)(medians, key=medians.get)

    def wanted(self, value):
        return "" if value is None else f" (wanted: {'at least' if self.more else 'at most'} {value})"


class Bench:
    """One invocation: where to measure, how often, and where the tables go."""

    def __init__(self, args, limits):
        self.args, self.limits = args, limits
        self.lines = []
        # Memory, where there is some: a disk is not what is measured.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.directory = tempfile.TemporaryDirectory(dir=memory, prefix="sockkit-compare-")
        self.numbers = iter(range(1 << 30))
        self.failures = []

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def limit(self, name):
        """One of the bare programs of limits/."""
        return os.path.join(self.limits, name)

    def fresh(self, family):
        """An address that nobody has used: a port for those that cannot tell which one they were given."""
        if family == "unix":
            return self.path(f"s{next(self.numbers)}")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def say(self, text=""):
        print(text, flush=True)
        self.lines.append(text)

    def head(self):
        model = ""
        try:
            with open("/proc/cpuinfo") as f:
                model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "")
        except OSError:
            pass
        self.say(f"{len(os.sched_getaffinity(0))} CPUs ({model}), {platform.system()} {platform.release()}, "
                 f"{self.args.rounds} interleaved rounds, medians")

    def compare(self, title, contestants, columns, measure):
        """Interleaved rounds, the order turned by one each time, then the table. `measure(contestant)` gives a value
        for each column. One that fails is out, and it is said why."""
        contestants = [c for c in contestants if c.found()]
        if not contestants:
            return
        results, failed = {c.name: [] for c in contestants}, {}
        for n in range(self.args.rounds):
            turn = n % len(contestants)
            for contestant in contestants[turn:] + contestants[:turn]:
                if contestant.name in failed:
                    continue
                try:
                    values = measure(contestant)
                    results[contestant.name].append(values if isinstance(values, tuple) else (values,))
                except (RuntimeError, OSError, ValueError) as why:
                    failed[contestant.name] = str(why)
        if "sockkit" in failed:
            self.failures.append(f"{title}: {failed['sockkit']}")
        self.table(title, contestants, columns, results, failed)

    def table(self, title, contestants, columns, results, failed):
        """A Markdown table: the median of the rounds, for the first column also the lowest and the highest."""
        medians = [{n: statistics.median(v[i] for v in rows) for n, rows in results.items() if rows and n not in failed}
                   for i in range(len(columns))]
        ours = [m.get("sockkit") for m in medians]
        self.say(f"\n### {title}\n")
        first, *more = columns
        self.say(f"| | {first.unit} | lowest | highest | sockkit : it |" + "".join(f" {c.unit} |" for c in more))
        self.say("|---|---:|---:|---:|---:|" + "---:|" * len(more))
        for contestant in contestants:
            name = contestant.name
            if name in failed:
                self.say(f"| {name} | failed: {failed[name]} | | | |" + " |" * len(more))
                continue
            values = [row[0] for row in results[name]]
            ratio = f"{ours[0] / medians[0][name]:.2f}" if ours[0] and name != "sockkit" and medians[0][name] else ""
            self.say(f"| {name} | {number(medians[0][name])} | {number(min(values))} | {number(max(values))} | {ratio} |"
                     + "".join(f" {number(m[name])} |" for m in medians[1:]))
        self.say()
        bare = {c.name for c in contestants if c.is_limit}
        for column, m, our in zip(columns, medians, ours):
            if our is None:
                continue
            for limits, target in [(False, column.peer), (True, column.limit)]:
                rest = {n: v for n, v in m.items() if n != "sockkit" and (n in bare) == limits and v}
                if not rest:
                    continue
                best = column.against if not limits and column.against in rest else column.best(rest)
                self.say(f"- {column.unit}, sockkit : {best} = {our / rest[best]:.2f}{column.wanted(target)}")


def number(value):
    """Three figures, or all of a whole number."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


class Children:
    """The processes of one run: all are ended with it, and the CPU time of each is known once it is."""

    def __init__(self, limit=LIMIT):
        self.limit = limit

    def __enter__(self):
        self.running = []
        # wait(timeout) looks again and again, 50 ms apart: too coarse for what is measured.
        self.watchdog = threading.Timer(self.limit, self.kill)
        self.watchdog.start()
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.kill()
        for process in self.running:
            self.end(process)
            for stream in [process.stdin, process.stdout, process.stderr]:
                if stream:
                    stream.close()

    def kill(self):
        for process in self.running:
            # Popen.kill() would reap one that has ended, and its CPU time with it.
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)

    def start(self, argv, **how):
        process = subprocess.Popen([str(a) for a in argv], **how)
        self.running.append(process)
        return process

    def listen(self, tool, argv, **how):
        """Starts a listener and returns once it listens, which it tells on stderr or on a descriptor."""
        reader, writer = os.pipe()
        try:
            if tool.word is None:
                process = self.start([*argv, *tool.ready_args(writer)], stderr=subprocess.DEVNULL, pass_fds=[writer], **how)
                word = b"\n"
            else:
                process = self.start(argv, stderr=writer, **how)
                word = tool.word
        finally:
            os.close(writer)
        said = b""
        while word not in said:
            piece = os.read(reader, 4096)
            if not piece:
                os.close(reader)
                raise RuntimeError(f"{tool.name} does not listen: {said.decode(errors='replace').strip()}")
            said += piece
        process.said = said
        # What it says later must not block it, and is of no use.
        threading.Thread(target=drain_quietly, args=[reader], daemon=True).start()
        return process

    @staticmethod
    def end(process):
        """Waits for its end; gives the seconds of CPU that it took."""
        if process.returncode is None:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.cpu = used.ru_utime + used.ru_stime
        return process.cpu


def drain_quietly(fd):
    while os.read(fd, 65536):
        pass
    os.close(fd)


def warn(text):
    print(text, file=sys.stderr)
