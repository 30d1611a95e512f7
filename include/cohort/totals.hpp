// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/counters.hpp>
#include <cohort/detail/totals/counter_fields.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort {

/// What was counted at an address, see `listener_metrics::address`; an empty one stands for all of
/// which there is no room to remember where it was.
struct listener_totals {
  std::string address;
  connection_counters counters;
};

/// What was counted of a group.
struct group_totals {
  std::string name;
  group_counters counters;
};

/// All that a cluster or a supervisor has counted, also of listeners and groups that are gone: what
/// one primary hands to the next one, which goes on counting from there.
///
///     std::ofstream("totals") << to_text(master.totals());
///     ...
///     if (!master.started_by_upgrade()) master.restore(cohort::totals_from_text(text, error));
struct totals {
  std::vector<listener_totals> listeners;
  /// None of a cluster.
  std::vector<group_totals> groups;
};

/// A line for each listener and each group: words with a space between them, a name and its value;
/// values that are 0 are left out. Blanks, control characters and percent signs in names are their
/// codes (`%20`), an empty name is a dash.
///
///     listener 127.0.0.1:8080 accepted 2210 offered 2212 taken 2210 refused 2 redispatched 2
///     group web started 5 died 1 requests 2208
std::string to_text(const totals& all);

/// What `to_text` made, maybe in another version: names and lines that are not known here are
/// skipped, and what is not said is 0.
/// Errors: `invalid_argument` when a line about a listener or a group makes no sense; then the
/// result is empty.
totals totals_from_text(std::string_view text, std::error_code& error);

// Implementation

namespace detail::totals_text {

// A name as one word: what would end the word, and a percent sign, by their codes. A dash stands
// for an empty name, so a name that is a dash is told by its code as well.
inline std::string word_of(std::string_view name)
{
  static constexpr char digits[] = "0123456789abcdef";
  if (name.empty()) return "-";
  std::string word;
  for (const char each : name) {
    const auto code = static_cast<unsigned char>(each);
    if (code > ' ' && code != 0x7f && each != '%' && name != "-") word += each;
    else word += {'%', digits[code / 16], digits[code % 16]};
  }
  return word;
}

inline std::optional<std::string> name_of(std::string_view word)
{
  if (word == "-") return std::string();
  std::string name;
  while (!word.empty()) {
    unsigned code = static_cast<unsigned char>(word.front());
    word.remove_prefix(1);
    if (code == '%') {
      if (word.size() < 2) return std::nullopt;
      const auto [end, error] = std::from_chars(word.data(), word.data() + 2, code, 16);
      if (error != std::errc() || end != word.data() + 2) return std::nullopt;
      word.remove_prefix(2);
    }
    name += static_cast<char>(code);
  }
  return name;
}

// The first word, without it in `text` afterwards.
inline std::string_view take_word(std::string_view& text, char end = ' ')
{
  const std::size_t size = text.find(end);
  const std::string_view word = text.substr(0, size);
  text.remove_prefix(size == text.npos ? text.size() : size + 1);
  return word;
}

template <class Counters>
void write_line(
    std::string& text, const char* kind, const std::string& name, const Counters& counters)
{
  text += kind + (' ' + word_of(name));
  for (const auto& [what, field] : counter_fields<Counters>) {
    if (counters.*field == 0) continue;
    text.append(" ").append(what).append(" ").append(std::to_string(counters.*field));
  }
  text += '\n';
}

// What follows the kind of the line; false when that makes no sense.
template <class Counters>
bool read_line(std::string_view line, std::string& name, Counters& counters)
{
  auto read = name_of(take_word(line));
  if (!read) return false;
  name = std::move(*read);
  while (!line.empty()) {
    const std::string_view what = take_word(line), number = take_word(line);
    std::uint64_t value = 0;
    const char* const last = number.data() + number.size();
    const auto [end, error] = std::from_chars(number.data(), last, value);
    if (error != std::errc() || end != last || what.empty()) return false;
    for (const auto& [known, field] : counter_fields<Counters>)
      if (known == what) counters.*field = value;
  }
  return true;
}

} // namespace detail::totals_text

inline std::string to_text(const totals& all)
{
  using namespace detail::totals_text;
  std::string text;
  for (const listener_totals& each : all.listeners)
    write_line(text, "listener", each.address, each.counters);
  for (const group_totals& each : all.groups) write_line(text, "group", each.name, each.counters);
  return text;
}

inline totals totals_from_text(std::string_view text, std::error_code& error)
{
  using namespace detail::totals_text;
  totals all;
  bool good = true;
  while (!text.empty() && good) {
    std::string_view line = take_word(text, '\n');
    const std::string_view kind = take_word(line);
    if (kind == "listener") {
      listener_totals& read = all.listeners.emplace_back();
      good = read_line(line, read.address, read.counters);
    } else if (kind == "group") {
      group_totals& read = all.groups.emplace_back();
      good = read_line(line, read.name, read.counters);
    }
  }
  error = good ? std::error_code() : std::make_error_code(std::errc::invalid_argument);
  return good ? all : totals();
}

} // namespace cohort
