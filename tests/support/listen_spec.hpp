// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/listen_options.hpp>

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>

namespace cohort_test {

/// "127.0.0.1:0", "[::1]:80", "unix:PATH" or, by a `unix_path`, "path:PATH", and any of accept=N
/// (so many, then no more), max=N, credit=N, adaptive, mode=OCTAL, hold, exclusive, ipv6_only,
/// reuse_port, reuse_address, data=WORD.
struct listen_spec {
  std::string host;
  std::uint16_t port = 0;
  bool is_path = false;
  bool is_unix_path = false;
  unsigned accept = 1U << 30;
  std::size_t max = 1U << 30;
  cohort::listen_options options;

  explicit listen_spec(const std::string& text)
  {
    std::istringstream words(text);
    words >> host;
    is_unix_path = host.starts_with("path:");
    is_path = is_unix_path || host.starts_with("unix:");
    if (is_path) {
      host.erase(0, 5);
    } else {
      const auto colon = host.rfind(':');
      port = static_cast<std::uint16_t>(std::stoi(host.substr(colon + 1)));
      host.erase(colon);
      if (host.front() == '[') host = host.substr(1, host.size() - 2);
    }
    for (std::string word; words >> word;) apply(word);
  }

  void apply(const std::string& word)
  {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (name == "data") options.shared_data(word.substr(equals + 1));
    if (name == "data") return;
    const int base = name == "mode" ? 8 : 10;
    const auto value =
        equals == word.npos
            ? 1U
            : static_cast<unsigned>(std::stoul(word.substr(equals + 1), nullptr, base));
    if (name == "accept") accept = value;
    if (name == "max") max = value;
    if (name == "credit") options.credit(value);
    if (name == "adaptive") options.adaptive_credit(true);
    if (name == "mode") options.mode(value);
    if (name == "backlog") options.backlog(static_cast<int>(value));
    if (name == "hold") options.hold_when_empty(true);
    if (name == "exclusive") options.exclusive(true);
    if (name == "ipv6_only") options.ipv6_only(true);
    if (name == "reuse_port") options.reuse_port(true);
    if (name == "reuse_address") options.reuse_address(true);
  }
};

} // namespace cohort_test
