// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/channel_options.hpp>
#include <cohort/detail/channel/problem_handler.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/message_endpoint.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/local/stream_protocol.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace cohort {

/// Typed messages, and descriptors with them, over a connected Unix stream socket of your own.
///
///     using calls = cohort::messages<open_file, stat_file>;
///     using answers = cohort::messages<file_opened, file_facts>;
///     cohort::message_channel<calls, answers> channel(std::move(socket));
///
/// The other side has a `message_channel<answers, calls>` with the same codec. The messages that a
/// cluster and its workers send each other need none of this: `worker` and `this_worker` have the
/// same functions.
///
/// It counts as work of its execution context while something waits to be written, and from the
/// first `receive` until the peer ends its stream or this object is closed.
template <class Out, class In = Out, class Codec = json_codec,
    class Executor = asio::any_io_executor>
class basic_message_channel : public message_endpoint<Out, In, Codec, Executor> {
  using base = message_endpoint<Out, In, Codec, Executor>;

public:
  using executor_type = Executor;

  template <class OtherExecutor>
  struct rebind_executor {
    using other = basic_message_channel<Out, In, Codec, OtherExecutor>;
  };

  /// Takes the socket, which has to be connected.
  template <class SocketExecutor>
  explicit basic_message_channel(
      asio::basic_stream_socket<asio::local::stream_protocol, SocketExecutor>&& socket,
      const channel_options& options = channel_options());

  basic_message_channel(basic_message_channel&&) noexcept = default;
  /// The former channel is closed.
  basic_message_channel& operator=(basic_message_channel&& other) noexcept;
  /// Closes.
  ~basic_message_channel() { abandon(); }

  executor_type get_executor() const noexcept { return executor_; }

  /// Ends this side's stream after what is queued: the peer receives it all, then
  /// `error::disconnected`. Nothing can be sent afterwards; receiving goes on.
  void finish() { this->message_core()->finish(); }

  /// Closes at once: what is queued is dropped, waits end with `error::disconnected`.
  void close()
  {
    if (this->message_core()) this->message_core()->close();
  }

  /// Called when a message had to be skipped or the peer broke the rules, after which nothing more
  /// comes from it: on the executor, never inside another function of this object, nor after its
  /// end. Until a function is set each problem is one line on stderr; an empty one is told nothing.
  void on_problem(std::function<void(const channel_problem&)> function);

private:
  void abandon();

  executor_type executor_;
};

/// A message channel on any executor.
template <class Out, class In = Out, class Codec = json_codec>
using message_channel = basic_message_channel<Out, In, Codec>;

// Implementation

template <class Out, class In, class Codec, class Executor>
template <class SocketExecutor>
basic_message_channel<Out, In, Codec, Executor>::basic_message_channel(
    asio::basic_stream_socket<asio::local::stream_protocol, SocketExecutor>&& socket,
    const channel_options& options)
    : base(std::make_shared<typename base::core_type>(asio::any_io_executor(socket.get_executor()),
          detail::posix::unique_fd(socket.release()), options)),
      executor_(socket.get_executor())
{
  this->message_core()->on_problem = [](const channel_problem& found) {
    detail::print_problem("message channel", found);
  };
  this->message_core()->start();
}

template <class Out, class In, class Codec, class Executor>
auto basic_message_channel<Out, In, Codec, Executor>::operator=(
    basic_message_channel&& other) noexcept -> basic_message_channel&
{
  abandon();
  base::operator=(std::move(other));
  executor_ = std::move(other.executor_);
  return *this;
}

template <class Out, class In, class Codec, class Executor>
void basic_message_channel<Out, In, Codec, Executor>::abandon()
{
  if (!this->message_core()) return;
  this->message_core()->on_problem = nullptr;
  close();
}

template <class Out, class In, class Codec, class Executor>
void basic_message_channel<Out, In, Codec, Executor>::on_problem(
    std::function<void(const channel_problem&)> function)
{
  this->message_core()->on_problem = detail::posted_problems(executor_, std::move(function));
}

} // namespace cohort
