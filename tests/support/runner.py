#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Builds a configured folder, runs its test programs and the checks, and adds everything up.

The last line is `N passed, N failed, N skipped`. With COHORT_EXPECTED_SKIPS=FILE a skip that is not
in that file is a failure.
"""

import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = ["unit_tests", "process_tests", "fault_tests"]
CLOSING_LINE = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


class Totals:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def line(self):
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"

    def finish(self):
        expected = expected_skips()
        for name, reason in self.skipped:
            print(f"skipped: {name} ({reason})")
            if expected is not None and name not in expected:
                self.failed.append(f"{name}: skipped, and not in the list of expected skips")
        for name in self.failed:
            print(f"failed: {name}")
        print(self.line(), flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


def expected_skips():
    path = os.environ.get("COHORT_EXPECTED_SKIPS")
    if not path:
        return None
    with open(path) as file:
        lines = (line.strip() for line in file)
        return {line for line in lines if line and not line.startswith("#")}


def report(title, passed, failed, skipped, seconds):
    counts = f"{passed} passed"
    if failed:
        counts += f", {failed} FAILED"
    if skipped:
        counts += f", {skipped} skipped"
    print(f"{title}: {counts} ({seconds:.1f} s)", flush=True)


def run(command, log, environment=None, seconds=3600):
    """Runs a command in a process group of its own, output into a file (children left over could
    keep a pipe open). Returns its status, negative for a signal."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env=environment,
                                   start_new_session=True)
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return -signal.SIGALRM
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def show(log):
    with open(log, errors="replace") as file:
        sys.stdout.write(file.read())
    sys.stdout.flush()


def ninja_command(folder, jobs, targets):
    return ["ninja", "-C", folder, "--quiet", "-j", jobs, "-k", "0", *targets]


def ninja(folder, jobs, targets, log):
    return run(ninja_command(folder, jobs, targets), log)


def built_targets(folder):
    """The names of all that gets linked, and of links to it."""
    listed = subprocess.run(["ninja", "-C", folder, "-t", "targets", "all"], capture_output=True,
                            text=True).stdout
    kinds = r"(?:\S+: cpp_LINKER|examples/\S+: CUSTOM_COMMAND)$"
    return re.findall(r"^(?=" + kinds + r")(\S+):", listed, re.MULTILINE)


def build(folder, jobs, targets, totals):
    started = time.monotonic()
    log = os.path.join(folder, "build.log")
    if ninja(folder, jobs, targets, log) != 0:
        show(log)
        totals.failed.append("build")
        totals.finish()
    print(f"build: {time.monotonic() - started:.1f} s", flush=True)


def read_results(path):
    """A list of (name, outcome, reason); a test that ended its program stays `started`."""
    results = []
    with open(path, errors="replace") as file:
        for line in file:
            outcome, source, name, reason = line.rstrip("\n").split("\t")
            if outcome != "started":
                results.pop()
            results.append((f"{source}: {name}", outcome, reason))
    return results


def listed_tests(program, filters):
    """How many test cases the program is going to run."""
    output = subprocess.run([program, "--count", *filters], capture_output=True, text=True).stdout
    found = re.search(r"filters: (\d+)", output)
    return int(found.group(1)) if found else 0


def run_program(folder, name, pattern):
    totals = Totals()
    program = os.path.join(folder, "tests", name)
    if not os.path.exists(program):
        return totals
    started = time.monotonic()
    filters = [f"--source-file=*{pattern}*"] if pattern else []
    count = listed_tests(program, filters)
    if count == 0:
        return totals
    log = os.path.join(folder, name + ".log")
    factor = int(os.environ.get("COHORT_TEST_TIME_FACTOR", "1"))
    with tempfile.TemporaryDirectory() as scratch:
        results_path = os.path.join(scratch, "results")
        open(results_path, "w").close()
        environment = dict(os.environ, COHORT_TEST_RESULTS=results_path,
                           COHORT_EXAMPLES=os.path.join(folder, "examples"))
        status = run([program, *filters], log, environment, 1200 * factor)
        results = read_results(results_path)
    passed = [test for test, outcome, _ in results if outcome == "passed"]
    skipped = [(test, reason) for test, outcome, reason in results if outcome == "skipped"]
    failed = [test for test, outcome, _ in results if outcome == "failed"]
    failed += [f"{test} (ended the program, status {status})"
               for test, outcome, _ in results if outcome == "started"]
    failed += [f"{name}: a test was not run"] * (count - len(results))
    if status != 0 and not failed:
        failed.append(f"{name}: status {status} although every test passed")
    if failed:
        show(log)
    totals.passed += len(passed)
    totals.skipped += skipped
    totals.failed += failed
    report(name, len(passed), len(failed), len(skipped), time.monotonic() - started)
    return totals


def run_programs(folder, pattern, without, totals):
    """Those that wait much for others beside the one that computes."""
    names = [name for name in PROGRAMS if name != without]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(run_program, folder, name, pattern) for name in names]
        for each in running:
            totals.add(each.result())


def check(folder, name, command, totals):
    """A check counts as one, unless it prints the closing line itself."""
    started = time.monotonic()
    log = os.path.join(folder, name.replace(" ", "_") + ".log")
    status = run([sys.executable, os.path.join(ROOT, "tests", command[0]), *command[1:]], log)
    with open(log, errors="replace") as file:
        lines = file.read().splitlines()
    counted = CLOSING_LINE.match(lines[-1]) if lines else None
    passed, failed = (int(counted.group(1)), int(counted.group(2))) if counted else (0, 0)
    if not counted:
        passed = 1 if status == 0 else 0
    if status != 0:
        show(log)
        failed = max(failed, 1)
    totals.passed += passed
    totals.failed += [name] * failed
    report(name, passed, failed, 0, time.monotonic() - started)


def headers(folder, jobs, totals):
    """Each header is a test: with nothing before it, and twice. A source file has several where one
    begins with the next."""
    started = time.monotonic()
    log = os.path.join(folder, "headers.log")
    listed = subprocess.run([sys.executable, os.path.join(ROOT, "tests", "headers", "chains.py")],
                            capture_output=True, text=True, check=True).stdout
    chains = {re.sub(r"\W", "_", line.split()[0]): line.split() for line in listed.splitlines()}
    count = sum(map(len, chains.values()))
    failed = []
    if ninja(folder, jobs, ["header_tests"], log) != 0:
        show(log)
        with open(log, errors="replace") as file:
            said = file.read()
        for name in re.findall(r"^FAILED: tests/headers/(\S+)\.checked", said, re.MULTILINE):
            failed += [f"header {header}" for header in headers_in_error(chains[name], said)]
        failed = failed or ["headers"]
    totals.passed += count - len(failed)
    totals.failed += failed
    report("headers", count - len(failed), len(failed), 0, time.monotonic() - started)


def headers_in_error(chain, said):
    """Those that the compiler finds an error in, else all: it may be in what they include."""
    return [header for header in chain
            if re.search(rf"/include/{re.escape(header)}:\d+:\d+: (fatal )?error: ", said)] or chain


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, metavar="FOLDER")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--programs-only", action="store_true",
                        help="leave the headers and the checks out")
    parser.add_argument("--without", metavar="PROGRAM", help="neither build nor run this one")
    parser.add_argument("--build-only", action="store_true",
                        help="build what is run, with the output of the build")
    parser.add_argument("pattern", nargs="?")
    arguments = parser.parse_args()

    totals = Totals()
    folder = os.path.abspath(arguments.build)
    programs = [name for name in built_targets(folder)
                if os.path.basename(name) != arguments.without]
    if arguments.build_only:
        # In the session it was started in: who started it can end the whole of it.
        os.execvp("ninja", ninja_command(folder, arguments.jobs, programs))
    if programs:
        build(folder, arguments.jobs, programs, totals)
    run_programs(folder, arguments.pattern, arguments.without, totals)
    quick = bool(arguments.pattern)
    if not quick and not arguments.programs_only:
        headers(folder, arguments.jobs, totals)
        check(folder, "layers", ["layers.py"], totals)
        check(folder, "coroutine shapes", ["coroutine_shapes.py"], totals)
        check(folder, "compile_fail", ["compile_fail/run.py", "--build", folder], totals)
    if quick and not totals.passed and not totals.failed:
        print(f"no test's source file matches {arguments.pattern}")
    totals.finish()


if __name__ == "__main__":
    main()
