// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/handle/service_sockets.hpp>
#include <cohort/detail/posix/role.hpp>
#include <cohort/detail/posix/service_environment.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/error.hpp>

#include <algorithm>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The program that this one was started to replace, if there is one: what it listens on, and the
/// channel by which it hears that this one is ready.
///
/// It has said all it has to say before this process was started.
///
/// May be used from any thread.
class predecessor {
public:
  /// None.
  predecessor() = default;
  /// As with `begin`.
  explicit predecessor(posix::unique_fd channel, service_sockets* named = nullptr)
  {
    begin(std::move(channel), named);
  }

  /// Reads what it has said; see `error`. None without a channel. Whatever was known before is
  /// forgotten.
  /// @param named gets the sockets that a service manager has given to it by a name.
  void begin(posix::unique_fd channel, service_sockets* named = nullptr);

  /// That of this process. The first call reads the environment and takes its variable away.
  static predecessor& of_this_process();

  /// Whether there is one, which has not been told that this program is ready.
  bool waits() const;
  /// Why what it has said makes no sense, if it does not.
  std::error_code error() const;

  /// Whether it has the listener that is asked for, and nobody has taken it.
  bool has(const listen_key& asked) const;
  /// That listener; without sockets if there is none.
  passed_listener take(const listen_key& asked);

  /// Says that this program serves.
  /// @return the channel, on which `leaving` follows, or the end; before it connections may come
  ///   that nobody is left to serve there.
  posix::unique_fd say_ready(std::error_code& error);
  /// It has left its sockets to this program, with their paths.
  void give_way();
  /// Closes what nobody has taken, and removes paths that are this program's.
  void close_unclaimed();

private:
  void read(std::error_code& error);
  void give_named(service_sockets& to);

  mutable std::mutex mutex_;
  posix::unique_fd channel_;
  std::error_code error_;
  std::vector<passed_listener> listeners_;
};

/// The variable by which a program learns that it replaces another one.
inline constexpr const char* upgrade_variable = "COHORT_UPGRADE_FD";

// Implementation

inline void predecessor::begin(posix::unique_fd channel, service_sockets* named)
{
  const std::scoped_lock lock(mutex_);
  channel_ = std::move(channel);
  error_.clear();
  listeners_.clear();
  if (channel_) read(error_);
  // It has to be there: nobody waits for it.
  if (posix::would_block(error_)) error_ = error::truncated;
  if (error_) listeners_.clear();
  if (named) give_named(*named);
}

inline void predecessor::read(std::error_code& error)
{
  const upgrade_packet first = receive_packet(channel_.get(), error);
  if (!error && first.type != wire::message_type::hello) error = error::protocol_violation;
  if (error) return;
  const auto greeting = wire::decode<wire::hello>(first.payload, error);
  if (!error && greeting.schema != upgrade_protocol) error = error::version_mismatch;
  while (!error) {
    upgrade_packet packet = receive_packet(channel_.get(), error);
    if (error || packet.type == wire::message_type::ready) return;
    passed_listener listener = read_listener(std::move(packet), error);
    if (!error) listeners_.push_back(std::move(listener));
  }
}

inline predecessor& predecessor::of_this_process()
{
  const auto channel = [] {
    const int number = posix::number_from_environment(upgrade_variable);
    posix::take_variable(upgrade_variable);
    if (number < 0 || !posix::is_unix_packet(number)) return posix::unique_fd();
    posix::unique_fd said(number);
    std::error_code error;
    posix::set_cloexec(number, error);
    if (!error) posix::set_nonblocking(number, error);
    return error ? posix::unique_fd() : std::move(said);
  };
  static predecessor mine(channel(), &service_sockets::of_this_process());
  return mine;
}

inline void predecessor::give_named(service_sockets& to)
{
  for (passed_listener& each : listeners_)
    if (!each.asked.name.empty())
      to.add(each.asked.name, each.asked.index, std::move(each.sockets.front()));
  std::erase_if(listeners_, [](const passed_listener& each) { return !each.asked.name.empty(); });
}

inline bool predecessor::waits() const
{
  const std::scoped_lock lock(mutex_);
  return static_cast<bool>(channel_);
}

inline std::error_code predecessor::error() const
{
  const std::scoped_lock lock(mutex_);
  return error_;
}

inline bool predecessor::has(const listen_key& asked) const
{
  const std::scoped_lock lock(mutex_);
  return std::ranges::any_of(
      listeners_, [&](const passed_listener& each) { return each.is_meant_by(asked); });
}

inline passed_listener predecessor::take(const listen_key& asked)
{
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find_if(
      listeners_, [&](const passed_listener& each) { return each.is_meant_by(asked); });
  if (found == listeners_.end()) return {};
  passed_listener taken = std::move(*found);
  listeners_.erase(found);
  return taken;
}

inline void predecessor::give_way()
{
  const std::scoped_lock lock(mutex_);
  for (passed_listener& each : listeners_) {
    if (each.asked.kind != wire::listen_kind::unix_stream) continue;
    std::error_code error;
    const posix::bound_place place = place_of(each, error);
    if (!error) each.file = posix::file_of(place.address);
  }
}

inline void predecessor::close_unclaimed()
{
  const std::scoped_lock lock(mutex_);
  for (const passed_listener& each : listeners_) {
    std::error_code error;
    const posix::bound_place place = place_of(each, error);
    if (!error) posix::unlink_path(place.address, each.file);
  }
  listeners_.clear();
}

inline posix::unique_fd predecessor::say_ready(std::error_code& error)
{
  const std::scoped_lock lock(mutex_);
  if (channel_) send_packet(channel_.get(), wire::ready(), {}, error);
  return std::move(channel_);
}

} // namespace cohort::detail
