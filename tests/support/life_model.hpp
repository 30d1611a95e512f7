// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/worker_state.hpp>
#include <cohort/exit_status.hpp>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cohort_test {

/// What a worker is told to do to itself. `kill` is `this_worker::kill(kill_status)`, `exit` ends
/// the process with `exit_status_told`. `load` reports loads, which ends nobody.
enum class life_command : std::uint8_t { listen, disconnect, kill, close_channel, exit, load };

/// What may become of one worker: it is told what is done to it, and says whether what is seen of
/// it then may be. No process, no channel and no clock are in it.
///
/// What is done and what is seen have to come in the order in which they happened in the primary;
/// only when a worker carries out what it was told is open.
class life_model {
public:
  using commands = std::vector<life_command>;

  static constexpr int kill_status = 4;
  static constexpr int exit_status_told = 3;

  // What is done, while the handle says that it is not dead.

  void disconnected()
  {
    state_.drain_requested();
    drained_ = true;
  }
  /// Its channel is cut, while the handle says that it is connected.
  void cut()
  {
    state_.channel_closed();
    cut_ = true;
  }
  void signalled(int signal) { signals_.insert(signal); }
  /// A message reaches it, if it comes to it: these commands, in one go.
  void told(const commands& all);

  // What is seen. Empty when it may be, else what is wrong with it.

  std::string saw_fork() { return demanded(state_.started(), action::publish_fork, "fork"); }
  std::string saw_online() { return demanded(state_.hello(), action::publish_online, "online"); }
  std::string saw_listening();
  std::string saw_disconnect()
  {
    return demanded(state_.channel_ended(), action::publish_disconnect, "disconnect");
  }
  std::string saw_exit(cohort::exit_status status, bool voluntary);

  /// Whether both ends have been seen.
  bool is_over() const noexcept { return state_.is_over(); }

  /// Whether its end can be of that kind.
  bool may_end(cohort::exit_status status, bool voluntary) const;

private:
  using action = cohort::detail::worker_action;
  using worker_actions = cohort::detail::worker_actions;

  // A worker that has carried out some of what it was told.
  struct course {
    bool announced = false;
    bool killed = false;
    bool closed = false;
    bool exited = false;

    void carry_out(life_command command);
  };

  static std::string demanded(const worker_actions& actions, action what, const char* name)
  {
    const bool may_be = std::find(actions.begin(), actions.end(), what) != actions.end();
    return may_be ? "" : std::string(name) + " cannot be now";
  }
  bool ends_with(const course& taken, cohort::exit_status status, bool voluntary) const;

  cohort::detail::worker_state state_;
  std::vector<commands> told_;
  std::set<int> signals_;
  std::size_t listens_ = 0;
  bool drained_ = false;
  bool cut_ = false;
};

// Implementation

inline void life_model::told(const commands& all)
{
  listens_ += static_cast<std::size_t>(std::count(all.begin(), all.end(), life_command::listen));
  told_.push_back(all);
}

inline std::string life_model::saw_listening()
{
  if (listens_ == 0) return "it listens where nobody told it to";
  --listens_;
  return demanded(state_.listen_succeeded(), action::publish_listening, "listening");
}

inline std::string life_model::saw_exit(cohort::exit_status status, bool voluntary)
{
  if (!may_end(status, voluntary))
    return "it cannot have " + status.to_string() + (voluntary ? ", voluntarily" : ", unannounced");
  return demanded(state_.exited(status), action::publish_exit, "exit");
}

inline bool life_model::may_end(cohort::exit_status status, bool voluntary) const
{
  course taken;
  if (ends_with(taken, status, voluntary)) return true;
  for (const commands& each : told_) {
    for (const life_command command : each) taken.carry_out(command);
    if (ends_with(taken, status, voluntary)) return true;
  }
  return false;
}

inline void life_model::course::carry_out(life_command command)
{
  if (exited) return;
  switch (command) {
  case life_command::listen:
  case life_command::load: break;
  case life_command::disconnect: announced = announced || !closed; break;
  case life_command::kill:
    announced = announced || !closed;
    killed = true;
    break;
  case life_command::close_channel: closed = true; break;
  case life_command::exit: exited = true; break;
  }
}

inline bool life_model::ends_with(
    const course& taken, cohort::exit_status status, bool voluntary) const
{
  // What the primary has announced stays; what the worker says may cross the cut of its channel.
  if (drained_ && !voluntary) return false;
  if (!drained_ && voluntary != taken.announced && !(taken.announced && cut_)) return false;
  if (status.has_signal()) return signals_.count(status.signal()) != 0;
  if (taken.exited) return status.code() == exit_status_told;
  if (taken.killed) return status.code() == kill_status;
  return status.code() == 0 && (drained_ || cut_ || taken.closed || taken.announced);
}

} // namespace cohort_test
