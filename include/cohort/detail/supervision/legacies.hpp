// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include <array>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Who gets what programs leave.
class heir {
public:
  /// Connections that were accepted where a listener was asked for by this key, and that nobody is
  /// left to serve.
  virtual void adopt(passed_listener connections) = 0;
  /// A program has ended, and this is what it had counted; empty if it did not say so.
  virtual void inherit(std::string_view counted) = 0;

protected:
  ~heir() = default;
};

/// What programs leave to this one when they end: the one that it has replaced, and those before
/// that, if they take longer.
///
/// What a program says in the end lies in its channel until it has ended, and is read then, all at
/// once: until then the channel can be given away. The heir outlives it, or calls `close`.
class legacies final : public std::enable_shared_from_this<legacies> {
public:
  legacies(const asio::any_io_executor& executor, heir& host) : executor_(executor), host_(&host) {}

  /// Waits until the program at the other end has ended.
  void await(posix::unique_fd channel);
  /// Gives away those that are awaited still, to the program that replaces this one.
  void pass_to(int channel, std::error_code& error);
  void close();

private:
  using channels = std::list<asio::posix::stream_descriptor>;

  void take(channels::iterator ended);

  asio::any_io_executor executor_;
  heir* host_;
  channels awaited_;
};

// Implementation

inline void legacies::await(posix::unique_fd channel)
{
  const auto added = awaited_.emplace(awaited_.end(), executor_);
  std::error_code error;
  added->assign(channel.get(), error);
  if (error) return void(awaited_.erase(added)); // it is counted without that
  channel.release();
  // That the other end is closed is an error to wait for, as for any poller.
  added->async_wait(asio::posix::descriptor_base::wait_error,
      [self = shared_from_this(), added](std::error_code failed) {
        if (!failed && self->host_) self->take(added);
      });
}

inline void legacies::take(channels::iterator ended)
{
  const posix::unique_fd channel(ended->release());
  awaited_.erase(ended);
  std::string counted;
  std::error_code error;
  for (;;) {
    upgrade_packet packet = receive_packet(channel.get(), error);
    if (error) break;
    if (packet.type == upgrade_text) {
      for (const std::byte each : packet.payload) counted += static_cast<char>(each);
    } else if (packet.type == wire::message_type::hello) {
      for (posix::unique_fd& each : packet.descriptors) await(std::move(each));
    } else {
      passed_listener left = read_listener(std::move(packet), error);
      if (!error) host_->adopt(std::move(left));
    }
    error.clear();
  }
  host_->inherit(counted);
}

inline void legacies::pass_to(int channel, std::error_code& error)
{
  wire::hello greeting;
  greeting.schema = upgrade_protocol;
  for (auto& each : awaited_) {
    const std::array<int, 1> descriptors = {each.native_handle()};
    if (!error) send_packet(channel, greeting, descriptors, error);
  }
}

inline void legacies::close()
{
  host_ = nullptr;
  awaited_.clear();
}

} // namespace cohort::detail
