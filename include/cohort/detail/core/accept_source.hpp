// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/lease.hpp>
#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/dispatch.hpp>

#include <cstddef>
#include <limits>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// What an accept gives: a connected socket and what counts it.
struct accepted {
  posix::unique_fd socket;
  detail::lease lease;
};

/// What a source tells the worker it belongs to.
class source_owner {
public:
  virtual void source_lease_ended() = 0;

protected:
  ~source_owner() = default;
};

/// Where a worker's acceptor gets connections from: what is common to those that the primary
/// offers and those that the worker accepts for itself.
class accept_source : public lessor,
                      public std::enable_shared_from_this<accept_source>,
                      private wait_list_owner {
public:
  virtual ~accept_source() = default;

  /// Adds a completion handler with signature `void(std::error_code, accepted)`.
  template <class Handler>
  void add(Handler&& handler);

  /// Ends the waits in flight with `operation_aborted`.
  void cancel();

  /// A connection that it gave could not be used here, and was closed: the next ones come after a
  /// pause.
  void pause()
  {
    if (!closed_) unusable();
  }

  /// Takes no more connections; waits in flight and later ones fail with `reason`.
  void close(std::error_code reason);

  /// How many connections may live at a time.
  void set_max_connections(std::size_t maximum);

  bool is_open() const noexcept { return !closed_; }
  std::size_t live() const noexcept { return live_; }
  const posix::socket_address& local_address() const noexcept { return address_; }
  const asio::any_io_executor& get_executor() const noexcept { return waiting_.get_executor(); }

  void lease_ended() noexcept final;

protected:
  accept_source(const asio::any_io_executor& executor, std::shared_ptr<source_owner> owner,
      const posix::socket_address& address)
      : waiting_(executor, this),
        owner_(std::move(owner)),
        address_(address)
  {
  }

  /// How many more connections may be taken now.
  std::size_t room() const noexcept { return maximum_ > live_ ? maximum_ - live_ : 0; }
  bool wanted() const noexcept { return !waiting_.empty(); }

  const std::error_code& closed() const noexcept { return closed_; }

  /// Gives the first wait a connection, which lives from now on.
  void deliver(posix::unique_fd socket);

private:
  /// Somebody waits now, or there is more room than before.
  virtual void serve() = 0;
  /// One lease has ended, its descriptor is closed.
  virtual void live_changed() = 0;
  /// Nobody waits any more, because of a cancellation.
  virtual void unwanted() = 0;
  /// See `pause`.
  virtual void unusable() = 0;
  /// The source has closed, `closed_` is set.
  virtual void stop() = 0;

  void wait_cancelled() final
  {
    if (!closed_ && !wanted()) unwanted();
  }

  wait_queue<accepted> waiting_;
  std::shared_ptr<source_owner> owner_;
  posix::socket_address address_;
  std::size_t live_ = 0;
  std::size_t maximum_ = std::numeric_limits<std::size_t>::max();
  std::error_code closed_;
};

/// A source that never was open: every wait fails.
class closed_source final : public accept_source {
public:
  explicit closed_source(const asio::any_io_executor& executor)
      : accept_source(executor, nullptr, posix::socket_address())
  {
  }

  static std::shared_ptr<accept_source> make(const asio::any_io_executor& executor)
  {
    auto source = std::make_shared<closed_source>(executor);
    source->close(asio::error::bad_descriptor);
    return source;
  }

private:
  void serve() override {}
  void live_changed() override {}
  void unwanted() override {}
  void unusable() override {}
  void stop() override {}
};

// Implementation

template <class Handler>
void accept_source::add(Handler&& handler)
{
  waiting_.add(std::forward<Handler>(handler));
  if (closed_) waiting_.complete_all(closed_);
  else serve();
}

inline void accept_source::cancel()
{
  waiting_.complete_all(asio::error::operation_aborted);
  if (!closed_) unwanted();
}

inline void accept_source::close(std::error_code reason)
{
  if (closed_) return;
  closed_ = reason;
  stop();
  waiting_.complete_all(closed_);
}

inline void accept_source::set_max_connections(std::size_t maximum)
{
  maximum_ = maximum;
  if (!closed_) serve();
}

inline void accept_source::deliver(posix::unique_fd socket)
{
  ++live_;
  accepted result;
  result.socket = std::move(socket);
  result.lease = lease(shared_from_this());
  waiting_.complete_one(std::error_code(), std::move(result));
}

inline void accept_source::lease_ended() noexcept
{
  // A connection may end on a thread of its own; what it is counted by lives on the executor.
  auto ended = [self = shared_from_this()] {
    --self->live_;
    self->live_changed();
    if (!self->closed_) self->serve();
    self->owner_->source_lease_ended();
  };
  asio::dispatch(get_executor(), std::move(ended));
}

} // namespace cohort::detail
