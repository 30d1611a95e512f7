# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Many cases as one program, and what a compiler says of it taken apart again."""

import collections
import os
import re

# A compiler says how it came to a place before what it has to say of it: through headers, in which
# function, through which templates.
INCLUDE_CHAIN = re.compile(r"In file included from |\s+from \S+:\d+[:,]")
SCOPE = re.compile(r"\S+: (?:In|At) ")
TEMPLATES = re.compile(r"\S+:\d+:(?:\d+:)? {3}")
SAID = re.compile(r"(\S+?):\d+:\d+: (?:(note)|(?:fatal )?error|warning): ")


def is_context(line):
    return any(kind.match(line) for kind in (INCLUDE_CHAIN, SCOPE, TEMPLATES))


def groups(paths):
    """The cases by what they include of the library, in that order: on it depends how long the
    way to an error is. Large groups come first, so that none is waited for at the end."""
    found = collections.defaultdict(list)
    for path in paths:
        with open(path) as file:
            includes = re.findall(r"^#include <(cohort.*)>", file.read(), re.MULTILINE)
        found[tuple(includes)].append(path)
    return sorted(found.values(), key=len, reverse=True)


def program(paths):
    """The text of a program of all these cases, each in a namespace of its own."""
    includes, bodies = [], []
    for number, path in enumerate(paths):
        with open(path) as file:
            includes += re.findall(r"^#include <.*", file.read(), re.MULTILINE)
        bodies += [f"namespace case_{number} {{", f'#include "{path}"', "}"]
    return "\n".join([*dict.fromkeys(includes), *bodies, ""])


def blocks(lines):
    """Each error or warning with its context and its notes."""
    found, context = [], []
    for line in lines:
        if is_context(line):
            context.append(line)
            continue
        said = SAID.match(line)
        if not found or (said and not said.group(2)):
            found.append([])
        found[-1] += [*context, line]
        context = []
    return found


def longest_chain(lines):
    longest = length = 0
    for line in lines:
        length = length + 1 if INCLUDE_CHAIN.match(line) else 0
        longest = max(longest, length)
    return longest


class Output:
    """What a compiler says of a program of many cases."""

    def __init__(self, text, paths):
        lines = text.splitlines()
        self.longest_chain = longest_chain(lines)
        # Said once for a whole program, as the number of its errors.
        self.general = {line for line in lines
                        if line[:1].strip() and not SAID.match(line) and not is_context(line)}
        self.said = {path: [] for path in paths}
        for block in blocks(lines):
            named = {path for path in paths for line in block if line.startswith(path + ":")}
            if len(named) == 1:
                self.said[named.pop()].append(block)

    def of(self, path):
        return "\n".join(line for block in self.said[path] for line in block)

    def most_lines(self, path):
        """How many lines a compiler says at most when it compiles this case alone: a way that it
        has just said it does not repeat, so each may be as long as the longest here."""
        return sum(self.most_lines_of_block(path, block) for block in self.said[path])

    def most_lines_of_block(self, path, block):
        places = [said.group(1) for said in map(SAID.match, block) if said]
        chains = sum(place not in (before, path) for before, place in zip([None, *places], places))
        return (sum(not INCLUDE_CHAIN.match(line) for line in block) + chains * self.longest_chain
                + (not any(map(SCOPE.match, block))) + len(self.general.difference(block)))
