#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Compiles each program of cases/ twice.

As it stands it must compile; with MUST_FAIL defined it must not, and the first error must match the
expression of its line `// expect-error: REGEX` (one alternative for each compiler's words). With a
line `// expect-lines: N` the compiler may not say more than that, with all it quotes and notes.

The headers of others are precompiled, which saves a third of the time and changes nothing in what a
compiler says. Cases with the same includes are compiled together first, which saves most of the
time; one that does not clearly behave there is compiled alone, and only that makes it fail.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

import together

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


def expectations(path):
    """The expression, the number of lines or None, and what is wrong with how they are given."""
    with open(path) as file:
        text = file.read()
    expected = re.search(r"^// expect-error: (.+)$", text, re.MULTILINE)
    lines = re.search(r"^// expect-lines: (\d+)$", text, re.MULTILINE)
    if not expected:
        return None, None, "has no line `// expect-error: REGEX`"
    if not lines and "expect-lines" in text:
        return None, None, "has no line `// expect-lines: N` of its own"
    return expected.group(1), int(lines.group(1)) if lines else None, None


def problem(command, path):
    """None when the case behaves."""
    expected, lines, wrong = expectations(path)
    if wrong:
        return wrong
    status, output = compile_case(command, path)
    if status != 0:
        return "its control does not compile:\n" + output
    status, output = compile_case(command, path, "-DMUST_FAIL")
    if status == 0:
        return "compiles with MUST_FAIL"
    error = first_error(output)
    if error is None or not re.search(expected, error):
        return f"expected /{expected}/, first error is: {error}"
    said = len(output.splitlines())
    if lines is not None and said > lines:
        return f"the compiler needs {said} lines to say it:\n{output}"
    return None


def behaves(output, path):
    """Whether what the compiler says of many cases shows all that `problem` asks of this one."""
    expected, lines, wrong = expectations(path)
    error = first_error(output.of(path))
    return (not wrong and error is not None and re.search(expected, error)
            and (lines is None or output.most_lines(path) <= lines))


def behave_together(command, folder, paths):
    """Those of the cases that are seen to behave when all are compiled as one program."""
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".cpp") as program:
        program.write(together.program(paths))
        program.flush()
        # In a namespace main is a function like any other, and has to return something.
        command = [*command, "-Wno-return-type"]
        status, _ = compile_case(command, program.name)
        if status != 0:
            return set()
        _, text = compile_case(command, program.name, "-DMUST_FAIL")
    output = together.Output(text, paths)
    return {path for path in paths if behaves(output, path)}


def problems(command, folder, paths):
    """Pairs of a case and its problem."""
    good = behave_together(command, folder, paths) if len(paths) > 1 else set()
    return [(path, None if path in good else problem(command, path)) for path in paths]


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
        groups = together.groups(os.path.join(CASES, name) for name in names)
        found = pool.map(lambda paths: problems(command, scratch, paths), groups)
        for path, what in sorted(pair for pairs in found for pair in pairs):
            if what:
                failed += 1
                print(f"{os.path.basename(path)}: {what}")
    print(f"{len(names) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
