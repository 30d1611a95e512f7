// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/worker_core.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/readable_pipe.hpp>
#include <asio/writable_pipe.hpp>

#include <memory>
#include <system_error>
#include <utility>

#include <sys/types.h>

namespace cohort {

/// The process of a worker: its number, and this side of the pipes that `settings::stdio` asked
/// for. A handle, as `worker` is.
///
/// Each pipe is taken once, and belongs to who took it. What nobody takes closes with the last
/// handle of the worker once its process is gone. Nobody else reads it: when what the worker writes
/// fills the pipe (64 KiB), the worker waits, in the middle of whatever it does.
///
/// Thread safety: as `worker`.
///
/// Source: Node's `worker.process`.
class worker_process {
public:
  using executor_type = asio::any_io_executor;

  explicit worker_process(std::shared_ptr<detail::worker_core> core) noexcept
      : core_(std::move(core))
  {
  }

  executor_type get_executor() const noexcept { return core_->get_executor(); }

  pid_t pid() const noexcept { return core_->pid(); }

  /// What the worker reads as its standard input. Writing to it when nobody reads it any more
  /// raises SIGPIPE, as with every pipe: who does has to ignore that signal.
  /// @throws std::system_error `bad_file_descriptor` when it is no pipe or was taken, or what Asio
  /// reports; then it can still be taken.
  asio::writable_pipe standard_input();
  asio::writable_pipe standard_input(std::error_code& error);

  /// What the worker writes to its standard output. It ends when the worker has ended, and all to
  /// whom it has passed it on. Errors: as `standard_input`.
  asio::readable_pipe standard_output();
  asio::readable_pipe standard_output(std::error_code& error);

  /// The same of its standard error.
  asio::readable_pipe standard_error();
  asio::readable_pipe standard_error(std::error_code& error);

  /// The other end of the worker's descriptor `number`, 3 or more. There
  /// `cohort::handle::adopt(number).to<asio::local::stream_protocol::socket>(context)` makes a
  /// socket of it. Errors: as `standard_input`.
  asio::local::stream_protocol::socket extra(int number);
  asio::local::stream_protocol::socket extra(int number, std::error_code& error);

  /// As `worker::kill`.
  void kill(int signal);
  void kill(int signal, std::error_code& error) noexcept { core_->kill(signal, error); }

private:
  template <class Object, class... Protocol>
  Object take(int number, std::error_code& error, const Protocol&... protocol);
  template <class Object, class Take>
  static Object checked(Take take);

  std::shared_ptr<detail::worker_core> core_;
};

// Implementation

template <class Object, class... Protocol>
Object worker_process::take(int number, std::error_code& error, const Protocol&... protocol)
{
  Object object(core_->get_executor());
  detail::posix::unique_fd* const pipe = core_->pipe(number);
  error = pipe ? std::error_code() : std::make_error_code(std::errc::bad_file_descriptor);
  if (error) return object;
  object.assign(protocol..., pipe->get(), error);
  if (!error) pipe->release();
  return object;
}

template <class Object, class Take>
Object worker_process::checked(Take take)
{
  std::error_code error;
  Object object = take(error);
  if (error) throw std::system_error(error, "worker_process");
  return object;
}

inline asio::writable_pipe worker_process::standard_input(std::error_code& error)
{
  return take<asio::writable_pipe>(0, error);
}

inline asio::writable_pipe worker_process::standard_input()
{
  return checked<asio::writable_pipe>([this](auto& error) { return standard_input(error); });
}

inline asio::readable_pipe worker_process::standard_output(std::error_code& error)
{
  return take<asio::readable_pipe>(1, error);
}

inline asio::readable_pipe worker_process::standard_output()
{
  return checked<asio::readable_pipe>([this](auto& error) { return standard_output(error); });
}

inline asio::readable_pipe worker_process::standard_error(std::error_code& error)
{
  return take<asio::readable_pipe>(2, error);
}

inline asio::readable_pipe worker_process::standard_error()
{
  return checked<asio::readable_pipe>([this](auto& error) { return standard_error(error); });
}

inline asio::local::stream_protocol::socket worker_process::extra(
    int number, std::error_code& error)
{
  using protocol = asio::local::stream_protocol;
  return take<protocol::socket>(number < 3 ? -1 : number, error, protocol());
}

inline asio::local::stream_protocol::socket worker_process::extra(int number)
{
  return checked<asio::local::stream_protocol::socket>(
      [&](auto& error) { return extra(number, error); });
}

inline void worker_process::kill(int signal)
{
  std::error_code error;
  kill(signal, error);
  if (error) throw std::system_error(error, "kill");
}

} // namespace cohort
