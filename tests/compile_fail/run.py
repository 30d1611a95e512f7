#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Compiles each program of cases/ twice.

As it stands it must compile; with MUST_FAIL defined it must not, and the first error must match the
expression of its line `// expect-error: REGEX` (one alternative for each compiler's words). With a
line `// expect-lines: N` the compiler may not say more than that, with all it quotes and notes.

The headers of others are precompiled, which saves a third of the time and changes nothing in what a
compiler says.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "cases")
HEADERS_OF_OTHERS = os.path.join(os.path.dirname(HERE), "support", "pch", "pch.hpp")


def compile_case(command, path, *defines):
    done = subprocess.run([*command, *defines, "-fsyntax-only", path], capture_output=True,
                          text=True, env=dict(os.environ, LC_ALL="C"))
    return done.returncode, done.stderr


def with_precompiled(command, folder):
    """The command with the headers of others precompiled into the folder, where that works."""
    header = os.path.join(folder, "pch.hpp")
    with open(header, "w") as file:
        file.write(f'#include "{HEADERS_OF_OTHERS}"\n')
    # clang++ looks for this name too.
    done = subprocess.run([*command, "-x", "c++-header", header, "-o", header + ".gch"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        print("compiling without precompiled headers:\n" + done.stderr)
        return command
    return [*command, "-include", header]


def first_error(output):
    for line in output.splitlines():
        found = re.search(r"(?:fatal )?error: (.*)", line)
        if found:
            return found.group(1)
    return None


def problem(command, path):
    """None when the case behaves."""
    with open(path) as file:
        text = file.read()
    expected = re.search(r"^// expect-error: (.+)$", text, re.MULTILINE)
    lines = re.search(r"^// expect-lines: (\d+)$", text, re.MULTILINE)
    if not expected:
        return "has no line `// expect-error: REGEX`"
    if not lines and "expect-lines" in text:
        return "has no line `// expect-lines: N` of its own"
    status, output = compile_case(command, path)
    if status != 0:
        return "its control does not compile:\n" + output
    status, output = compile_case(command, path, "-DMUST_FAIL")
    if status == 0:
        return "compiles with MUST_FAIL"
    error = first_error(output)
    if error is None or not re.search(expected.group(1), error):
        return f"expected /{expected.group(1)}/, first error is: {error}"
    said = len(output.splitlines())
    if lines and said > int(lines.group(1)):
        return f"the compiler needs {said} lines to say it:\n{output}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    with open(os.path.join(arguments.build, "tests", "compiler_command.txt")) as file:
        command = file.read().splitlines()

    names = sorted(name for name in os.listdir(CASES) if name.endswith(".cpp"))
    failed = 0
    with tempfile.TemporaryDirectory(dir=arguments.build) as scratch, \
            concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        command = with_precompiled(command, scratch)
        results = pool.map(lambda name: problem(command, os.path.join(CASES, name)), names)
        for name, found in zip(names, results):
            if found:
                failed += 1
                print(f"{name}: {found}")
    print(f"{len(names) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
