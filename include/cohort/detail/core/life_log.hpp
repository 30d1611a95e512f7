// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/posix/child.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/event.hpp>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <variant>

namespace cohort::detail {

/// Whether `COHORT_DEBUG` asks for the lives of workers: it is a list of words with commas between
/// them, of which that is `cluster`. Source: Node's `NODE_DEBUG`.
bool life_log_wanted();

/// Writes what happens to the workers of a cluster to stderr, a line for each:
/// `PID,Primary Worker PID online`.
class life_log final : public subscriber {
public:
  void deliver(const any_event& event) override;
  void close() override {}

  /// No event tells of it.
  void fork_failed(const posix::start_error& failure);
};

/// In a worker: `PID,Worker ID what`, if that is wanted.
void log_own_life(std::string_view what);

// Implementation

inline bool life_log_wanted()
{
  const char* const list = std::getenv("COHORT_DEBUG");
  for (std::string_view left = list ? list : ""; !left.empty();) {
    const auto comma = left.find(',');
    if (left.substr(0, comma) == "cluster") return true;
    left.remove_prefix(comma == left.npos ? left.size() : comma + 1);
  }
  return false;
}

namespace life_log_detail {

inline void write_line(std::string_view role, std::string_view what)
{
  std::string line = std::to_string(posix::own_pid()) + ',';
  line.append(role).append(" ").append(what);
  // Names of messages and paths come from a worker, and may be anything.
  for (char& each : line)
    if (static_cast<unsigned char>(each) < ' ' || each == '\x7f') each = '?';
  // In one piece: others write there too.
  std::cerr << line + '\n';
}

inline std::string worker_text(const worker_event& event)
{
  return "Worker " + std::to_string(event.pid) + ' ';
}

inline std::string address_text(const listening_event& event)
{
  if (event.type == address_type::unix_path) {
    std::string path = event.address;
    // An abstract name begins with a NUL.
    if (path.starts_with('\0')) path[0] = '@';
    return path;
  }
  const bool has_colons = event.address.find(':') != event.address.npos;
  return (has_colons ? '[' + event.address + ']' : event.address) + ':' +
         std::to_string(event.port);
}

inline std::string text_of(const fork_event& event) { return worker_text(event) + "forked"; }
inline std::string text_of(const online_event& event) { return worker_text(event) + "online"; }
inline std::string text_of(const listening_event& event)
{
  return worker_text(event) + "listening on " + address_text(event);
}
inline std::string text_of(const ready_event& event) { return worker_text(event) + "ready"; }
inline std::string text_of(const stalled_event& event) { return worker_text(event) + "stalled"; }
inline std::string text_of(const recovered_event& event)
{
  return worker_text(event) + "recovered";
}
inline std::string text_of(const retire_event& event)
{
  const char* why = "";
  switch (event.reason) {
  case retire_reason::requests: why = "has served its requests"; break;
  case retire_reason::asked: why = "asks to be replaced"; break;
  case retire_reason::age: why = "has served for its time"; break;
  case retire_reason::memory: why = "has more memory than it may"; break;
  case retire_reason::descriptors: why = "has more descriptors than it may"; break;
  }
  return worker_text(event) + why;
}
inline std::string text_of(const disconnect_event& event)
{
  return worker_text(event) + "disconnected";
}
inline std::string text_of(const exit_event& event)
{
  return worker_text(event) + event.status.to_string();
}
inline std::string text_of(const setup_event&) { return "setup"; }
inline std::string text_of(const error_event& event)
{
  const std::string whose = event.pid == 0 ? std::string() : worker_text(event);
  return whose + "error " + event.what + ": " + event.code.message();
}

inline std::string text_of(const gave_up_event& event) { return "gave up on " + event.group; }
inline std::string text_of(const resumed_event& event) { return "resumes " + event.group; }
inline std::string text_of(const ready_count_event& event)
{
  return std::to_string(event.ready) + " of " + std::to_string(event.workers) + " ready in " +
         event.group;
}
inline std::string text_of(const signal_event& event)
{
  return "signal " + std::to_string(event.number);
}
inline std::string text_of(const reload_request_event& event)
{
  return worker_text(event) + "asks for a reload of " + event.group;
}
inline std::string text_of(const reload_event& event)
{
  return "reload of " + (event.group.empty() ? "all" : event.group) + ": " +
         event.result.to_string();
}

} // namespace life_log_detail

inline void life_log::deliver(const any_event& event)
{
  using namespace life_log_detail;
  write_line("Primary", std::visit([](const auto& each) { return text_of(each); }, event));
}

inline void life_log::fork_failed(const posix::start_error& failure)
{
  life_log_detail::write_line("Primary",
      "fork failed at " + std::string(name_of(failure.step)) + ": " + failure.code.message());
}

inline void log_own_life(std::string_view what)
{
  const worker_id id = posix::role().id;
  if (id == 0 || !life_log_wanted()) return;
  life_log_detail::write_line("Worker " + std::to_string(id), what);
}

} // namespace cohort::detail
