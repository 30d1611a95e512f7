#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz targets, from the documentation and not from the library."""

import json
import os
import struct
import sys

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


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


def wire():
    """The control channel: docs/protocol.md."""
    ipv4 = struct.pack("<H", 2) + struct.pack(">H", 8000) + bytes([127, 0, 0, 1]) + bytes(8)

    def text(data):
        return struct.pack("<H", len(data)) + data

    def listen(*numbers_and_where, descriptor=0, path=b"", data=b""):
        numbers, where = numbers_and_where[:6], b"".join(numbers_and_where[6:])
        return frame(2, struct.pack("<IBBHII", *numbers) + address(where) +
                     struct.pack("<I", descriptor) + text(path) + text(data))

    def reply(*numbers_and_where, path=b"", data=b""):
        numbers, where = numbers_and_where[:5], b"".join(numbers_and_where[5:])
        return frame(16, struct.pack("<IBiIB", *numbers) + address(where) + text(path) + text(data))

    messages = {
        "hello": frame(1, struct.pack("<HHIQ", 1, 0, 100, 0x1122334455667788)),
        "hello_other_version": frame(1, struct.pack("<HHIQ", 2, 0, 100, 0) + b"more"),
        "listen": listen(1, 0, 1, 3, 511, 0, ipv4),
        "listen_unix": listen(2, 1, 2, 0, 8, 0o660, b"\1\0/a\0"),
        "listen_path": listen(2, 1, 0, 0, 8, 0o660, path=b"/" + 20 * b"long", data=b"k\0"),
        "listen_any_host": listen(3, 0, 8, 0, 511, 0, ipv4),
        "listen_udp": listen(4, 2, 16, 1, 511, 0, ipv4),
        "listen_inherited": listen(5, 3, 0, 0, 511, 0, descriptor=7),
        "listen_inherited_datagram": listen(6, 4, 0, 0, 511, 0, descriptor=8),
        "listen_named": listen(7, 5, 0, 1, 511, 0, path=b"http"),
        "close": frame(3, struct.pack("<I", 1)),
        "credit": frame(4, struct.pack("<IH", 1, 16)),
        "taken": frame(5, struct.pack("<IQHH", 1, 7, 3, 2)),
        "refused": frame(6, struct.pack("<IQHB", 1, 7, 3, 1)),
        "released": frame(7, struct.pack("<II", 1, 9)),
        "load": frame(10, struct.pack("<I", 70000)),
        "accepted": frame(11, struct.pack("<IHH", 1, 3, 0)),
        "accepted_left": frame(11, struct.pack("<IHH", 1, 3, 2)),
        "accepted_more_left": frame(11, struct.pack("<IHH", 1, 3, 4)),
        "listening": frame(12, struct.pack("<I", 1)),
        "ready": frame(13),
        "served": frame(14, struct.pack("<I", 12)),
        "served_nothing": frame(14, struct.pack("<I", 0)),
        "replace": frame(15),
        "relays": frame(27),
        "beat": frame(24, struct.pack("<I", 1500)),
        "value": frame(25, struct.pack("<H", 4) + b"name" + struct.pack("<H", 4) + b"text"),
        "reload": frame(26, struct.pack("<H", 3) + b"web"),
        "value_without_name": frame(25, struct.pack("<HH", 0, 0)),
        "watch": frame(32, struct.pack("<I", 2000)),
        "watch_never": frame(32, struct.pack("<I", 0)),
        "leaving": frame(8),
        "bye": frame(9),
        "listen_reply": reply(1, 0, 0, 4, 0, ipv4),
        "listen_reply_path": reply(1, 0, 0, 4, 0, path=b"/" + 20 * b"long", data=b"keys"),
        "listen_error": reply(1, 1, 98, 0, 0),
        "drain": frame(18),
        "bye_ack": frame(19),
        "turn": frame(20, struct.pack("<IB", 1, 0)),
        "turn_go": frame(20, struct.pack("<IB", 1, 1)),
        "turn_neither": frame(20, struct.pack("<IB", 1, 2)),
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
    return seeds


def json_texts():
    """The table in cohort/message/json.hpp. The first byte chooses the type, see json.hpp here."""
    document, json_object, everything, order, tree, containers, choices = range(7)
    part = {"name": "bolt", "number": -5, "weight": 0.25, "ratio": 1.5}
    plain_part = {"name": "", "number": 0, "weight": None}
    members = {
        "on": True, "letter": 97, "i8": -128, "u8": 255, "i16": -32768, "u16": 65535,
        "i32": -2147483648, "u32": 4294967295, "i64": -9223372036854775808,
        "u64": 18446744073709551615, "f": 0.1, "d": 1.7976931348623157e308, "paint": "blue",
        "much": 200, "text": "a\"\\\u0001\u00e9", "data": "AQID", "word": "AQIDBA==",
        "three": [1, 2, 3], "two": [-1, 1], "bits": [True, False], "both": [1, "one"],
        "all": [True, 0.5, "green"], "maybe": part, "count": 7,
        "any": {"type": "part", "value": part}, "span": 1500, "when": 1700000000000000000,
        "gaps": [1.5, None], "extra": {"a": [1, -1, 1.0, None, True, "x"]}, "note": "n"}
    kinds = [{"type": "null", "value": None}, {"type": "null"}, {"value": "red", "type": "color"},
             {"type": "level", "value": 1}, {"type": "int8", "value": -1},
             {"type": "uint64", "value": 18446744073709551615}, {"type": "float", "value": None},
             {"type": "string", "value": "s"}, {"type": "bytes", "value": "AA=="},
             {"type": "part", "value": plain_part}, {"type": "object", "value": {"a": 0.5}},
             {"type": "seconds", "value": 1}, {"type": "duration", "value": 60},
             {"type": "json", "value": [None, {}]}]
    branch = {"value": 1, "children": [], "choice": {"type": "null"}}
    branches = {"value": 2, "children": [branch, branch],
                "choice": {"type": "array", "value": [branch]}}
    held = {"list": ["a", "b"], "deque": [1, 2], "set": ["b", "a", "a"], "multiset": [2, 1, 2],
            "unordered_set": ["x", "y"], "map": {"k": [1, 2], "": []},
            "numbered": [[2, "b"], [1, "a"], [2, "c"]], "multimap": [["k", 1], ["k", 2]],
            "unordered_map": {"a": 1, "b": 2}, "colors": [[1, "red"], [255, "green"]]}
    numbers = ["0", "-0", "-0.0", "5.0", "5e0", "0.5e1", "1200e-2", "1e99999", "-1e99999", "1e400",
               "1e-400", "18446744073709551615", "18446744073709551616", "9223372036854775808",
               "-9223372036854775809", "9007199254740993.0", "-9.223372036854775808e18",
               "0e999999999999999999999", "1e-99999999999999999999", "01", "1.", ".5", "1e", "+1",
               "2.2250738585072011e-308", "179769313486231580793e289"]
    texts = ['"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t"',
             '"\\ud83d"', '"\\udc00\\ud800"', '"a\\x"', '"\n"',
             '"open', "[1,]", "{,}", '{"a" 1}', '{"a":1,"a":2}', "[1 2]", "nul", "truefalse", "",
             " [ ] ", "// no", '"\u00e9"', "[[[]]]", '{"a":{"b":{}}}',
             '"\\udc00\\udc00"', '"\\u000b\\u001f\\u007f"', '"\\ud800\\u0020"', "[] ]"]
    seeds = {
        "everything": (everything, json.dumps(members)),
        "everything_absent": (everything, '{"unknown":[{"a":"\\u0000"}]}'),
        "everything_twice": (everything, '{"three":[1,2,3],"bits":[true],"three":[4,5,6]}'),
        "fractions": (everything, '{"i8":1.2e1,"u64":1.8446744073709551615e19,"count":null}'),
        "order": (order, json.dumps(
            dict(part, parts=[part, plain_part], colors={"a": "red"}, gifts=[part], retries=1))),
        "order_short": (order, json.dumps(dict(plain_part, parts=[], colors={}))),
        "order_missing": (order, json.dumps({"parts": [{"name": "x"}]})),
        "tree": (tree, json.dumps(branches)),
        "containers": (containers, json.dumps(held)),
        "choices": (choices, json.dumps(kinds)),
        "object": (json_object, json.dumps(members)),
        "deep_document": (document, "[" * 32 + "]" * 32),
        "too_deep_document": (document, "[" * 33 + "]" * 33),
        "bottomless": (document, "[" * 2000),
        "bottomless_object": (json_object, '{"":' * 500),
        "bottomless_tree": (tree, '{"children":[' * 150),
        "bottomless_unknown": (everything, '{"z":' + "[" * 2000),
    }
    for i, text in enumerate(numbers):
        seeds[f"number_{i}"] = (document, text)
        seeds[f"typed_number_{i}"] = (everything, f'{{"d":{text},"i32":{text},"u64":{text}}}')
    for i, text in enumerate(texts):
        seeds[f"text_{i}"] = (document, text)
    return {name: bytes([kind]) + text.encode() for name, (kind, text) in seeds.items()}


def binary():
    """The layout in cohort/message/binary.hpp. The first byte chooses the type, see binary.hpp."""
    everything, tree, lists, in_order, hashed, choices = range(6)

    def text(data):
        return struct.pack("<I", len(data)) + data

    def many(*elements):
        return struct.pack("<I", len(elements)) + b"".join(elements)

    def item(name, price=0.5):
        return text(name) + struct.pack("<d", price)

    def branch(value=1, children=(), choice=b"\0"):
        return struct.pack("<b", value) + many(*children) + choice

    whole = (item(b"base") + struct.pack("<B", 1) + b"z" + b"\1" + struct.pack("<Ii", 7, -1) +
             struct.pack("<hQf", -5, 2 ** 64 - 1, 1.5) + bytes(7) + b"\x80\xff\x3f" +
             many(item(b"a"), item(b"")) + many(struct.pack("<I", 9)) +
             struct.pack("<3H", 1, 2, 3) +
             item(b"g") + item(b"h") + b"text" + many(b"\1", b"\0") + many(bytes(8)) +
             many(text(b"n")) + struct.pack("<i", 1) + text(b"one") + b"\1\1" + text(b"t") +
             b"\1" + item(b"m") + b"\2" + text(b"any") + struct.pack("<qq", 5, 6) +
             struct.pack("<ii", -1, 1))
    deep = branch()
    for _ in range(63):
        deep = branch(0, [deep])
    several = [branch(1), branch(2, [branch(3)]), branch(4, (), b"\1" + text(b"leaf"))]
    long_lists = (many(b"\0", b"\1" + item(b"i")) + many(many(b"\1"), many()) +
                  many(b"\0", b"\0") +
                  many(bytes(8)) + struct.pack("<I", 2) + "hi".encode("utf-16-le") + text(b"data") +
                  many(b"\0\1") + many(b"\0") + many(struct.pack("<I", 1)))
    ordered = (many(text(b"a"), text(b"b")) + many(bytes(4), bytes(4)) +
               many(text(b"k") + item(b"v")) + many(b"\1" + text(b"x"), b"\1" + text(b"y")) +
               many(many(b"\0", b"\1") + many(b"\1\0")) + many(b"\0"))
    table = (many(struct.pack("<i", 1) + text(b"one"), struct.pack("<i", 2) + text(b"two")) +
             many(text(b"s"), text(b"t")) + many(b"\1\0", b"\1\1"))
    kinds = many(b"\0", b"\1\1", b"\2" + struct.pack("<I", 5), b"\3" + bytes(8), b"\4" + text(b"s"),
                 b"\5" + item(b"i"), b"\6\0", b"\6\1\0", b"\6\1\1\1", b"\7" + many(bytes(8)),
                 b"\x08" + many(text(b"k") + struct.pack("<i", -1)))
    seeds = {
        "everything": (everything, whole),
        "everything_cut": (everything, whole[:-1]),
        "everything_longer": (everything, whole + b"\0"),
        "tree": (tree, branch(7, several, b"\2" + many(*several))),
        "deep_tree": (tree, deep),
        "too_deep_tree": (tree, branch(0, [deep])),
        "bottomless_tree": (tree, b"\0\1\0\0\0" * 400),
        "lists": (lists, long_lists),
        "no_lists": (lists, bytes(36)),
        "huge_lists": (lists, b"\xff\xff\xff\xff" + bytes(40)),
        "many_nothings": (lists, bytes(8) + struct.pack("<I", 1000) + bytes(1024)),
        "many_optionals": (lists, struct.pack("<I", 1000) + bytes(1028)),
        "sorted": (in_order, ordered),
        "same_key": (in_order, many(text(b"a"), text(b"a"))),
        "hashed": (hashed, table),
        "same_number": (hashed, many(bytes(8), bytes(8)) + bytes(8)),
        "choices": (choices, kinds),
        "no_choice": (choices, many(b"\x09")),
        "no_flag": (choices, many(b"\1\2")),
        "no_day": (choices, many(b"\2" + struct.pack("<I", 8))),
    }
    return {name: bytes([kind]) + data for name, (kind, data) in seeds.items()}


def messages():
    """Messages of a channel: docs/protocol.md. Names and layout stand in messages.hpp."""
    message, request, reply, failure, relay, relayed = range(1, 7)

    def identifier(name):
        number = 2166136261
        for byte in name.encode():
            number = (number ^ byte) * 16777619 % 2 ** 32
        return number

    def sent(name, body, kind=message, number=0, descriptors=0, layout=0x01020304):
        named = struct.pack("<II", identifier(name), layout)
        return frame(kind, named + body, descriptors, 0, number)

    def text(data):
        return struct.pack("<I", len(data)) + data

    def to_others(group, body, worker=0):
        named = struct.pack("<II", identifier("note"), 0x01020304)
        return frame(relay, struct.pack("<H", len(group)) + group + named + body, 0, 0, worker)

    bodies = {
        0: {"note": text(b"hello") + b"\1" + struct.pack("<i", 5),
            "table": struct.pack("<I", 1) + text(b"row") + struct.pack("<IHH", 2, 7, 8),
            "answer": struct.pack("<I", 42)},
        1: {"note": b'{"text":"hello","number":5}', "table": b'{"rows":{"row":[7,8]}}',
            "answer": b'{"number":42}'},
    }
    seeds = {}
    for codec, body in bodies.items():
        note, table = sent("note", body["note"]), sent("table", body["table"])
        answers = (sent("answer", body["answer"], reply, 2) + frame(failure, bytes(8), 0, 0, 1) +
                   sent("answer", body["answer"], reply, 2))
        everything = note + sent("note", body["note"], request, 9) + answers + table
        cut = [everything[i:i + 7] for i in range(0, len(everything), 7)]
        kinds = {
            "message": reads(note),
            "glued": reads(note + table, note),
            "pieces": reads(*cut),
            "answers": reads(answers),
            "request": reads(sent("table", body["table"], request, 3)),
            "unknown": reads(sent("nobody", b"?"), sent("nobody", b"?", request, 4), note),
            "other_layout": reads(sent("note", body["note"], layout=5),
                                  sent("table", body["table"], request, 1, layout=5)),
            "wrong_body": reads(sent("note", b"?"), sent("note", b"?", request, 1),
                                sent("answer", b"?", reply, 1), note),
            "wrong_answer": reads(sent("note", body["note"], reply, 1)),
            "descriptors": reads((sent("note", body["note"], descriptors=2), 2),
                                 (sent("table", body["table"], descriptors=1)[:9], 1),
                                 sent("table", body["table"], descriptors=1)[9:]),
            "descriptors_lost": reads((sent("note", body["note"], descriptors=2), 1, True), table),
            "descriptors_short": reads((sent("note", body["note"], descriptors=2), 1), table),
            "descriptors_surplus": reads((note, 1), table),
            "failure_with_more": reads(note, frame(failure, bytes(9), 0, 0, 1), note),
            "no_kind": reads(note, frame(7, bytes(8)), note),
            "relay": reads(to_others(b"web", body["note"]), to_others(b"", body["note"], 7), note),
            "relay_to_both": reads(note, to_others(b"web", body["note"], 7), note),
            "relay_long_name": reads(to_others(64 * b"g", b""), to_others(65 * b"g", b""), note),
            "relay_no_name": reads(note, frame(relay, struct.pack("<H", 9) + bytes(8)), note),
            "relay_descriptors": reads((frame(relay, bytes(10), 1), 1), note),
            "relayed": reads(sent("note", body["note"], relayed, 3), note),
            "relayed_descriptors": reads((sent("note", body["note"], relayed, 3, 1), 1), note),
            "no_type": reads(note, frame(message, bytes(7)), note),
            "largest": reads(frame(message, bytes(220)), frame(message, bytes(308))[:200],
                             frame(message, bytes(308))[200:]),
            "too_large": reads(note, struct.pack("<IHBBQ", 309, message, 0, 0, 0)),
            "truncated": reads(note, note[:-1]),
        }
        for name, data in kinds.items():
            seeds[f"{name}_{codec}"] = bytes([codec + 2]) + data
            if name in ("pieces", "descriptors", "descriptors_surplus", "truncated"):
                seeds[f"{name}_{codec}_socket"] = bytes([codec]) + data
    return seeds


TARGETS = {"wire": wire, "json": json_texts, "binary": binary, "messages": messages}


def main():
    for target, make in TARGETS.items():
        folder = os.path.join(CORPUS, target)
        os.makedirs(folder, exist_ok=True)
        seeds = make()
        for name, data in seeds.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        print(f"{len(seeds)} seeds in {folder}")


if __name__ == "__main__":
    sys.exit(main())
