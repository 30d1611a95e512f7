// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What is said to a service manager: lines of "NAME=value", sd_notify(3).

namespace cohort::detail::service_messages {

inline constexpr std::string_view ready = "READY=1\n";
inline constexpr std::string_view stopping = "STOPPING=1\n";
inline constexpr std::string_view watchdog = "WATCHDOG=1\n";

/// @param now since the machine's start, without the time it was suspended.
inline std::string reloading(std::chrono::microseconds now)
{
  return "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count()) + '\n';
}

inline std::string main_pid(std::int64_t pid) { return "MAINPID=" + std::to_string(pid) + '\n'; }

/// More of a status nobody reads; service managers take 4096 bytes in all.
inline constexpr std::size_t longest_status = 1024;

/// One line, whatever `text` has: a line of its own would be another message. A longer one is cut
/// off, and not within a character of UTF-8.
std::string status(std::string_view text);

// Implementation

inline std::string status(std::string_view text)
{
  std::size_t size = text.size();
  if (size > longest_status) {
    size = longest_status;
    const auto is_inside = [&](std::size_t at) {
      return (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U;
    };
    while (size != 0 && is_inside(size)) --size;
  }
  std::string line = "STATUS=";
  for (const char each : text.substr(0, size)) {
    const bool is_control = static_cast<unsigned char>(each) < ' ' || each == '\x7f';
    line += is_control ? ' ' : each;
  }
  return line + '\n';
}

} // namespace cohort::detail::service_messages
