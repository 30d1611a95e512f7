// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace cohort::detail {

/// What the environment says of a socket activation: sd_listen_fds(3). Nothing where a variable is
/// not set.
struct activation_variables {
  std::optional<std::string> pid;
  std::optional<std::string> fds;
  std::optional<std::string> names;
};

/// What that means: a name for each descriptor, which follow one another.
struct activation {
  /// `unknown` for each where the environment has no names.
  std::vector<std::string> names;
  /// The descriptors are there, and the names are no use.
  bool bad_names = false;
};

/// So many descriptors are believed in; no service manager has given more.
inline constexpr std::size_t most_activated = 65'536;

/// Nothing is given when one of the two numbers is missing or the process is another one. With
/// `invalid_argument` what is said makes no sense: numbers that are none, too many descriptors, or,
/// with descriptors all the same, names that are not as many or not allowed.
activation parse_activation(
    const activation_variables& said, std::int64_t own_pid, std::error_code& error);

/// How often the service manager is to hear from this process, as WATCHDOG_USEC says, if it is to:
/// WATCHDOG_PID may name another process. Nothing for numbers that are none.
std::optional<std::chrono::microseconds> parse_watchdog(const std::optional<std::string>& usec,
    const std::optional<std::string>& pid, std::int64_t own_pid) noexcept;

// Implementation

namespace activation_detail {

// Digits and nothing else.
inline std::optional<std::int64_t> number(std::string_view text) noexcept
{
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = result.ec == std::errc() && result.ptr == text.data() + text.size();
  if (!whole || text.front() == '-') return std::nullopt;
  return value;
}

inline bool is_name(std::string_view text) noexcept
{
  constexpr std::size_t longest = 255;
  return text.size() <= longest &&
         std::ranges::all_of(text, [](char each) { return each >= ' ' && each <= '~'; });
}

inline std::vector<std::string> split(std::string_view text)
{
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t colon = text.find(':');
    parts.emplace_back(text.substr(0, colon));
    if (colon == text.npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

} // namespace activation_detail

inline activation parse_activation(
    const activation_variables& said, std::int64_t own_pid, std::error_code& error)
{
  using namespace activation_detail;
  activation given;
  error.clear();
  if (!said.pid || !said.fds) return given;
  const auto pid = number(*said.pid);
  const auto count = number(*said.fds);
  const bool numbers = pid && *pid > 0 && count && *count <= std::int64_t(most_activated);
  if (!numbers) error = std::make_error_code(std::errc::invalid_argument);
  if (error || *pid != own_pid || *count == 0) return given;
  const auto size = static_cast<std::size_t>(*count);
  if (said.names) given.names = split(*said.names);
  given.bad_names =
      said.names && (given.names.size() != size || !std::ranges::all_of(given.names, is_name));
  if (given.bad_names) error = std::make_error_code(std::errc::invalid_argument);
  if (!said.names || given.bad_names) given.names.assign(size, "unknown");
  return given;
}

inline std::optional<std::chrono::microseconds> parse_watchdog(
    const std::optional<std::string>& usec, const std::optional<std::string>& pid,
    std::int64_t own_pid) noexcept
{
  using activation_detail::number;
  if (!usec || (pid && number(*pid) != own_pid)) return std::nullopt;
  const auto interval = number(*usec);
  // A pause of more than some years would be no time of a clock.
  constexpr std::int64_t longest = std::int64_t(1) << 50;
  if (!interval || *interval == 0 || *interval > longest) return std::nullopt;
  return std::chrono::microseconds(*interval);
}

} // namespace cohort::detail
