// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/proxy_header.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace proxy_header_test {

using cohort::proxy_header;

namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// What it says of the client; "?" when more is needed.
std::string source(std::string_view first_bytes)
{
  const proxy_header header(bytes(first_bytes));
  if (!header.complete()) return header.source().empty() ? "?" : "too early";
  std::string text;
  for (const std::byte each : header.source()) text += static_cast<char>(each);
  return text;
}

// Version 2 with what follows.
std::string binary(char command, char family, std::size_t length, const std::string& rest)
{
  std::string text("\r\n\r\n\0\r\nQUIT\n", 12);
  text += command;
  text += family;
  text += static_cast<char>(length >> 8);
  text += static_cast<char>(length & 0xff);
  return text + rest;
}

const std::string ipv4("\xc0\x00\x02\x01", 4);
const std::string ipv6("\x20\x01\x0d\xb8 abcdefghijk", 16);
const std::string ports("\x8b\x3e\x00\x50", 4);

} // namespace

TEST_CASE("version 1 names the client as text")
{
  CHECK(source("PROXY TCP4 192.0.2.1 198.51.100.1 35646 80\r\n") == "192.0.2.1");
  CHECK(source("PROXY TCP6 2001:db8::1 2001:db8::2 35646 80\r\nGET /") == "2001:db8::1");
}

TEST_CASE("version 1 does not have to know the client")
{
  CHECK(source("PROXY UNKNOWN\r\n") == "");
  CHECK(source("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n") == "");
}

TEST_CASE("the longest header of version 1 fits, and nothing longer is waited for")
{
  const std::string address = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string unknown = "PROXY UNKNOWN " + address + ' ' + address + " 65535 65535\r\n";
  CHECK(unknown.size() == proxy_header::max_size);
  CHECK(source(unknown) == "");
  CHECK(source(unknown.substr(0, proxy_header::max_size - 1)) == "?");
  std::string text = "PROXY TCP6 " + address + ' ';
  text += std::string(proxy_header::max_size - 2 - text.size(), '1');
  CHECK(source(text + "\r\n") == address);
  CHECK(source(text) == "?");
  CHECK(source(text + "1\r") == "");
  CHECK(source(text + "1\r\n") == "");
}

TEST_CASE("a header of version 1 that is broken names nobody")
{
  for (const char* text :
      {"PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP4 \r\n", "PROXY TCP4 1.2.3.4\r\n",
          "PROXY TCP4  1.2.3.4 1 2\r\n", "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
          "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"}) {
    CAPTURE(text);
    CHECK(source(text) == "");
  }
}

TEST_CASE("version 2 names the client by its address")
{
  CHECK(source(binary(0x21, 0x11, 12, ipv4 + "\x01\x02\x03\x04" + ports)) == ipv4);
  CHECK(source(binary(0x21, 0x21, 36, ipv6 + ipv6 + ports)) == ipv6);
  // Of datagrams as well, with more than is needed, and with much more to come.
  CHECK(source(binary(0x21, 0x12, 12, ipv4 + "\x01\x02\x03\x04" + ports)) == ipv4);
  CHECK(source(binary(0x21, 0x11, 12, ipv4 + "\x01\x02\x03\x04" + ports + "GET /")) == ipv4);
  CHECK(source(binary(0x21, 0x21, 0xffff, ipv6)) == ipv6);
}

TEST_CASE("version 2 does not have to know the client")
{
  // The balancer itself; an unknown family; a unix socket.
  CHECK(source(binary(0x20, 0x11, 12, ipv4 + ipv4 + ports)) == "");
  CHECK(source(binary(0x20, 0x00, 0, "")) == "");
  CHECK(source(binary(0x21, 0x00, 0, "")) == "");
  CHECK(source(binary(0x21, 0x31, 216, std::string(216, '/'))) == "");
}

TEST_CASE("a header of version 2 that is broken names nobody")
{
  CHECK(source(binary(0x11, 0x11, 12, ipv4 + ipv4 + ports)) == "");
  CHECK(source(binary(0x22, 0x11, 12, ipv4 + ipv4 + ports)) == "");
  CHECK(source(binary(0x21, 0x41, 12, ipv4 + ipv4 + ports)) == "");
  // Too short for an address of its family.
  CHECK(source(binary(0x21, 0x11, 3, ipv4)) == "");
  CHECK(source(binary(0x21, 0x21, 15, ipv6)) == "");
}

TEST_CASE("without a header nobody is named, and nothing is waited for")
{
  for (const char* text : {"GET / HTTP/1.1\r\n", "P ", "PROXIES", "PROXY\tTCP4 1.2.3.4 ",
           "\r\n\r\nG", "\n", "\x16\x03\x01"})
    CHECK(source(text) == "");
}

TEST_CASE("up to the byte that matters last more is needed, and after it nothing")
{
  const std::string more = "GET / HTTP/1.1\r\n\r\n";
  const struct {
    std::string header;
    std::size_t needed;
    std::string client;
  } cases[] = {{"PROXY TCP4 192.0.2.1 198.51.100.1 35646 80\r\n", 44, "192.0.2.1"},
      {"PROXY TCP6 ::1 ::2 1 2\r\n", 24, "::1"}, {"PROXY UNKNOWN\r\n", 15, ""},
      {binary(0x21, 0x11, 12, ipv4 + ipv4 + ports), 20, ipv4},
      {binary(0x21, 0x21, 36, ipv6 + ipv6 + ports), 32, ipv6}, {binary(0x20, 0, 0, ""), 16, ""},
      {binary(0x21, 0x31, 216, std::string(216, '/')), 16, ""}};
  for (const auto& each : cases) {
    CAPTURE(each.needed);
    const std::string all = each.header + more;
    for (std::size_t size = 0; size <= all.size(); ++size) {
      CAPTURE(size);
      REQUIRE(source(all.substr(0, size)) == (size < each.needed ? "?" : each.client));
    }
  }
}

TEST_CASE("whatever the bytes are, what is named is among them, and more of them change no answer")
{
  std::mt19937 random(12);
  const std::string seeds[] = {"PROXY TCP4 192.0.2.1 198.51.100.1 35646 80\r\n",
      binary(0x21, 0x11, 12, ipv4 + ipv4 + ports), binary(0x21, 0x21, 36, ipv6 + ipv6 + ports)};
  for (int round = 0; round != 3'000; ++round) {
    std::string text = seeds[random() % 3];
    for (auto n = random() % 4; n != 0; --n)
      text[random() % text.size()] = "\r\n \0P4!\x21"[random() % 8];
    std::string answer = "?";
    for (std::size_t size = 0; size <= text.size(); ++size) {
      // Exactly as large, so that a sanitizer sees what is read behind it.
      const std::vector<char> part(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
      const std::string now = source({part.data(), part.size()});
      REQUIRE(now != "too early");
      if (answer != "?") REQUIRE(now == answer);
      answer = now;
    }
  }
}

TEST_CASE("behind the header the client's own bytes begin")
{
  const std::string more = "GET / HTTP/1.1\r\n\r\n";
  for (const std::string& text : {std::string("PROXY TCP4 192.0.2.1 198.51.100.1 35646 80\r\n"),
           std::string("PROXY UNKNOWN\r\n"), std::string("PROXY \r\n"), binary(0x20, 0, 0, ""),
           binary(0x21, 0x11, 12, ipv4 + ipv4 + ports),
           binary(0x21, 0x21, 300, ipv6 + ipv6 + ports + std::string(264, 'x'))}) {
    CHECK(proxy_header(bytes(text + more)).size() == text.size());
    CHECK(proxy_header(bytes(text)).size() == text.size());
  }
  // Known as soon as the length has come.
  CHECK(proxy_header(bytes(binary(0x21, 0x11, 0xffff, ""))).size() == 16 + 0xffff);
  CHECK(proxy_header(bytes(more)).size() == 0);
  CHECK(proxy_header(bytes("PROXY " + std::string(101, '1'))).size() == 0);
}

TEST_CASE("where the client's own bytes begin cannot be known before the header has ended")
{
  for (const std::string& text :
      {std::string("PROXY TCP4 192.0.2.1 198.51.100.1 35646 80\r\n"), binary(0x21, 0x11, 0, "")})
    for (std::size_t size = 0; size != text.size(); ++size)
      CHECK_FALSE(proxy_header(bytes(text.substr(0, size))).size());
}

} // namespace proxy_header_test
