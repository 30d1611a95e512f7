#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Keeps docs/node.md true: its lists of Node's tests and examples, and the files that it names.
Keeps docs/node-cluster.md true as well: the files that it names, and its list of programs.

Each test that applies has a test case in tests/process/node whose name begins with the test's, with
underscores, and a colon; each that does not has a reason. Each program in examples/node is listed,
and has a test case in tests/process/node/examples.cpp that begins with its name.
"""

import argparse
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENT = os.path.join(ROOT, "docs", "node.md")
TESTS = os.path.join(ROOT, "tests", "process", "node")
EXAMPLES = os.path.join(ROOT, "examples", "node")
NODE_CLUSTER = "examples/node-cluster"

# Tests of what is better on purpose, which have no names of Node's.
BETTER = "improved.cpp"

ROW = re.compile(r"^\| ([\w-]+) \| (yes|adapt|no) \| ?(.*?) ?\|$", re.MULTILINE)
LISTED = re.compile(r"^\| \[node_(\w+)\]\(\.\./examples/node/(\w+)\.cpp\) \|", re.MULTILINE)
FILE = re.compile(r"`(tests/\S+\.cpp)`|\]\(\.\./(examples/\S+\.cpp)\)")
TEST_CASE = re.compile(r"TEST_CASE(?:_TEMPLATE)?\(\s*\"([^\"]*)")


def read(path):
    with open(path) as file:
        return file.read()


def cpp_files(folder):
    return sorted(name for name in os.listdir(folder) if name.endswith(".cpp"))


def test_problems(text):
    """Yields (is about a missing test, problem)."""
    named = {}
    for name in cpp_files(TESTS):
        for title in TEST_CASE.findall(read(os.path.join(TESTS, name))):
            if ":" in title:
                named.setdefault(title.split(":")[0], name)
    rows = ROW.findall(text)
    if not rows:
        yield False, "docs/node.md lists no tests"
    for name in sorted({name for name, _, _ in rows if [r[0] for r in rows].count(name) > 1}):
        yield False, f"{name} is listed twice"
    expected = set()
    for name, applies, how in rows:
        expected.add(name.replace("-", "_"))
        if applies == "no" and not how:
            yield False, f"{name} does not apply, and there is no reason"
        if applies != "no" and name.replace("-", "_") not in named:
            yield True, f"{name} has no test case"
    for name in sorted(set(named) - expected):
        if named[name] == BETTER:
            continue
        yield False, f"{named[name]}: {name} is none of the tests that docs/node.md lists"


def file_problems(document, text):
    for path in ("".join(found) for found in FILE.findall(text)):
        if not os.path.exists(os.path.join(ROOT, path)):
            yield f"docs/{document} names {path}, which is not there"


def node_cluster_problems():
    text = read(os.path.join(ROOT, "docs", "node-cluster.md"))
    yield from file_problems("node-cluster.md", text)
    tests = read(os.path.join(ROOT, "tests", "process", "node_cluster", "examples.cpp"))
    for name in cpp_files(os.path.join(ROOT, NODE_CLUSTER)):
        program = "nc_" + name[:-len(".cpp")]
        if f"| [{program}](../{NODE_CLUSTER}/{name}) |" not in text:
            yield f"{NODE_CLUSTER}/{name} is not in the list of docs/node-cluster.md"
        if not any(program in title for title in TEST_CASE.findall(tests)):
            yield f"{NODE_CLUSTER}/{name} has no test case in tests/process/node_cluster"


def example_problems(text):
    programs = {name[:-len(".cpp")] for name in cpp_files(EXAMPLES)}
    listed = {name for name, file in LISTED.findall(text) if name == file}
    titles = TEST_CASE.findall(read(os.path.join(TESTS, "examples.cpp")))
    tested = {title.split(" ")[0] for title in titles}
    for name in sorted(programs - listed):
        yield f"examples/node/{name}.cpp is not in the list of docs/node.md"
    for name in sorted(listed - programs):
        yield f"docs/node.md lists an example node_{name} that is not there"
    for name in sorted(name for name in programs if f"node_{name}" not in tested):
        yield f"examples/node/{name}.cpp has no test case in tests/process/node/examples.cpp"


def main():
    argparse.ArgumentParser(description=__doc__).parse_args()
    text = read(DOCUMENT)
    found = list(test_problems(text))
    problems = [problem for _, problem in found]
    problems += [*file_problems("node.md", text), *example_problems(text), *node_cluster_problems()]
    missing = sum(is_missing for is_missing, _ in found)
    for problem in problems:
        print(problem)
    applying = sum(applies != "no" for _, applies, _ in ROW.findall(text))
    print(f"{applying - missing} of {applying} tests of Node's that apply have a test case")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
