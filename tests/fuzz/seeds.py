#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz target `wire`, from docs/protocol.md and not from the library."""

import os
import struct
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "wire")


def frame(kind, payload=b"", descriptors=0, flags=0, sequence=0):
    return struct.pack("<IHBBQ", len(payload), kind, descriptors, flags, sequence) + payload


def reads(*parts):
    """Each part: bytes, or (bytes, descriptors), or (bytes, descriptors, truncated)."""
    out = b""
    for part in parts:
        part = part if isinstance(part, tuple) else (part,)
        data, count, truncated = part + (0, False)[len(part) - 1:]
        assert len(data) < 256
        out += bytes([len(data), count | (0x80 if truncated else 0)]) + data
    return out


def address(data):
    return bytes([len(data)]) + data


ipv4 = struct.pack("<H", 2) + struct.pack(">H", 8000) + bytes([127, 0, 0, 1]) + bytes(8)
messages = {
    "hello": frame(1, struct.pack("<HHIQ", 1, 0, 100, 0x1122334455667788)),
    "hello_other_version": frame(1, struct.pack("<HHIQ", 2, 0, 100, 0) + b"more"),
    "listen": frame(2, struct.pack("<IBBHII", 1, 0, 1, 3, 511, 0) + address(ipv4)),
    "listen_unix": frame(2, struct.pack("<IBBHII", 2, 1, 2, 0, 8, 0o660) + address(b"\1\0/a\0")),
    "close": frame(3, struct.pack("<I", 1)),
    "credit": frame(4, struct.pack("<IH", 1, 16)),
    "taken": frame(5, struct.pack("<IQHH", 1, 7, 3, 2)),
    "refused": frame(6, struct.pack("<IQHB", 1, 7, 3, 1)),
    "released": frame(7, struct.pack("<II", 1, 9)),
    "leaving": frame(8),
    "bye": frame(9),
    "listen_reply": frame(16, struct.pack("<IBiI", 1, 0, 0, 4) + address(ipv4)),
    "listen_error": frame(16, struct.pack("<IBiI", 1, 1, 98, 0) + address(b"")),
    "drain": frame(18),
    "bye_ack": frame(19),
}


def offer(count, first=1):
    return frame(17, struct.pack("<IQH", 1, first, count), count)


seeds = {name: reads(data) for name, data in messages.items()}
everything = b"".join(messages[name] for name in ("hello", "listen", "credit", "taken", "bye"))
seeds.update({
    "glued": reads(everything),
    "byte_by_byte": reads(*(everything[i:i + 1] for i in range(len(everything)))),
    "offer": reads((offer(2), 2)),
    "offers": reads((messages["drain"] + offer(1), 1), (offer(64, 2), 64), messages["bye_ack"]),
    "offer_cut": reads((offer(3)[:5], 3), offer(3)[5:20], offer(3)[20:] + offer(1, 4)[:1],
                       (offer(1, 4)[1:], 0)),
    "offer_truncated": reads((offer(1), 1), (offer(3, 2), 1, True), (offer(2, 5), 0, True),
                             (offer(1, 7), 1)),
    "offer_short": reads((offer(3), 2)),
    "surplus": reads((messages["drain"], 1)),
    "too_many_descriptors": reads((offer(65), 65)),
    "too_large": reads(struct.pack("<IHBBQ", 301, 1, 0, 0, 0)),
    "largest": reads(frame(40, bytes(239)), frame(40, bytes(300))[:250],
                     frame(40, bytes(300))[250:]),
    "flags": reads(frame(1, flags=1)),
    "truncated": reads(everything[:-1]),
    "user_frame": reads(frame(0xffff, b"payload", 0, 0, 2 ** 64 - 1)),
})


def main():
    os.makedirs(FOLDER, exist_ok=True)
    for name, data in seeds.items():
        with open(os.path.join(FOLDER, name), "wb") as file:
            file.write(data)
    print(f"{len(seeds)} seeds in {FOLDER}")


if __name__ == "__main__":
    sys.exit(main())
