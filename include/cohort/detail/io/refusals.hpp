// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/waiting_room.hpp>
#include <cohort/detail/posix/socket.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/overflow.hpp>

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// Connections that are answered here, since nobody has room for them.
///
/// One that was told something is closed when its client has closed, or after a moment: what the
/// client still sends to a closed socket would destroy the answer on its way.
class refusals {
public:
  refusals(const asio::any_io_executor& executor, overflow how, std::error_code& error)
      : how_(std::move(how)),
        room_(executor, linger_, error)
  {
  }

  /// From now on; who was told before is waited for as before.
  void set(overflow how) { how_ = std::move(how); }

  void refuse(posix::unique_fd connection);

  /// Has to be called after `refuse`. `owner` keeps this object alive while somebody is awaited.
  template <class Owner>
  void attend(Owner owner);

  /// Whether nobody is waited for.
  bool empty() const noexcept { return room_.empty(); }
  void clear() noexcept { room_.clear(); }

private:
  static constexpr std::chrono::seconds linger_{1};
  // More than that, and who was told first is closed.
  static constexpr std::size_t max_waiting_ = 256;

  overflow how_;
  waiting_room<posix::unique_fd> room_;
};

// Implementation

inline void refusals::refuse(posix::unique_fd connection)
{
  std::error_code error;
  if (how_.how() == overflow::answer::reset) return posix::reset(std::move(connection), error);
  posix::send_last(connection.get(), how_.bytes(), error);
  // Who cannot be told, or not be waited for, is closed.
  if (error) return;
  if (room_.size() == max_waiting_) room_.leave();
  room_.enter(std::move(connection), error);
}

template <class Owner>
void refusals::attend(Owner owner)
{
  room_.look([](const posix::unique_fd& each, bool ended) {
    return !posix::discard_input(each.get()) || ended;
  });
  while (room_.has_leaving()) room_.leave();
  room_.wait([this, owner] { attend(owner); });
}

} // namespace cohort::detail::io
