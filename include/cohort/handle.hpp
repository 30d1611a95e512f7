// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/handle/asio_object.hpp>
#include <cohort/detail/posix/channel_registry.hpp>
#include <cohort/detail/posix/descriptor_kind.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/error.hpp>
#include <cohort/handle_kind.hpp>

#include <system_error>
#include <utility>

namespace cohort {

/// Owns one open descriptor, whatever it is, and knows what it is by asking the kernel: the form in
/// which sockets, pipes and files go along with messages.
///
///     cohort::handle sent(std::move(socket));               // tcp::socket, connection<tcp>, ...
///     auto socket = received.to<tcp::socket>(executor);     // in the process that got it
///
/// An object is taken out of Asio by its `release()`: operations in flight on it end with
/// `operation_aborted`, and the object is not open any more. That needs nobody else to use the
/// object meanwhile. Whatever fails leaves both sides as they were.
///
/// Descriptors that are duplicates of each other, in one process or in several, share the file's
/// position and O_NONBLOCK; Asio sets the latter on all that it waits for.
///
/// Thread safety: distinct objects safe, shared objects unsafe.
class handle {
public:
  /// No descriptor.
  handle() noexcept = default;

  /// Takes the descriptor out of `object`: a socket or acceptor of Asio, a stream descriptor, a
  /// pipe (if it has `release()`, which Asio's older ones have not: use `duplicate_of`), or a
  /// `connection` of this library, whose lease ends; with any executor.
  ///
  /// A socket needs to be open, not connected. An acceptor that does not listen yet is a socket.
  /// @throws std::system_error `bad_file_descriptor` if `object` is not open.
  template <detail::handle_source Object>
  explicit handle(Object&& object);
  /// The same; with an error, this handle is empty.
  template <detail::handle_source Object>
  handle(Object&& object, std::error_code& error);

  handle(handle&& other) noexcept
      : fd_(std::move(other.fd_)),
        facts_(std::exchange(other.facts_, {}))
  {
  }
  handle& operator=(handle&& other) noexcept;
  /// Closes the descriptor.
  ~handle() = default;

  /// Takes the descriptor `fd`; with an error (`bad_file_descriptor`) it stays the caller's.
  static handle adopt(int fd);
  static handle adopt(int fd, std::error_code& error) noexcept;

  /// A second descriptor (CLOEXEC) for the open file of `object`, which keeps its own and whatever
  /// is in flight on it: anything that the constructor takes, any pipe, or a number.
  template <detail::duplicable Object>
  static handle duplicate_of(Object& object);
  template <detail::duplicable Object>
  static handle duplicate_of(Object& object, std::error_code& error);
  static handle duplicate_of(int fd);
  static handle duplicate_of(int fd, std::error_code& error) noexcept;

  /// A second handle with a descriptor of its own for the same open file.
  handle duplicate() const;
  handle duplicate(std::error_code& error) const noexcept;

  /// What the descriptor was when this handle got it.
  handle_kind kind() const noexcept { return facts_.kind; }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }

  /// The descriptor, which stays this handle's; -1 when there is none. For what Asio has no object
  /// for: to map a memfd, to read a file.
  int native_handle() const noexcept { return fd_.get(); }

  /// Gives the descriptor to the caller, who has to close it; -1 when there is none.
  int release() noexcept;

  /// Closes the descriptor; nothing happens when there is none. A connection ends with the last of
  /// its duplicates only.
  void close() noexcept { *this = handle(); }

  /// Makes an object of Asio, which gets the descriptor: this handle is empty then.
  ///
  /// `T` and what it can be made of:
  ///   `tcp::socket`, `tcp::acceptor`, `udp::socket`   that kind, with the socket's own v4 or v6
  ///   `local::stream_protocol::socket`, `::acceptor`  a Unix stream, a listener
  ///   `local::datagram_protocol::socket`              a Unix datagram socket
  ///   `local::seq_packet_protocol::socket`            that kind, when Asio has it (1.27)
  ///   `posix::stream_descriptor`                      a pipe or a device
  ///   `readable_pipe`, `writable_pipe`                the end of a pipe that is open for it
  /// or their `basic_` forms with another executor. Everything else is `error::wrong_handle`.
  /// Files and memfds are, as epoll cannot wait for a regular file, which is always ready: use
  /// `native_handle()` or `release()`. Some devices cannot be waited for either; operations on
  /// them end with `operation_not_supported`.
  /// @param executor the object's executor, or an execution context.
  /// @throws std::system_error `error::wrong_handle`, or what Asio reports.
  template <detail::is_handle_target T, detail::executor_source<T> Source>
  T to(Source&& executor);
  /// The same; with an error the object is not open, and this handle is as it was.
  template <detail::is_handle_target T, detail::executor_source<T> Source>
  T to(Source&& executor, std::error_code& error);

  /// Whether it may go along with a message: `error::wrong_handle` when there is nothing, for an
  /// unsupported kind, and for an end of one of this library's own channels.
  std::error_code sendable() const noexcept;

private:
  handle(detail::posix::unique_fd fd, detail::posix::descriptor_facts facts) noexcept
      : fd_(std::move(fd)),
        facts_(facts)
  {
  }

  static void check(const std::error_code& error)
  {
    if (error) throw std::system_error(error, "handle");
  }

  detail::posix::unique_fd fd_;
  detail::posix::descriptor_facts facts_;
};

// Implementation

template <detail::handle_source Object>
handle::handle(Object&& object, std::error_code& error)
{
  // The kernel is asked first: what fails changes nothing.
  const auto facts = detail::posix::facts_of(detail::descriptor_of(object), error);
  if (error) return;
  fd_.reset(detail::release_descriptor(object));
  facts_ = facts;
}

template <detail::handle_source Object>
handle::handle(Object&& object)
{
  std::error_code error;
  *this = handle(std::move(object), error);
  check(error);
}

inline handle& handle::operator=(handle&& other) noexcept
{
  fd_ = std::move(other.fd_);
  facts_ = std::exchange(other.facts_, {});
  return *this;
}

inline handle handle::adopt(int fd, std::error_code& error) noexcept
{
  const auto facts = detail::posix::facts_of(fd, error);
  return error ? handle() : handle(detail::posix::unique_fd(fd), facts);
}

inline handle handle::adopt(int fd)
{
  std::error_code error;
  handle result = adopt(fd, error);
  check(error);
  return result;
}

inline handle handle::duplicate_of(int fd, std::error_code& error) noexcept
{
  auto copy = detail::posix::duplicate(fd, error);
  if (error) return handle();
  const auto facts = detail::posix::facts_of(copy.get(), error);
  return error ? handle() : handle(std::move(copy), facts);
}

inline handle handle::duplicate_of(int fd)
{
  std::error_code error;
  handle result = duplicate_of(fd, error);
  check(error);
  return result;
}

template <detail::duplicable Object>
handle handle::duplicate_of(Object& object, std::error_code& error)
{
  return duplicate_of(detail::descriptor_of(object), error);
}

template <detail::duplicable Object>
handle handle::duplicate_of(Object& object)
{
  return duplicate_of(detail::descriptor_of(object));
}

inline handle handle::duplicate(std::error_code& error) const noexcept
{
  auto copy = detail::posix::duplicate(fd_.get(), error);
  return error ? handle() : handle(std::move(copy), facts_);
}

inline handle handle::duplicate() const
{
  std::error_code error;
  handle result = duplicate(error);
  check(error);
  return result;
}

inline int handle::release() noexcept
{
  facts_ = {};
  return fd_.release();
}

template <detail::is_handle_target T, detail::executor_source<T> Source>
T handle::to(Source&& executor, std::error_code& error)
{
  T object(detail::executor_of<T>(executor));
  if (!detail::handle_target<T>::fits(facts_)) {
    error = error::wrong_handle;
    return object;
  }
  error.clear();
  if constexpr (requires { typename T::protocol_type; })
    object.assign(detail::protocol_of<typename T::protocol_type>(facts_), fd_.get(), error);
  else object.assign(fd_.get(), error);
  if (!error) release();
  return object;
}

template <detail::is_handle_target T, detail::executor_source<T> Source>
T handle::to(Source&& executor)
{
  std::error_code error;
  T object = to<T>(executor, error);
  check(error);
  return object;
}

inline std::error_code handle::sendable() const noexcept
{
  std::error_code error;
  if (kind() == handle_kind::none || kind() == handle_kind::unsupported ||
      detail::posix::is_channel(fd_.get(), error))
    error = error::wrong_handle;
  return error;
}

} // namespace cohort
