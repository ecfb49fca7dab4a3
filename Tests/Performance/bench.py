#!/usr/bin/env python3
"""`make bench`: Roost against a C ping-pong and against the bare engine, in one interleaved run.

Machines are noisy and drift, so everything is measured in turns, A B A B, and compared by ratio;
the table shows medians over the rounds. Where there are two cores the calling end is pinned to the
first and the serving end to the second: unpinned, the scheduler decides from run to run whether
both share one. Each figure's goal and stretch stand in the table.

    python3 Tests/Performance/bench.py [--rounds N] [--seconds S] [--only PART] [--build DIR]

The parts `batching` and `loading` want what Tests/Performance/make_minilm.py makes, and `image` wants
Pillow and NumPy; `make bench` sees to both.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODELS = os.path.join(ROOT, "examples", "models")
MADE = os.path.join(ROOT, ".build-bench")
CORES = sorted(os.sched_getaffinity(0))
CALLER, SERVER = (CORES[0], CORES[1]) if len(CORES) > 1 else (CORES[0], CORES[0])

# What is served in `batching`: the repository, and sizes of dimensions besides the rows. OpenVINO
# knows no names of dimensions. `minilm-openvino` is made of minilm, where OpenVINO is installed.
BATCHED = {
    "digits": (MODELS, []),
    "minilm": (os.path.join(MADE, "models"), ["seq=32"]),
}
OPENVINO, PRECISION = "minilm-openvino", os.environ.get("BENCH_PRECISION", "bf16")
if os.path.exists(os.path.join(ROOT, ".engines", "openvino", "VERSION")):
    BATCHED[OPENVINO] = (os.path.join(MADE, "openvino"), ["=32"])
PARTS = (
    "network", "engine", "batching", "overload", "loading", "swaps", "codec", "image", "broker",
    "fleet", "start",
)
IN_FLIGHT = (1, 8, 32, 64)
# Microseconds that a worker with one request in flight has nothing to do between two runs, about.
PAUSE = 300
BATCHES = (1, 2, 4, 8, 16, 32, 64)
# Pictures in a request of `overload`, which make it so heavy that the calling end, on a core of its
# own, can send four times what the serving end can answer; and the deadline in milliseconds.
OVERLOAD, OVERLOAD_ROWS, OVERLOAD_DEADLINE = 4, 64, 100
# Requests per second for the small model while the large one is loaded.
LOADING_RATE = 500
# How often the encoder's version is replaced, and requests per second meanwhile.
SWAPS, SWAPS_RATE = 100, 20


class Bench:
    def __init__(self, arguments):
        self.seconds = arguments.seconds
        self.rounds = arguments.rounds
        self.build = arguments.build
        # The calling end's own comes last.
        cores = CORES[1:] + CORES[:1]
        self.worker_cores = ",".join(map(str, cores[: arguments.worker_cores]))
        self.children = []
        self.rows = []
        self.tables = []  # of sections that make their own

    def program(self, name):
        return os.path.join(self.build, name)

    def pinned(self, core, command):
        return ["taskset", "-c", str(core)] + command

    def serve(self, command, core=SERVER):
        """Starts a serving end and returns the first line that it prints: its endpoint."""
        child = subprocess.Popen(
            self.pinned(core, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.children.append(child)
        line = child.stdout.readline().strip()
        if not line:
            sys.exit(f"bench: {' '.join(command)} did not start")
        return child, line

    def stop(self, child):
        child.stdin.close()
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        self.children.remove(child)

    def call(self, command, core=CALLER):
        """Runs a calling end; the numbers of the one line it prints."""
        return [float(word) for word in self.output(command, core).split()]

    def output(self, command, core, extra=0):
        done = subprocess.run(
            self.pinned(core, command),
            capture_output=True,
            text=True,
            timeout=120 + 20 * self.seconds + extra,
        )
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def bare(self, models, model, rows, sizes, lanes=1, threads=1, pause=0):
        """The bare engine on the worker's core, at each of these batch sizes; by size.

        `pause` is how many microseconds each run begins after the last.
        """
        command = [self.program("roost-engine-bench"), self.file(models, model)]
        command += ["--rows", ",".join(map(str, rows)), "--seconds", str(self.seconds)]
        command += ["--lanes", str(lanes), "--intra-op-threads", str(threads), "--pause", str(pause)]
        for size in sizes:
            command += ["--dimension", size]
        if model == OPENVINO:
            command += ["--engine", "openvino", "--engine-option", "precision=" + PRECISION]
        lines = [json.loads(line) for line in self.output(command, self.worker_cores).splitlines()]
        return {line["rows"]: line for line in lines}

    def file(self, models, model):
        path = os.path.join(models, model, "1", "model.onnx")
        if not os.path.exists(path):
            sys.exit(f"bench: {path} is missing; `make bench` makes it first")
        return path

    def fleet_of_one(self, models, flags=()):
        """A broker on the calling end's core and a worker; their processes, and the broker's endpoint."""
        broker, line = self.serve(
            [self.program("roost-broker"), "--listen", "tcp://127.0.0.1:*", "--log-level", "error"],
            core=CALLER,
        )
        endpoint = line.split()[-1]
        executors = str(len(self.worker_cores.split(",")))
        worker = self.worker(
            models, endpoint, ["--executors", executors, *flags], self.worker_cores
        )
        return [worker, broker], endpoint

    def worker(self, models, broker, flags=(), core=SERVER):
        """Starts a worker and waits until it is ready."""
        command = [self.program("roost-worker"), models, "--log-level", "error", "--broker", broker]
        child, ready = self.serve(command + ["--listen", "tcp://127.0.0.1:*", *flags], core)
        while not ready.startswith("ready"):
            ready = child.stdout.readline()
            if not ready:
                sys.exit("bench: roost-worker did not become ready")
        return child

    def progress(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def row(self, what, ours, floor, ratio, goal, stretch, lower=True, unit=""):
        """A line of the table. `ratio` is what the goal is about, if there is one."""
        value = ratio if ratio is not None else ours
        better = (lambda bound: value <= bound) if lower else (lambda bound: value >= bound)
        verdict = "stretch" if better(stretch) else "goal" if better(goal) else "MISSED"
        self.rows.append((what, ours, floor, ratio, goal, stretch, verdict, unit))

    # The measurements.

    def network(self):
        """The full path with an identity model against DEALER/ROUTER in C."""
        pong, c_end = self.serve([self.program("pingpong"), "serve"])
        host, broker = self.serve([self.program("roost-bench"), "host"])
        seconds = str(self.seconds)

        def c(size, reply, window):
            return self.call(
                [self.program("pingpong"), "call", c_end, str(size), str(reply), str(window), seconds, "1"]
            )

        def ours(size, window, mode):
            return self.call(
                [self.program("roost-bench"), "call", broker, str(size), str(window), seconds, mode]
            )

        kinds = {
            "c1": lambda: c(64, 64, 1),
            "executor1": lambda: ours(64, 1, "executor"),
            "pool1": lambda: ours(64, 1, "pool"),
            "c64": lambda: c(64, 64, 64),
            "executor64": lambda: ours(64, 64, "executor"),
            "pool64": lambda: ours(64, 64, "pool"),
            "big_c": lambda: c(602112, 64, 1),
            "big": lambda: ours(602112, 1, "executor"),
        }
        results = {kind: [] for kind in kinds}
        for turn in range(self.rounds):
            for kind, measure in kinds.items():
                self.progress(f"round {turn + 1} of {self.rounds}: {kind}")
                results[kind].append(measure())
        self.stop(pong)
        self.stop(host)

        def compare(what, kind, floor, column, goal, stretch, lower, unit):
            pairs = zip(results[kind], results[floor])
            ratio = statistics.median(a[column] / b[column] for a, b in pairs)
            median = {
                name: statistics.median(line[column] for line in results[name])
                for name in (kind, floor)
            }
            self.row(what, median[kind], median[floor], ratio, goal, stretch, lower, unit)

        compare("64 B, one at a time, p50, on the executor", "executor1", "c1", 1, 1.35, 1.15, True, "us")
        compare("64 B, one at a time, p50, on the pool", "pool1", "c1", 1, 1.7, 1.4, True, "us")
        compare("64 B, 64 in flight, on the executor", "executor64", "c64", 0, 0.45, 0.6, False, "/s")
        compare("64 B, 64 in flight, on the pool", "pool64", "c64", 0, 0.28, 0.4, False, "/s")
        compare("602112 B one way, p50", "big", "big_c", 1, 1.2, 1.05, True, "us")
        outside = statistics.median(line[1] for line in results["executor1"])
        self.row("outside the model, one request, p50", outside, None, None, 100, 70, True, "us")

    def engine(self):
        """The digits model through the fleet against the engine in a loop, on the worker's core."""
        host, broker = self.serve([self.program("roost-bench"), "host", "--models", MODELS])
        bench = self.program("roost-bench")
        seconds = str(self.seconds)
        bare, fleet = [], []
        for turn in range(self.rounds):
            self.progress(f"round {turn + 1} of {self.rounds}: digits")
            bare.append(self.bare(MODELS, "digits", [1], [])[1]["rows_per_s"])
            fleet.append(self.call([bench, "closed", broker, "digits", "64", seconds, "1"])[0])
        self.stop(host)
        ratio = statistics.median(a / b for a, b in zip(fleet, bare))
        ours = statistics.median(fleet)
        floor = statistics.median(bare)
        self.row("digits, 64 in flight, against the engine", ours, floor, ratio, 0.5, 0.7, False, "/s")

    def batching(self):
        """Requests of one row each, joined by a worker, against batches that the bare engine is given.

        First batches of all sizes are measured, on one thread for each of the worker's cores and on
        one lane that has them all; requests that are not there cannot be joined, so with N in flight
        the bare engine's best is the one that has at most N rows under way. Then that one and the
        worker are measured in turns: rates that chose the best are too good by the luck that had it
        chosen, and are not compared.
        """
        for model, (models, sizes) in BATCHED.items():
            if model == OPENVINO:
                self.make_openvino(models)
            self.file(models, model)
            self.batching_of(model, models, sizes)

    def make_openvino(self, models):
        """The encoder again, to be executed by OpenVINO."""
        version = os.path.join(models, OPENVINO, "1")
        os.makedirs(version, exist_ok=True)
        file = os.path.join(version, "model.onnx")
        if not os.path.exists(file):
            os.link(self.file(BATCHED["minilm"][0], "minilm"), file)
        with open(os.path.join(models, OPENVINO, "model.toml"), "w") as configuration:
            configuration.write(
                f'engine = "openvino"\n[engine-options]\nprecision = "{PRECISION}"\n'
            )

    def batching_of(self, model, models, sizes):
        cores = len(self.worker_cores.split(","))
        layouts = [(cores, 1)] + ([(1, cores)] if cores > 1 else [])
        swept = {(layout, rows): [] for layout in layouts for rows in BATCHES}
        for turn in range(self.rounds):
            for layout in layouts:
                self.progress(f"round {turn + 1} of {self.rounds}: {model}, sizes of batches")
                for rows, line in self.bare(models, model, BATCHES, sizes, *layout).items():
                    swept[layout, rows].append(line["rows_per_s"])
        rate = {setting: statistics.median(rates) for setting, rates in swept.items()}
        best = {
            count: max((setting for setting in rate if self.rows_under_way(setting) <= count), key=rate.get)
            for count in IN_FLIGHT
        }
        single = ((cores, 1), 1)
        bare = {count: [] for count in IN_FLIGHT}
        worker = {count: [] for count in IN_FLIGHT}
        calls, rested = [], []
        children, broker = self.fleet_of_one(models)
        closed = [self.program("roost-bench"), "closed", broker, model]
        for turn in range(self.rounds):
            for count in IN_FLIGHT:
                self.progress(f"round {turn + 1} of {self.rounds}: {model}, {count} in flight")
                layout, rows = best[count]
                line = self.bare(models, model, (rows,), sizes, *layout)[rows]
                bare[count].append(line["rows_per_s"])
                worker[count].append(self.call(closed + [str(count), str(self.seconds), "1"] + sizes))
            calls.append(self.bare(models, model, (1,), sizes, *single[0])[1]["p50_us"])
            rested.append(self.bare(models, model, (1,), sizes, *single[0], PAUSE)[1]["p50_us"])
        for child in children:
            self.stop(child)

        table = [(f"{model}, rows/s", "Roost", "bare engine", "batch", "ratio", "of all rounds")]
        for count in IN_FLIGHT:
            ours = statistics.median(line[0] for line in worker[count])
            floor = statistics.median(bare[count])
            ratios = sorted(line[0] / other for line, other in zip(worker[count], bare[count]))
            ratio = statistics.median(ratios)
            self.row(f"{model}, {count} in flight, rows", ours, floor, ratio, 0.98, 1, False, "/s")
            table.append(
                (
                    f"{count} in flight",
                    f"{ours:,.0f}",
                    f"{floor:,.0f}",
                    self.setting(best[count]),
                    f"{ratio:.3f}x",
                    f"{ratios[0]:.3f} to {ratios[-1]:.3f}",
                )
            )
        above = [ours[1] - call for ours, call in zip(worker[1], calls)]
        call = statistics.median(calls)
        self.row(
            f"{model}, 1 in flight, p50 above the bare call", statistics.median(above), call, None,
            60, 40, True, "us",
        )
        text = [
            self.lines(table),
            "1 in flight, p50 above the bare call: from a caller's call to its return, less a run of one\n"
            "row in a loop. It has the codec, the socket both ways, the changes of threads at both ends,\n"
            f"and what a run costs more that begins after a pause: after {PAUSE} us, {statistics.median(rested):.0f} us "
            f"instead of {call:.0f}.\n",
        ]
        for setting in rate:
            text.append(f"the bare engine with {self.setting(setting)}: {rate[setting]:,.0f} rows/s\n")
        self.tables.append("".join(text))

    @staticmethod
    def rows_under_way(setting):
        (lanes, _), rows = setting
        return rows * lanes

    @staticmethod
    def setting(setting):
        (lanes, threads), rows = setting
        return f"{rows} x {lanes} lane{'s' * (lanes > 1)} of {threads}"

    def overload(self):
        """Four times as many requests as a worker can answer, each with a deadline."""
        rows, seconds = str(OVERLOAD_ROWS), str(self.seconds)
        children, broker = self.fleet_of_one(MODELS)
        program = self.program("roost-bench")
        capacities, outcomes = [], {"all": [], "throttled": []}
        for turn in range(self.rounds):
            self.progress(f"round {turn + 1} of {self.rounds}: capacity")
            capacity = self.call([program, "closed", broker, "digits", "64", seconds, rows])[0]
            capacities.append(capacity)
            rate, deadline = str(OVERLOAD * capacity), str(OVERLOAD_DEADLINE)
            for clients in outcomes:
                self.progress(f"round {turn + 1} of {self.rounds}: overload, {clients}")
                command = [program, "open", broker, "digits", rate, seconds, deadline, rows, clients]
                outcomes[clients].append(json.loads(self.output(command, CALLER)))
        for child in children:
            self.stop(child)
        titles = {"all": "clients that send all", "throttled": "clients as they are"}
        for clients, title in titles.items():
            self.overloaded(outcomes[clients], capacities, title)

    def overloaded(self, outcomes, capacities, title):
        """What became of the requests of one kind of clients, round by round."""

        def median(key):
            return statistics.median(outcome[key] for outcome in outcomes)

        goodput = [outcome["answered"] / self.seconds for outcome in outcomes]
        ratio = statistics.median(a / b for a, b in zip(goodput, capacities))
        self.row(
            f"{OVERLOAD}x overload, {title}",
            statistics.median(goodput), statistics.median(capacities), ratio, 0.9, 0.97, False, "/s",
        )
        refused = sum(outcome["refused"] for outcome in outcomes)
        # Nothing refused is no quick refusal.
        slowest = median("refused_p99_us") / 1e3 if refused else float("inf")
        self.row("  their refusals, p99", slowest, None, None, 5, 2, True, "ms")
        table = [(f"digits, {OVERLOAD_ROWS} rows a request; {title}", "", "p50", "p99")]
        for key in ("offered", "answered", "refused", "dropped", "turned_away", "late", "failed"):
            spread = [
                f"{median(f'{key}_{share}_us') / 1e3:.2f} ms" if f"{key}_p50_us" in outcomes[0] else ""
                for share in ("p50", "p99")
            ]
            name = {
                "turned_away": "turned away by the client",
                "dropped": "dropped when their turn came",
            }.get(key, key)
            table.append((name, f"{median(key) / self.seconds:,.0f} /s", *spread))
        lag = f"{median('lag_p99_us') / 1e3:.2f} ms"
        table.append(("sent later than due", "", "", lag))
        self.tables.append(self.lines(table))

    def loading(self):
        """Latencies of a small model before and while a large one is loaded into the same worker.

        Both are of the worst stretch that is as long as a load takes when the core does nothing else.
        """
        staged = os.path.join(MADE, "staged")
        large = self.file(staged, "large")
        load = self.bare(staged, "large", [1], [])[1]["load_s"]
        program = self.program("roost-bench")
        place = os.path.join(MADE, "loading")
        outcomes = []
        for turn in range(self.rounds):
            self.progress(f"round {turn + 1} of {self.rounds}: loading")
            # A new worker each time: what is measured is the first load, not one of many.
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(os.path.join(MODELS, "digits"), os.path.join(place, "models", "digits"))
            os.makedirs(os.path.join(place, "large", "1"))
            os.link(large, os.path.join(place, "large", "1", "model.onnx"))
            children, broker = self.fleet_of_one(os.path.join(place, "models"))
            # Complete, on the same file system, and moved in one step.
            move = [os.path.join(place, "large"), os.path.join(place, "models", "large")]
            command = [program, "loading", broker, "digits", str(LOADING_RATE), str(max(self.seconds, 4))]
            command += [str(load), "large", *move, "1"]
            outcomes.append(json.loads(self.output(command, CALLER)))
            for child in children:
                self.stop(child)
            shutil.rmtree(place)
            if outcomes[-1]["loading"] is None:
                self.tables.append(
                    "p99 while a large model is loaded: not available, the worker did not serve it "
                    "within 20 s\n"
                )
                return
        quiet = [outcome["quiet"]["answered_p99_us"] for outcome in outcomes]
        busy = [outcome["loading"]["answered_p99_us"] for outcome in outcomes]
        self.row(
            "digits, p99 while a large model is loaded",
            statistics.median(busy), statistics.median(quiet),
            statistics.median(a / b for a, b in zip(busy, quiet)), 2, 1.3, True, "us",
        )
        after = statistics.median(outcome["served_after_s"] for outcome in outcomes)
        failed = sum(outcome["all"]["offered"] - outcome["all"]["answered"] for outcome in outcomes)
        self.tables.append(
            f"the large model was served {after:.2f} s after it was there; alone, the engine loads it in "
            f"{load:.2f} s; {failed} requests to digits failed meanwhile\n"
        )

    def swaps(self):
        """A model's version replaced a hundred times under load: what fails, and what memory stays."""
        models, dimensions = BATCHED["minilm"]
        model = self.file(models, "minilm")
        place = os.path.join(MADE, "swaps")
        shutil.rmtree(place, ignore_errors=True)
        for version in range(1, SWAPS + 2):
            parent = os.path.join(place, "models", "minilm") if version == 1 else os.path.join(place, "staged")
            os.makedirs(os.path.join(parent, str(version)))
            os.link(model, os.path.join(parent, str(version), "model.onnx"))
        self.progress(f"{SWAPS} swaps")
        children, broker = self.fleet_of_one(os.path.join(place, "models"), ["--settle-time", "200ms"])
        command = [self.program("roost-bench"), "swaps", broker, "minilm", str(SWAPS_RATE), str(SWAPS)]
        command += [str(children[0].pid), os.path.join(place, "staged")]
        command += [os.path.join(place, "models", "minilm"), "1", *dimensions]
        outcome = json.loads(self.output(command, CALLER, extra=SWAPS * 10))
        for child in children:
            self.stop(child)
        shutil.rmtree(place)
        before, after = outcome["before_bytes"] / 2**20, outcome["after_bytes"] / 2**20
        self.row(
            f"memory after {SWAPS} swaps of a model", after, before, after / before, 1.05, 1.02, True, "MiB"
        )
        all = outcome["all"]
        failed = all["offered"] - all["answered"]
        self.row("  requests that failed meanwhile", failed, None, None, 0, 0, True, "")
        self.tables.append(
            f"{SWAPS} swaps of minilm, {outcome['swap_s']:.2f} s each, {SWAPS_RATE} requests/s meanwhile: "
            f"{all['answered']} answered, p99 {all['answered_p99_us'] / 1e3:.1f} ms\n"
        )

    def codec(self):
        text = subprocess.run(
            self.pinned(CALLER, [self.program("roost-codec-bench")]),
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        match = re.search(r"^INFER, 1 input of 64 B: encode, view\s+([\d.]+)", text, re.M)
        if not match:
            sys.exit(f"bench: roost-codec-bench printed no line for INFER:\n{text}")
        self.row("header of a request: encode + view", float(match[1]), None, None, 350, 100, True, "ns")

    def image(self):
        """A JPEG of one megapixel on its way into a model, against Pillow and NumPy on one core."""
        script = os.path.join(ROOT, "Tests", "Performance", "image.py")
        picture = os.path.join(MADE, "megapixel.jpg")
        python = os.path.join(MADE, "python")
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [python, os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else [python]
        )
        os.makedirs(MADE, exist_ok=True)
        subprocess.run([sys.executable, script, "make", picture], check=True)
        times = {"roost": [], "pillow": []}
        for turn in range(max(self.rounds, 7)):
            self.progress(f"round {turn + 1}: image")
            for name, command in (
                ("roost", [self.program("roost-image-bench")]),
                ("pillow", [sys.executable, script]),
            ):
                text = self.output(command + [picture, "20"], CALLER)
                times[name].append([float(word) for word in text.split()])
        (ours, our_decoding), (theirs, their_decoding) = (
            (statistics.median(t[1] for t in times[name]), statistics.median(t[0] for t in times[name]))
            for name in ("roost", "pillow")
        )
        self.row(
            "1 MP JPEG to 224 x 224", ours, theirs, ours / theirs, 1, 1 / 1.5, True, "ms"
        )
        self.row(
            "  of that decoding", our_decoding, their_decoding, our_decoding / their_decoding,
            1, 0.9, True, "ms",
        )

    def broker(self):
        """Heartbeats over 1000 connections, and the memory of an idle broker."""
        command = [self.program("roost-broker"), "--listen", "tcp://127.0.0.1:*", "--log-level", "error"]
        rates = []
        resident = None
        for turn in range(self.rounds):
            self.progress(f"round {turn + 1} of {self.rounds}: broker")
            child, line = self.serve(command)
            endpoint = line.rsplit("//", 1)[1]
            if resident is None:
                time.sleep(1)  # Idle for a second, not in the middle of its start.
                with open(f"/proc/{child.pid}/status") as status:
                    resident = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024
            rates.append(
                self.call(
                    [self.program("heartbeats"), endpoint, "1000", "32", str(max(self.seconds, 2))]
                )[0]
            )
            self.stop(child)
        rate = statistics.median(rates)
        self.row("broker: heartbeats, 1000 connections", rate, None, None, 300e3, 500e3, False, "/s")
        self.row("broker: memory when idle", resident, None, None, 20, 12, True, "MiB")

    def fleet(self):
        """What 100 000 workers and 1000 clients cost a broker, in a table of its own."""
        self.progress("broker: 100 000 workers")
        done = subprocess.run(
            [self.program("roost-broker-bench")], capture_output=True, text=True, timeout=600
        )
        if done.returncode != 0:
            sys.exit(f"bench: roost-broker-bench: {done.stdout}{done.stderr}")
        self.tables.append(done.stdout)

    def start(self):
        """From the start of a worker's process to its READY with the digits model."""
        broker, line = self.serve(
            [self.program("roost-broker"), "--listen", "tcp://127.0.0.1:*", "--log-level", "error"]
        )
        times = []
        for turn in range(max(self.rounds, 7)):
            self.progress(f"worker start {turn + 1}")
            began = time.monotonic()
            child = self.worker(MODELS, line.split()[-1])
            times.append((time.monotonic() - began) * 1e3)
            self.stop(child)
        self.stop(broker)
        self.row("worker: start to READY with digits", statistics.median(times), None, None, 300, 120, True, "ms")

    # The table.

    @staticmethod
    def lines(table):
        """A table as text; its first line is the head."""
        widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
        text = ""
        for number, line in enumerate(table):
            cells = [line[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
            text += "  ".join(cells).rstrip() + "\n"
            if number == 0:
                text += "  ".join("-" * width for width in widths) + "\n"
        return text

    def table(self):
        self.progress("")
        head = ("what", "Roost", "floor", "ratio", "goal", "stretch", "reached")
        lines = [head]
        for what, ours, floor, ratio, goal, stretch, verdict, unit in self.rows:
            form = (lambda x: f"{x:,.0f}") if unit == "/s" or unit == "ns" else (lambda x: f"{x:.1f}")
            bound = (lambda x: f"{x:g}x") if ratio is not None else (lambda x: f"{x:,.0f} {unit}")
            lines.append(
                (
                    what,
                    f"{form(ours)} {unit}",
                    f"{form(floor)} {unit}" if floor is not None else "",
                    f"{ratio:.2f}x" if ratio is not None else "",
                    bound(goal),
                    bound(stretch),
                    verdict,
                )
            )
        if self.rows:
            print(self.lines(lines), end="")
        for table in self.tables:
            print(f"\n{table}", end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    parser.add_argument("--worker-cores", type=int, default=1, help="of batching, overload and loading")
    parser.add_argument("--build", default=os.path.join(ROOT, ".build", "release"))
    arguments = parser.parse_args()
    if not 1 <= arguments.worker_cores <= len(CORES):
        parser.error(f"--worker-cores must be 1 to {len(CORES)}")
    bench = Bench(arguments)
    try:
        for part in PARTS:
            if arguments.only in (None, part):
                getattr(bench, part)()
    finally:
        for child in list(bench.children):
            bench.stop(child)
    where = "one core" if CALLER == SERVER else f"calling end on core {CALLER}, serving end on {SERVER}"
    print(f"{bench.rounds} rounds of {bench.seconds:g} s, interleaved, medians; {where}\n")
    bench.table()


if __name__ == "__main__":
    main()
