#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Checks what a formatter does not: banners, `#pragma once`, line width, size of headers, namespaces
of tests."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BANNER = ["// SPDX-FileCopyrightText: the cohort authors", "// SPDX-License-Identifier: MIT"]
WIDTH = 100
HEADER_LINES = 400
# Compiled as a main file, where g++ warns of `#pragma once`.
PRECOMPILED = "tests/support/pch/pch.hpp"
# Compiled with others as one file, where names that are local to a file would meet.
TOGETHER = ("tests/unit/", "tests/process/", "tests/faults/")


def problems(path, text):
    lines = text.split("\n")
    if lines[:2] != BANNER:
        yield 1, "no SPDX banner"
    if path.endswith(".hpp") and path != PRECOMPILED and lines[2:4] != ["#pragma once", ""]:
        yield 3, "`#pragma once` and an empty line follow the banner"
    if path.startswith("include/") and text.count("\n") > HEADER_LINES:
        yield HEADER_LINES, "the header is too long: split it"
    if path.startswith(TOGETHER) and not re.search(r"^namespace \w+ {$", text, re.MULTILINE):
        yield len(lines), "a test's file has a namespace with a name of its own"
    for number, line in enumerate(lines, 1):
        if len(line) > WIDTH:
            yield number, f"longer than {WIDTH} columns"
        if line != line.rstrip() or "\t" in line:
            yield number, "blanks at the end or a tab"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield len(lines), "the file ends with one newline"


def main():
    listed = subprocess.run(["git", "ls-files", "*.hpp", "*.cpp"], cwd=ROOT, capture_output=True,
                            text=True, check=True)
    count = 0
    for path in listed.stdout.splitlines():
        full = os.path.join(ROOT, path)
        if not os.path.exists(full):
            continue
        with open(full) as file:
            for line, problem in problems(path, file.read()):
                print(f"{path}:{line}: {problem}")
                count += 1
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
