// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/client.hpp"

#include <cohort/worker_id.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace cohort_test {

/// How often each request was served, in the words of the servers themselves: what `load_server`
/// has noted in the file that COHORT_TEST_LOG names.
inline std::map<std::uint64_t, unsigned> served_requests(const std::string& path)
{
  std::map<std::uint64_t, unsigned> served;
  std::ifstream log(path);
  for (std::string line; std::getline(log, line);) {
    std::istringstream words(line);
    std::uint64_t id = 0;
    if (words >> id) ++served[id];
  }
  return served;
}

/// One request, from its begin to its end.
struct load_event {
  using clock = std::chrono::steady_clock;

  std::uint64_t id = 0;
  outcome result = outcome::timeout;
  /// Whether it was sent over a connection that was new.
  bool fresh = true;
  clock::time_point begin{};
  clock::time_point end{};
  /// Who has answered, if somebody has.
  cohort::worker_id worker = 0;
  pid_t pid = 0;
  unsigned generation = 0;
};

/// What became of all requests of a `load_client`.
class load_report {
public:
  /// In the order in which they ended.
  std::vector<load_event> events;

  std::size_t total() const { return events.size(); }
  std::size_t count(outcome result) const
  {
    return static_cast<std::size_t>(std::ranges::count(events, result, &load_event::result));
  }
  std::size_t not_ok() const { return total() - count(outcome::ok); }

  /// "20000 ok, 3 reset".
  std::string summary() const;

  /// What became of them one after the other, in the order in which they began: "500 ok, 2 reset,
  /// 7 refused" when the kinds do not interleave.
  std::string sequence() const;

  /// Whoever answered, each once.
  std::set<pid_t> pids() const;
  std::set<unsigned> generations() const;

  /// Makes `twice` of each request that was served more than once, and `wrong` of each that was
  /// answered without having been served.
  void compare(const std::map<std::uint64_t, unsigned>& served);

  /// For a failure: the summary and the first requests that did not go well.
  std::string text() const;
};

// Implementation

inline std::string load_report::summary() const
{
  std::map<outcome, std::size_t> counts;
  for (const load_event& each : events) ++counts[each.result];
  std::string text;
  for (const auto& [result, number] : counts)
    text += (text.empty() ? "" : ", ") + std::to_string(number) + ' ' + to_string(result);
  return text;
}

inline std::string load_report::sequence() const
{
  std::vector<load_event> sorted = events;
  std::ranges::sort(
      sorted, {}, [](const load_event& each) { return std::pair(each.begin, each.id); });
  std::string text;
  for (auto first = sorted.begin(); first != sorted.end();) {
    const auto last = std::find_if(
        first, sorted.end(), [&](const load_event& each) { return each.result != first->result; });
    text +=
        (text.empty() ? "" : ", ") + std::to_string(last - first) + ' ' + to_string(first->result);
    first = last;
  }
  return text;
}

inline std::set<pid_t> load_report::pids() const
{
  std::set<pid_t> found;
  for (const load_event& each : events)
    if (each.pid != 0) found.insert(each.pid);
  return found;
}

inline std::set<unsigned> load_report::generations() const
{
  std::set<unsigned> found;
  for (const load_event& each : events)
    if (each.pid != 0) found.insert(each.generation);
  return found;
}

inline void load_report::compare(const std::map<std::uint64_t, unsigned>& served)
{
  for (load_event& each : events) {
    const auto found = served.find(each.id);
    const unsigned times = found == served.end() ? 0 : found->second;
    if (times > 1) each.result = outcome::twice;
    if (times == 0 && each.result == outcome::ok) each.result = outcome::wrong;
  }
}

inline std::string load_report::text() const
{
  std::ostringstream text;
  text << summary();
  if (events.empty()) return text.str();
  using milliseconds = std::chrono::duration<double, std::milli>;
  const auto start = std::ranges::min_element(events, {}, &load_event::begin)->begin;
  int shown = 0;
  for (const load_event& each : events) {
    if (each.result == outcome::ok || ++shown > 10) continue;
    text << "\n  " << each.id << ' ' << to_string(each.result) << " on "
         << (each.fresh ? "a new" : "a kept") << " connection, from "
         << milliseconds(each.begin - start).count() << " to "
         << milliseconds(each.end - start).count() << " ms";
    if (each.pid != 0) text << ", worker " << each.worker << " (" << each.pid << ')';
  }
  return text.str();
}

} // namespace cohort_test
