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
#include <map>
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
/// Connections are taken at once, and so are the channels of programs before it. What else a
/// program says in the end lies in its channel until it has ended, and is read then as a whole:
/// until then the channel can be given away. The heir outlives it, or calls `close`.
class legacies final : public std::enable_shared_from_this<legacies> {
public:
  legacies(const asio::any_io_executor& executor, heir& host) : executor_(executor), host_(&host) {}

  /// Listens to the program at the other end until it has ended; without a channel it has.
  void await(posix::unique_fd channel);
  bool awaits() const noexcept { return !awaited_.empty(); }
  /// Whether the first one is among them: the program that this one has replaced.
  bool awaits_first() const noexcept { return awaited_.contains(0); }
  /// Gives away those that are awaited still, to the program that replaces this one. With an error
  /// the rest is awaited here.
  void pass_to(int channel, std::error_code& error);
  void close();

private:
  template <class Then>
  void wait(unsigned number, asio::posix::descriptor_base::wait_type what, Then then);
  void listen(unsigned number);
  void look(unsigned number);
  void take(unsigned number);
  void take(upgrade_packet packet);

  asio::any_io_executor executor_;
  heir* host_;
  // By numbers of their own: when a wait completes its channel may have been given away.
  std::map<unsigned, asio::posix::stream_descriptor> awaited_;
  unsigned next_number_ = 0;
};

// Implementation

inline void legacies::await(posix::unique_fd channel)
{
  const unsigned number = next_number_++;
  const auto added = awaited_.try_emplace(number, executor_).first;
  std::error_code error;
  if (channel) added->second.assign(channel.get(), error);
  if (!channel || error) {
    awaited_.erase(added);
    if (host_) host_->inherit(std::string_view());
    return;
  }
  channel.release();
  listen(number);
}

template <class Then>
void legacies::wait(unsigned number, asio::posix::descriptor_base::wait_type what, Then then)
{
  const auto woken = [self = shared_from_this(), number, then](std::error_code error) {
    if (!error && self->awaited_.contains(number)) then(*self, number);
  };
  awaited_.at(number).async_wait(what, woken);
}

inline void legacies::listen(unsigned number)
{
  wait(number, asio::posix::descriptor_base::wait_read,
      [](legacies& self, unsigned which) { self.look(which); });
}

inline void legacies::look(unsigned number)
{
  const int from = awaited_.at(number).native_handle();
  std::error_code error;
  std::array<std::byte, 1> type;
  const std::size_t size = posix::peek(from, type, error);
  if (posix::would_block(error)) return listen(number);
  if (!error && size != 0 && type[0] != static_cast<std::byte>(upgrade_text)) {
    upgrade_packet packet = receive_packet(from, error);
    if (!error) take(std::move(packet));
    if (awaited_.contains(number)) listen(number);
    return;
  }
  // It is about to end. That the other end is closed is an error to wait for, as for any poller.
  wait(number, asio::posix::descriptor_base::wait_error,
      [](legacies& self, unsigned which) { self.take(which); });
}

inline void legacies::take(unsigned number)
{
  const posix::unique_fd ended(awaited_.at(number).release());
  awaited_.erase(number);
  std::string counted;
  std::error_code error;
  for (;;) {
    upgrade_packet packet = receive_packet(ended.get(), error);
    if (error) break;
    if (packet.type == upgrade_text)
      for (const std::byte each : packet.payload) counted += static_cast<char>(each);
    else take(std::move(packet));
  }
  if (host_) host_->inherit(counted);
}

inline void legacies::take(upgrade_packet packet)
{
  if (packet.type == wire::message_type::hello) {
    for (posix::unique_fd& each : packet.descriptors) await(std::move(each));
    return;
  }
  std::error_code error; // what is no such packet is skipped
  passed_listener left = read_listener(std::move(packet), error);
  if (!error && host_) host_->adopt(std::move(left));
}

inline void legacies::pass_to(int channel, std::error_code& error)
{
  wire::hello greeting;
  greeting.schema = upgrade_protocol;
  while (!awaited_.empty() && !error) {
    const auto next = awaited_.begin();
    const std::array<int, 1> descriptors = {next->second.native_handle()};
    send_packet(channel, greeting, descriptors, error);
    if (!error) awaited_.erase(next);
  }
}

inline void legacies::close()
{
  host_ = nullptr;
  awaited_.clear();
}

} // namespace cohort::detail
