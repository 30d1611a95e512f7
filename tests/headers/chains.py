#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Lists the headers that have to be compiled alone so that each is compiled with nothing before it.

What a header includes first, before anything else of its own, has nothing before it there either,
and so on: each line is a header to compile and those that this proves too, each in one line only.
(Function templates, which compilers instantiate at the end of a file, see what follows as well.)
"""

import os
import re

INCLUDE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                       "include")
# Compiles Boost.JSON, for a program that does not link with it.
LEFT_OUT = "cohort/src.hpp"
# Comments, white space and `#pragma once`, and then an include line.
NOTHING = r"(?:\s|//[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/|#[ \t]*pragma[ \t]+once\b)*"
BEGINNING = re.compile(NOTHING + r"#[ \t]*include[ \t]*<(\S+)>")


def headers():
    for folder, _, names in os.walk(INCLUDE):
        for name in names:
            header = os.path.relpath(os.path.join(folder, name), INCLUDE)
            if name.endswith(".hpp") and header != LEFT_OUT:
                yield header


def first_include(header):
    with open(os.path.join(INCLUDE, header)) as file:
        found = BEGINNING.match(file.read())
    return found.group(1) if found else None


def chains():
    first = {header: first_include(header) for header in headers()}
    included = set(first.values())
    # Headers that include each other in a circle would all be missing without the second part.
    # Backwards, as everything: what takes longest comes last by name.
    begins = sorted(set(first) - included, reverse=True) + sorted(set(first) & included)
    seen = set()
    for header in begins:
        chain = []
        while header in first and header not in seen:
            seen.add(header)
            chain.append(header)
            header = first[header]
        if chain:
            yield chain


if __name__ == "__main__":
    for each in chains():
        print(*each)
