// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/service_messages.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cohort::detail {

/// How a group is, as far as its service manager cares.
struct group_brief {
  std::string name;
  /// How many of its places have a worker that serves, and how many are to have one.
  std::size_t ready = 0;
  std::size_t wanted = 0;
  bool reloads = false;
  bool gave_up = false;
  /// It has no worker any more, and will have none.
  bool over = false;

  /// Whether it has all that it is to have. One that has given up has not.
  bool all_ready() const noexcept { return over || ready >= wanted; }
};

/// How a service is.
struct service_facts {
  std::vector<group_brief> groups;
  bool stopping = false;
  /// Of all groups, those on their way out included.
  std::size_t workers = 0;

  bool all_ready() const { return std::ranges::all_of(groups, &group_brief::all_ready); }
  bool reloads() const { return std::ranges::any_of(groups, &group_brief::reloads); }
  /// For people: "web 4/4, mailer 0/1 given up".
  std::string status() const;
};

/// What a service manager is to be told next, and when to look again.
///
/// It hears that the service is ready once all groups are for the first time; from then on it stays
/// so, whatever dies. Each reload that is asked for is told at once, and that the service is ready
/// when no group reloads any more, whatever has become of it. The status goes along with these, and
/// else after a pause at the earliest. What could not be sent is said again after that pause.
class service_report {
public:
  using clock = std::chrono::steady_clock;
  using time = clock::time_point;

  static constexpr std::chrono::seconds pause{1};

  /// @param watchdog how long the service manager may not hear that this process is alive.
  explicit service_report(std::optional<clock::duration> watchdog = std::nullopt) noexcept
      : beat_(watchdog ? std::optional(*watchdog / 2) : std::nullopt)
  {
  }

  /// All groups were told to reload. Before the service is ready that is no news.
  void reload_asked() noexcept { reload_asked_ = state_ != state::starting; }

  /// The next message. `told` follows before anything else.
  std::optional<std::string> next(const service_facts& facts, time now);
  void told(bool sent, time now);

  /// When there may be something to say without any news.
  std::optional<time> wake_at() const noexcept;

private:
  enum class state { starting, ready, reloading, stopping };

  // What the state should be said to be, if that is news.
  std::optional<state> due_state(const service_facts& facts) const;

  std::optional<clock::duration> beat_;
  // What it was told.
  state state_ = state::starting;
  std::string status_;
  // What it is being told.
  std::optional<state> next_state_;
  std::string next_status_;
  bool says_beat_ = false;
  bool reload_asked_ = false;
  time status_at_ = time::min();
  time beat_at_ = time::min();
  std::optional<time> retry_at_;
};

// Implementation

inline std::string service_facts::status() const
{
  if (stopping) return "stopping, workers left: " + std::to_string(workers);
  std::string text;
  for (const group_brief& each : groups) {
    if (!text.empty()) text += ", ";
    text += each.name + ' ' + std::to_string(each.ready) + '/' + std::to_string(each.wanted);
    if (each.over) text += " over";
    else if (each.gave_up) text += " given up";
    else if (each.reloads) text += " reloading";
  }
  return text;
}

inline auto service_report::due_state(const service_facts& facts) const -> std::optional<state>
{
  if (state_ == state::stopping) return std::nullopt;
  if (facts.stopping) return state::stopping;
  if (state_ == state::starting)
    return facts.all_ready() ? std::optional(state::ready) : std::nullopt;
  if (reload_asked_) return state::reloading;
  if (state_ == state::reloading && !facts.reloads()) return state::ready;
  return std::nullopt;
}

inline std::optional<std::string> service_report::next(const service_facts& facts, time now)
{
  if (retry_at_ && now < *retry_at_) return std::nullopt;
  std::string text;
  next_state_ = due_state(facts);
  if (next_state_ == state::ready) text = service_messages::ready;
  else if (next_state_ == state::stopping) text = service_messages::stopping;
  else if (next_state_ == state::reloading)
    text = service_messages::reloading(
        std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()));
  next_status_ = facts.status();
  if (next_status_ != status_ && (next_state_ || now >= status_at_))
    text += service_messages::status(next_status_);
  says_beat_ = beat_ && now >= beat_at_;
  if (says_beat_) text += service_messages::watchdog;
  return text.empty() ? std::nullopt : std::optional(std::move(text));
}

inline void service_report::told(bool sent, time now)
{
  if (!sent) {
    retry_at_ = now + std::min<clock::duration>(pause, beat_.value_or(pause));
    return;
  }
  retry_at_.reset();
  if (next_state_ == state::reloading) reload_asked_ = false;
  if (next_status_ != status_ && (next_state_ || now >= status_at_)) {
    status_ = next_status_;
    status_at_ = now + pause;
  }
  if (next_state_) state_ = *next_state_;
  if (says_beat_) beat_at_ = now + *beat_;
}

inline auto service_report::wake_at() const noexcept -> std::optional<time>
{
  if (retry_at_) return retry_at_;
  std::optional<time> first;
  if (next_status_ != status_) first = status_at_;
  if (beat_) first = first ? std::min(*first, beat_at_) : beat_at_;
  return first;
}

} // namespace cohort::detail
