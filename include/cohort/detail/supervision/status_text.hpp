// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/detail/lifecycle/group_state.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace cohort::detail {

/// A line about a group, and one about each of its workers: words with a space between them, a name
/// and what belongs to it.
///
///     group web workers 2 ready 2 starting 0 leaving 1 generation 4 state reloading
///     worker 17 group web pid 4711 generation 4 state ready requests 2208 load 3 lag_us 51
///       memory 5242880 descriptors 14 q=7
///
/// The one about a worker is one line. Memory is what it has resident, in bytes. Behind those of
/// the library are the values that the worker's program reports.
std::string status_text(
    const supervised_group& group, const std::vector<std::shared_ptr<worker_core>>& workers);

// Implementation

namespace status_text_detail {

inline std::string state_of(const group_state& state)
{
  if (state.stopping()) return "ending";
  if (state.gave_up()) return "given-up";
  return state.reload_state().runs() ? "reloading" : "up";
}

inline std::string state_of(const worker_core& worker, bool is_leaving, bool is_ready)
{
  if (is_leaving) return "leaving";
  if (worker.is_stalled()) return "stalled";
  return is_ready ? "ready" : worker.state().is_online() ? "online" : "started";
}

// A dash is for what cannot be seen.
inline std::string usage_of(worker_core& worker)
{
  const auto text = [](std::optional<std::uint64_t> number) {
    return number ? std::to_string(*number) : "-";
  };
  const io::process_usage usage = worker.usage();
  return " memory " + text(usage.memory) + " descriptors " + text(usage.descriptors);
}

// A worker may say anything; here it is one word.
inline std::string word(std::string text)
{
  for (char& each : text)
    if (static_cast<unsigned char>(each) <= ' ' || each == '\x7f') each = '_';
  return text;
}

} // namespace status_text_detail

inline std::string status_text(
    const supervised_group& group, const std::vector<std::shared_ptr<worker_core>>& workers)
{
  using namespace status_text_detail;
  const group_state& state = group.state();
  const auto& leaving = state.roster().leaving();
  std::set<worker_id> ready;
  std::size_t starting = 0;
  for (const group_place& place : state.roster().places()) {
    for (const placed_worker* member : {&place.current, &place.next}) {
      if (member->runs() && member->ready) ready.insert(member->id);
      starting += member->boots() ? 1 : 0;
    }
  }
  const std::string& name = group.description().name();
  std::string text = "group " + name + " workers " + std::to_string(state.count()) + " ready " +
                     std::to_string(ready.size()) + " starting " + std::to_string(starting) +
                     " leaving " + std::to_string(leaving.size()) + " generation " +
                     std::to_string(state.generation()) + " state " + state_of(state) + '\n';
  for (const auto& each : workers) {
    text += "worker " + std::to_string(each->id()) + " group " + name + " pid " +
            std::to_string(each->pid()) + " generation " +
            std::to_string(each->description().generation) + " state " +
            state_of(*each, leaving.contains(each->id()), ready.contains(each->id())) +
            " requests " + std::to_string(each->requests()) + " load " +
            std::to_string(each->description().load) + " lag_us " +
            std::to_string(each->lag().count()) + usage_of(*each);
    for (const auto& [what, value] : each->values()) text += ' ' + word(what) + '=' + word(value);
    text += '\n';
  }
  return text;
}

} // namespace cohort::detail
