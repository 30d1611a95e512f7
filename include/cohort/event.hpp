// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/exit_status.hpp>
#include <cohort/reload_result.hpp>
#include <cohort/settings.hpp>
#include <cohort/worker_id.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <variant>

#include <sys/types.h>

namespace cohort {

/// What an event is about: which worker, in which process.
struct worker_event {
  worker_id worker = 0;
  pid_t pid = 0;
};

/// A worker process was started. First event of a worker.
struct fork_event : worker_event {};

/// The worker's runtime has said hello; its program may not have begun to serve yet.
struct online_event : worker_event {
  /// Whether it knows the same messages with the same layouts. If not, those that differ are
  /// skipped by whoever receives them.
  bool schemas_agree = true;
};

/// How a listening address is to be read.
enum class address_type : std::uint8_t { tcp4, tcp6, unix_path, udp4, udp6 };

/// The worker listens on an address through the cluster, or has bound it for datagrams; repeated
/// for every `listen` and `bind` that succeeds.
struct listening_event : worker_event {
  address_type type = address_type::tcp4;
  /// A numeric IP address, or the path of a unix socket; of one with an abstract name `@` and that
  /// name.
  std::string address;
  /// The port that is bound, also when port 0 was asked for; 0 for a unix socket.
  std::uint16_t port = 0;
  /// The primary's descriptor that was asked for by `cohort::inherited_fd`, else -1.
  int inherited_fd = -1;
};

/// The worker serves: its program has called `this_worker::ready`, or its first listen succeeded.
struct ready_event : worker_event {};

/// The worker's event loop was not heard for too long: see `settings::heartbeat`.
struct stalled_event : worker_event {};

/// The worker's event loop is heard again.
struct recovered_event : worker_event {};

/// Why a worker should be replaced.
enum class retire_reason : std::uint8_t {
  /// It has answered `settings::max_requests` requests.
  requests,
  /// It asked for it by `this_worker::request_replacement`.
  asked,
  /// It has served for `settings::max_age`.
  age,
  /// It had `settings::max_memory` in memory.
  memory,
  /// It had `settings::max_descriptors` open.
  descriptors,
};

/// The worker should be replaced, once for each worker. A `supervisor` does so, the new one ready
/// first; without one it is the program's to do.
struct retire_event : worker_event {
  retire_reason reason = retire_reason::requests;
};

/// The worker's channel has ended; nothing more comes from it.
struct disconnect_event : worker_event {};

/// The worker's process has ended.
struct exit_event : worker_event {
  exit_status status;
  /// Whether the end was announced: `disconnect` by the primary, or the worker left by itself.
  bool voluntary = false;
};

/// `cluster::setup` was called, or a worker was forked; the settings that are now in force.
struct setup_event {
  cohort::settings settings;
};

/// Why a group starts no more workers.
enum class give_up_reason : std::uint8_t {
  /// Too many starts failed one after another, and none of the workers became ready.
  never_ready,
  /// Too many workers died within the window.
  died_too_often,
  /// A worker ended with a status that says that another one would do no better.
  permanent_failure,
};

/// A supervised group starts no more workers for now; those that live go on.
struct gave_up_event {
  std::string group;
  give_up_reason reason = give_up_reason::died_too_often;
  /// How long it rests before it tries again; nothing when only the program makes it.
  std::optional<std::chrono::steady_clock::duration> pause;
};

/// A supervised group that had given up starts workers again.
struct resumed_event {
  std::string group;
};

/// The number of workers of a supervised group that are ready, and not on their way out, is another
/// one than before. A change that is made up for at once, such as in a reload, is none.
struct ready_count_event {
  std::string group;
  /// How many there are now, and how many there were.
  unsigned ready = 0;
  unsigned before = 0;
  /// How many there are to be; in a reload there may be more.
  unsigned workers = 0;
};

/// A worker's program asks for a reload, see `this_worker::request_reload`.
struct reload_request_event : worker_event {
  /// Which group is meant. It may be any name.
  std::string group;
};

/// The supervisor has been sent a signal, and acts on it.
struct signal_event {
  int number = 0;
};

/// A reload is over, however it went.
struct reload_event {
  /// Empty for that of a whole cluster.
  std::string group;
  reload_result result;
};

/// Something failed while the cluster goes on. `worker` and `pid` are 0 for what concerns the
/// primary itself.
struct error_event : worker_event {
  std::error_code code;
  /// What was being done: by a worker "protocol", "listen" or "usage" (what it uses cannot be seen,
  /// see `worker::memory`), or which message was skipped or could not be passed on; by the primary
  /// "accept" or "offer"; by a supervisor "pid file", "status file", "service manager", "totals",
  /// "upgrade" and how it failed, "connections for the new program" or "of the old program".
  /// "messages" of workers that had ended were received by nobody, and there were too many.
  std::string what;
};

namespace detail {

using any_event = std::variant<fork_event, online_event, listening_event, ready_event,
    stalled_event, recovered_event, retire_event, disconnect_event, exit_event, setup_event,
    error_event, gave_up_event, resumed_event, ready_count_event, signal_event,
    reload_request_event, reload_event>;

} // namespace detail
} // namespace cohort
