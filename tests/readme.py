#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Keeps the code in the documentation true.

The first ```cpp block of README.md is examples/01_hello.cpp word for word, below that file's
leading comment. Every ```cpp block of README.md and docs/ that has a main() must compile, unless its
fence says ```cpp fragment.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def blocks(path):
    """Yields (line, info, text) of each ```cpp block."""
    with open(path) as file:
        text = file.read()
    for match in re.finditer(r"^```cpp([^\n]*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, match.start(2)) + 1, match.group(1).strip(), match.group(2)


def without_leading_comment(text):
    return re.sub(r"\A(?:\s*//[^\n]*\n|\s*/\*.*?\*/\s*\n|\s*\n)*", "", text, flags=re.DOTALL)


def documents():
    yield os.path.join(ROOT, "README.md")
    for folder, _, names in sorted(os.walk(os.path.join(ROOT, "docs"))):
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".md"))


def first_block_problem():
    with open(os.path.join(ROOT, "examples", "01_hello.cpp")) as file:
        example = without_leading_comment(file.read())
    first = next(blocks(os.path.join(ROOT, "README.md")), None)
    if not first:
        return "README.md has no ```cpp block"
    if first[2] != example:
        return "the first ```cpp block of README.md is not examples/01_hello.cpp"
    return None


def compile_problem(command, text):
    with tempfile.TemporaryDirectory() as scratch:
        source = os.path.join(scratch, "program.cpp")
        with open(source, "w") as file:
            file.write(text)
        done = subprocess.run([*command, "-Werror", "-fsyntax-only", source], capture_output=True,
                              text=True)
        return done.stderr if done.returncode else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    with open(os.path.join(arguments.build, "tests", "compiler_command.txt")) as file:
        command = file.read().splitlines()

    passed = failed = 0
    places, texts = [], []
    for path in documents():
        for line, info, text in blocks(path):
            if re.search(r"\bint main\(", text) and info != "fragment":
                places.append(f"{os.path.relpath(path, ROOT)}:{line}")
                texts.append(text)
    results = [("README.md", first_block_problem())]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results += zip(places, pool.map(lambda text: compile_problem(command, text), texts))
    for place, problem in results:
        if problem:
            failed += 1
            print(f"{place}: {problem}")
        else:
            passed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
