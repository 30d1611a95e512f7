#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Starts examples/run from another directory, talks to it as a client would, and stops it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUN = os.path.join(ROOT, "examples", "run")
BUILD_SECONDS = 600
SECONDS = 20


def main():
    with tempfile.TemporaryDirectory() as elsewhere:
        server = subprocess.Popen([RUN, "--port", "0", "--workers", "2"], cwd=elsewhere,
                                  stdout=subprocess.PIPE, text=True)
        # The build is part of it; the server itself says at once where it listens.
        watchdog = threading.Timer(BUILD_SECONDS, server.kill)
        watchdog.start()
        try:
            online, url = [], None
            for line in server.stdout:
                sys.stdout.write(line)
                online += re.findall(r"^worker (\d+) \(pid \d+\) online$", line)
                found = re.match(r"listening on (http://\S+)$", line)
                url = found.group(1) if found else url
                if url and len(online) == 2:
                    break
            assert url, "the server did not say where it listens"
            workers = set()
            for _ in range(4):
                with urllib.request.urlopen(url + "/", timeout=SECONDS) as answer:
                    assert answer.read() == b"hello world\n"
                    workers.add(answer.headers["X-Worker"])
            assert workers == set(online), f"answered by {workers}, online are {online}"
            busy = subprocess.run([RUN, "--port", url.rsplit(":", 1)[1]], cwd=elsewhere,
                                  capture_output=True, text=True, timeout=BUILD_SECONDS)
            assert busy.returncode != 0, "a busy port must fail"
            assert len(busy.stderr.splitlines()) == 1, f"one line for a busy port: {busy.stderr}"
            server.send_signal(signal.SIGTERM)
            status = server.wait(timeout=SECONDS)
            assert status == 0, f"status {status} after SIGTERM"
        finally:
            watchdog.cancel()
            server.kill()
            server.wait()
    print("examples/run works")


if __name__ == "__main__":
    main()
