#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Compares the include lines of include/ with the layers.

A header includes only headers of its own line or of lines below it, every header is in a line, and
no headers include each other in a circle.
"""

import os
import re
import sys

INCLUDE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "include")

# Bottom up. A name with a slash at its end stands for everything in that folder.
LAYERS = [
    "event candidate connection_info settings listen_options exit_status error worker_id config environment "
    "counters drain_steps handle_kind send_status channel_options overflow any_host inherited_fd inherited_socket unix_path stdio resource_limit process_group "
    "restart_policy reload_options reload_result upgrade_options upgrade_result group supervisor_options metrics totals autoscale detail/totals/",
    "detail/posix/",
    "detail/wire/",
    "detail/lifecycle/",
    "message/",
    "scheduling/",
    "detail/async/",
    "connection handle envelope inherited_sockets service_manager detail/handle/",
    "detail/io/",
    "detail/channel/",
    "message_endpoint message_channel",
    "detail/core/",
    "cluster worker worker_process this_worker acceptor subscription listening_endpoint peer_endpoint listening_primary bound_socket "
    "connection_scope",
    "run supervisor reload upgrade detail/supervision/",
]
# Headers in no layer: the table of contents, and the one-file way to build.
ON_TOP = ["cohort.hpp", "cohort/src.hpp"]

SYSTEM_HEADER = re.compile(r"(?!sys/types)(sys|linux|netinet|arpa)/"
                           r"|(unistd|fcntl|sched|spawn|poll|signal)\.h$")
PURE = ["detail/wire/", "detail/lifecycle/"]


def layer_of(header):
    """cohort/a/b.hpp -> the number of its line, None when there is none."""
    name = header.removeprefix("cohort/").removesuffix(".hpp")
    for number, line in enumerate(LAYERS):
        for entry in line.split():
            if name == entry or (entry.endswith("/") and name.startswith(entry)):
                return number
    return None


def included(text):
    return re.findall(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', text, re.MULTILINE)


def cycles(graph):
    done, found = set(), []

    def visit(header, path):
        if header in path:
            found.append(" -> ".join(path[path.index(header):] + [header]))
        elif header not in done:
            for other in graph.get(header, []):
                visit(other, path + [header])
            done.add(header)

    for header in sorted(graph):
        visit(header, [])
    return found


def problems(headers):
    """headers: path below include/ -> text."""
    found, graph = [], {}
    for header, text in sorted(headers.items()):
        own = layer_of(header)
        if own is None and header not in ON_TOP:
            found.append(f"{header}: in no layer; add it to tests/layers.py")
            continue
        name = header.removeprefix("cohort/")
        pure = any(name.startswith(folder) for folder in PURE)
        for other in included(text):
            local = os.path.normpath(os.path.join(os.path.dirname(header), other))
            if not other.startswith("cohort") and local in headers:
                found.append(f"{header}: write <{local}> for {other}")
                other = local
            if other.startswith("cohort"):
                graph.setdefault(header, []).append(other)
                below = layer_of(other)
                if other not in headers:
                    found.append(f"{header}: {other} does not exist")
                elif own is not None and (below is None or below > own):
                    found.append(f"{header}: {other} is in a layer above")
                elif pure and other.startswith("cohort/detail/posix/"):
                    found.append(f"{header}: pure code includes {other}")
            elif other in ("asio.hpp", "asio/ts/net.hpp"):
                found.append(f"{header}: include the granular headers of Asio")
            elif other.startswith("asio/") and (pure or name.startswith("detail/posix/")):
                found.append(f"{header}: {other} below the Asio layers")
            elif SYSTEM_HEADER.match(other) and not name.startswith("detail/posix/"):
                found.append(f"{header}: {other} outside detail/posix")
    found += [f"circle: {circle}" for circle in cycles(graph)]
    return found


def self_test():
    good = {"cohort.hpp": "#include <cohort/run.hpp>",
            "cohort/run.hpp": "#include <cohort/error.hpp>",
            "cohort/error.hpp": "#include <system_error>",
            "cohort/detail/posix/x.hpp": "#include <unistd.h>\n#include <sys/socket.h>",
            "cohort/detail/io/y.hpp":
                "#include <cohort/detail/posix/x.hpp>\n#include <asio/post.hpp>"}
    assert not problems(good), problems(good)
    bad = {"cohort/nowhere.hpp": "in no layer",
           "cohort/detail/io/y.hpp": "#include <unistd.h>",
           "cohort/error.hpp": "#include <cohort/detail/io/y.hpp>",
           "cohort/detail/wire/a.hpp":
               "#include <cohort/detail/wire/b.hpp>\n#  include <asio/post.hpp>",
           "cohort/detail/wire/b.hpp": '#include "a.hpp"\n#include <cohort/detail/posix/p.hpp>',
           "cohort/detail/posix/p.hpp": "#include <asio/post.hpp>",
           "cohort/run.hpp": "#include <asio.hpp>\n#include <cohort/gone.hpp>"}
    found = "\n".join(problems(bad))
    for expected in ["nowhere.hpp: in no layer", "y.hpp: unistd.h outside",
                     "error.hpp: cohort/detail/io/y.hpp", "wire/a.hpp: asio/post.hpp",
                     "wire/b.hpp: write <cohort/detail/wire/a.hpp>", "wire/b.hpp: pure code",
                     "posix/p.hpp: asio/post.hpp", "run.hpp: include the granular",
                     "run.hpp: cohort/gone.hpp does not exist", "circle: cohort/detail/wire/a.hpp"]:
        assert expected in found, f"not found by the self-test: {expected}\n{found}"


def main():
    self_test()
    headers = {}
    for folder, _, names in os.walk(INCLUDE):
        for name in names:
            path = os.path.join(folder, name)
            with open(path) as file:
                headers[os.path.relpath(path, INCLUDE)] = file.read()
    found = problems(headers)
    print("\n".join(found) if found else f"{len(headers)} headers keep to the layers")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
