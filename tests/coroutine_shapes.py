#!/usr/bin/env python3
# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
"""Finds the shapes of coroutine code that g++ 12 miscompiles.

One co_await per statement; none in a condition of if, while, switch or for; and in the same full
expression no ?:, no && or ||, no braces, no lambda that captures by value. Reads C++ files and the
```cpp blocks of Markdown files; without arguments all of the repository.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLACES = ["include", "tests", "examples", "benchmarks", "docs", "README.md"]

TOKEN = re.compile(r"""
    (?P<skip> \s+ | //[^\n]* | /\*.*?\*/ | ^[ \t]*\#(?:\\\n|[^\n])* )
  | (?P<raw> (?:u8|[uUL])?R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)" )
  | (?P<text> (?:u8|[uUL])?"(?:\\.|[^"\\\n])*" | (?:u8|[uUL])?'(?:\\.|[^'\\\n])+' )
  | (?P<number> \.?\d(?:'?[\w.])* )
  | (?P<word> [A-Za-z_]\w* )
  | (?P<sign> :: | && | \|\| | -> | . )
""", re.VERBOSE | re.DOTALL | re.MULTILINE)

CONTROL = {"if", "while", "switch", "for"}
# A brace after one of these opens a block.
BLOCK_AFTER = {"", ";", "{", "}", ")", ":", "else", "do", "try", "const", "noexcept", "override",
               "final", "mutable", "requires", "&", "&&"}
TYPE_WORDS = {"class", "struct", "union", "enum", "namespace", "extern", "concept"}
# Words after which [ starts a lambda although they look like names.
BEFORE_LAMBDA = {"return", "co_return", "co_await", "co_yield", "case", "throw", "else", "do"}


class Statement:
    """What has been seen of one full expression."""

    def __init__(self):
        self.awaits = []
        self.reasons = []
        self.words = []       # at its own depth, to tell a class body from a braced list


class Frame:
    def __init__(self, kind, statement, lambda_body=False):
        self.kind = kind      # block, list, parens, control, brackets
        self.statement = statement
        self.lambda_body = lambda_body
        self.lambda_pending = False
        self.condition = False


def tokens(text):
    found = []
    for match in TOKEN.finditer(text):
        if not match.group("skip"):
            kind = "word" if match.group("word") else "sign" if match.group("sign") else "literal"
            found.append((match.group(0), kind, match.start()))
    return found


def captures_by_value(words):
    """The tokens between [ and ] of a lambda."""
    depth, start = 0, True
    for word in words:
        if start and word not in ("&", "this", "*"):
            return True
        if start and word == "*":     # *this
            return True
        if word in "([{":
            depth += 1
        elif word in ")]}":
            depth -= 1
        start = word == "," and depth == 0
    return False


def starts_lambda(previous):
    """Whether [ after that token is neither a subscript nor an attribute."""
    if previous in BEFORE_LAMBDA:
        return True
    return not re.search(r"""[\w)\]>"[]$""", previous)


def is_declarator(previous, following, after):
    """Whether && makes an rvalue reference: auto&& x, T&& x =, f<T&&>, (T&& x)."""
    return (previous in ("auto", "const") or following in (">", ")", ",", "...")
            or after in ("=", ":", ")", ","))


def problems(text):
    """Yields (line, reason) for a C++ text."""
    found = []
    stream = tokens(text)
    frames = [Frame("block", Statement())]

    def line_of(position):
        return text.count("\n", 0, position) + 1

    def end_statement(frame):
        statement = frame.statement
        if statement.awaits:
            for reason in dict.fromkeys(statement.reasons):
                found.append((line_of(statement.awaits[0]), reason))
            if len(statement.awaits) > 1:
                found.append((line_of(statement.awaits[1]), "two co_await in one statement"))
        frame.statement = Statement()
        frame.lambda_pending = False

    for index, (token, kind, position) in enumerate(stream):
        previous = stream[index - 1][0] if index else ""
        following = stream[index + 1][0] if index + 1 < len(stream) else ""
        after = stream[index + 2][0] if index + 2 < len(stream) else ""
        frame = frames[-1]
        statement = frame.statement
        if kind == "literal":
            continue
        if frame.kind == "block":
            statement.words.append(token)

        if token in ("co_await", "co_yield"):
            statement.awaits.append(position)
            control = [f for f in frames if f.kind == "control" and f.statement is statement]
            if control and control[-1].condition:
                found.append((line_of(position), "co_await in a condition"))
        elif token == "?":
            statement.reasons.append("co_await with ?:")
        elif token in ("||", "or", "and") or (
                token == "&&" and not is_declarator(previous, following, after)):
            statement.reasons.append("co_await with && or ||")
        elif token == "[" and following != "[" and starts_lambda(previous):
            end = index + 1
            depth = 1
            while end < len(stream) and depth:
                depth += {"[": 1, "]": -1}.get(stream[end][0], 0)
                end += 1
            if captures_by_value([word for word, _, _ in stream[index + 1:end - 1]]):
                statement.reasons.append("co_await with a lambda that captures by value")
            frame.lambda_pending = True
            frames.append(Frame("brackets", statement))
        elif token == "[":
            frames.append(Frame("brackets", statement))
        elif token == "(":
            word = previous if previous != "constexpr" else stream[index - 2][0]
            if word in CONTROL:
                frames.append(Frame("control", Statement()))
                # In `for (a; b; c)` only a may wait, as may the range of `for (x : range)`.
                frames[-1].condition = word != "for"
            else:
                frames.append(Frame("parens", statement))
        elif token == "{":
            if frame.lambda_pending:
                frame.lambda_pending = False
                frames.append(Frame("block", Statement(), lambda_body=True))
            elif frame.kind != "block" or not opens_block(statement.words[:-1], previous):
                statement.reasons.append("co_await with a braced list")
                frames.append(Frame("list", statement))
            else:
                end_statement(frame)
                frames.append(Frame("block", Statement()))
        elif token in (")", "]", "}"):
            if len(frames) == 1:
                continue
            closed = frames.pop()
            if closed.kind in ("block", "control"):
                end_statement(closed)
            if closed.kind == "control" or (closed.kind == "block" and not closed.lambda_body):
                end_statement(frames[-1])
        elif token == ";":
            if frame.kind == "control":
                frame.condition = True
            if frame.kind in ("block", "control"):
                end_statement(frame)
    end_statement(frames[0])
    return sorted(set(found))


def opens_block(words, previous):
    """Whether { after these words of a statement opens a block and not a braced list."""
    if previous in BLOCK_AFTER or not words:
        return True
    if any(word in TYPE_WORDS for word in words) and "=" not in words:
        return True
    # A trailing return type: auto f() -> asio::awaitable<void> {
    return (words[0] != "return" and "=" not in words and "->" in words
            and "(" in words[:words.index("->")])


def cpp_blocks(markdown):
    """Yields (first line, text) of each ```cpp block."""
    for match in re.finditer(r"^```cpp[^\n]*\n(.*?)^```", markdown, re.DOTALL | re.MULTILINE):
        yield markdown.count("\n", 0, match.start(1)), match.group(1)


def problems_of_file(path):
    with open(path, errors="replace") as file:
        text = file.read()
    if not path.endswith(".md"):
        return problems(text)
    return [(first + line, reason) for first, block in cpp_blocks(text)
            for line, reason in problems(block)]


GOOD = [
    "T f() { auto v = a[b[1]]; co_await g(v); [[unused]] int x{1}; auto w = co_await h(); }",
    "T f() { a->b(c).d = e{1}; co_await g(); }",
    "void f() { auto a = co_await g(x, y); }",
    "T f() { if (a && b) co_await g(); else { co_await h(); } }",
    "T f() { for (;;) { auto size = co_await c.read(asio::buffer(data)); co_await w(c, size); } }",
    "T f() { for (auto x : co_await g()) h(x); }",
    "T f() { auto&& r = co_await g(); T&& s = co_await g(); }",
    "T f() { auto r = co_await g<T&&>(std::forward<T>(x)); }",
    "void f() { co_spawn(io, [x]() -> asio::awaitable<void> { co_await g(); }, detached); }",
    "void f() { co_spawn(io, [&] { std::vector<int> v{1, 2}; int y = a ? b : c; }, detached); }",
    "T f() { co_await g([&x] { return x; }); co_await g([] {}); co_await g([this](int i) { h(i); }); }",
    'T f() { log("if (co_await x)"); /* while (co_await y) */ // co_await a ? b : c\n }',
    "struct s { int a{1}; T f() { co_await g(); } };\nT h() { int v[] = {1}; co_await g(v[0]); }",
    "class x final : public y<int> { T f() const { co_await g(); } };",
    "auto f() -> asio::awaitable<void> { auto x = co_await g(); }",
    "template <class T> requires a<T> && b<T> T f() { co_await g(); }",
    "#define X(a) if (co_await a) \\\n  b\nT f() { co_await g(); }",
    "T f() { try { co_await g(); } catch (const E& e) { h{}; } co_return; }",
    "T f() { if (x) co_await g(); do { co_await h(); } while (a || b); int z = p ? q : r; }",
    "T f() { switch (x) { case 1: co_await g(); break; default: co_await h(); } }",
    "x::x(int a) : a_(a), b_{a} { }\nT f() { co_await g(); }",
    "T f() { const char c = '\"'; const int n = 1'000; co_await g(c, n); }",
    'auto s = R"(if (co_await x) {)"; T f() { co_await g(); }',
    "[[nodiscard]] T f() { auto v = co_await a[1].g(); }",
    "namespace a::b { enum class e : int { x, y }; T f() { co_await g(); } }",
]
BAD = [
    ("T f() { if (co_await g()) h(); }", "condition"),
    ("T f() { if constexpr (x) { if (auto v = co_await g()) h(); } }", "condition"),
    ("T f() { while (co_await g()) {} }", "condition"),
    ("T f() { do { h(); } while (co_await g()); }", "condition"),
    ("T f() { switch (co_await g()) {} }", "condition"),
    ("T f() { for (int i = 0; co_await g(); ++i) {} }", "condition"),
    ("T f() { if (a) { h(); } else if (!co_await g()) {} }", "condition"),
    ("T f() { auto x = a ? co_await g() : b; }", "?:"),
    ("T f() { co_await g(a ? b : c); }", "?:"),
    ("T f() { bool x = a && co_await g(); }", "&&"),
    ("T f() { bool x = co_await g() || a; }", "&&"),
    ("T f() { co_await g(options{1, 2}); }", "braced"),
    ("T f() { co_await g({.x = 1}); }", "braced"),
    ("T f() { co_await g({}); }", "braced"),
    ("T f() { auto x = agg{co_await g(), 1}; }", "braced"),
    ("T f() { std::vector<int> v{co_await g()}; }", "braced"),
    ("T f() { co_return agg{1, co_await g()}; }", "braced"),
    ("T f() { co_await co_spawn(io, [s]() -> T { co_return; }, use_awaitable); }", "captures"),
    ("T f() { co_await g([=] { h(); }); co_await k; }", "captures"),
    ("T f() { co_await g([&a, b = std::move(c)]() mutable { h(); }); }", "captures"),
    ("T f() { co_await g(co_await h()); }", "two"),
    ("void f() { run([&]() -> T { if (co_await g()) h(); }); }", "condition"),
    ("void f() { run([&] { auto x = co_await g(std::vector{1}); }); }", "braced"),
]


def self_test():
    for text in GOOD:
        assert not problems(text), f"should be allowed: {text}: {problems(text)}"
    for text, reason in BAD:
        found = problems(text)
        assert len(found) == 1 and reason in found[0][1], f"should be found once: {text}: {found}"
    blocks = list(cpp_blocks("a\n```cpp\nx\n```\n```sh\ny\n```\n```cpp fragment\nz\n```\n"))
    assert blocks == [(2, "x\n"), (8, "z\n")], blocks


def all_files():
    for place in PLACES:
        path = os.path.join(ROOT, place)
        if os.path.isfile(path):
            yield path
        for folder, _, names in sorted(os.walk(path)):
            for name in sorted(names):
                if name.endswith((".hpp", ".cpp", ".md")):
                    yield os.path.join(folder, name)


def main():
    self_test()
    paths = sys.argv[1:] or list(all_files())
    count = 0
    for path in paths:
        for line, reason in problems_of_file(path):
            print(f"{os.path.relpath(path)}:{line}: {reason}")
            count += 1
    if not count:
        print(f"{len(paths)} files are free of the shapes")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
