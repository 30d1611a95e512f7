// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/posix/readiness.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/posix/descriptor_base.hpp>
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
/// Connections are taken at once. What else a program says in the end lies in its channel until it
/// has ended, and is read then as a whole: until then the channel can be given away. The heir
/// outlives it, or calls `close`.
class legacies final : public std::enable_shared_from_this<legacies> {
public:
  legacies(const asio::any_io_executor& executor, heir& host) : executor_(executor), host_(&host) {}

  /// Listens to the program at the other end until it has ended; without a channel it has.
  void await(posix::unique_fd channel);
  /// Gives away those that are awaited still, to the program that replaces this one.
  void pass_to(int channel, std::error_code& error);
  void close();

private:
  using channels = std::list<asio::posix::stream_descriptor>;

  template <class Then>
  void wait(channels::iterator each, asio::posix::descriptor_base::wait_type what, Then then);
  void listen(channels::iterator each);
  void look(channels::iterator each);
  void take(channels::iterator ended);
  void adopt(upgrade_packet packet);

  asio::any_io_executor executor_;
  heir* host_;
  channels awaited_;
};

// Implementation

inline void legacies::await(posix::unique_fd channel)
{
  const auto added = awaited_.emplace(awaited_.end(), executor_);
  std::error_code error;
  if (channel) added->assign(channel.get(), error);
  if (!channel || error) {
    awaited_.erase(added);
    if (host_) host_->inherit(std::string_view());
    return;
  }
  channel.release();
  listen(added);
}

template <class Then>
void legacies::wait(
    channels::iterator each, asio::posix::descriptor_base::wait_type what, Then then)
{
  each->async_wait(what, [self = shared_from_this(), each, then](std::error_code error) {
    if (!error && self->host_) then(*self, each);
  });
}

inline void legacies::listen(channels::iterator each)
{
  wait(each, asio::posix::descriptor_base::wait_read,
      [](legacies& self, channels::iterator at) { self.look(at); });
}

inline void legacies::look(channels::iterator each)
{
  std::error_code error;
  std::array<std::byte, 1> type;
  const std::size_t size = posix::peek(each->native_handle(), type, error);
  if (posix::would_block(error)) return listen(each);
  if (!error && size != 0 && type[0] == static_cast<std::byte>(wire::message_type::listen)) {
    upgrade_packet packet = receive_packet(each->native_handle(), error);
    if (!error) adopt(std::move(packet));
    if (host_) listen(each);
    return;
  }
  // It is about to end. That the other end is closed is an error to wait for, as for any poller.
  wait(each, asio::posix::descriptor_base::wait_error,
      [](legacies& self, channels::iterator at) { self.take(at); });
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
      adopt(std::move(packet));
    }
  }
  if (host_) host_->inherit(counted);
}

inline void legacies::adopt(upgrade_packet packet)
{
  std::error_code error; // what is no such packet is skipped
  passed_listener left = read_listener(std::move(packet), error);
  if (!error) host_->adopt(std::move(left));
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
