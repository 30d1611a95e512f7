// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/lease.hpp>
#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/core/source_list.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/dispatch.hpp>

#include <cstddef>
#include <deque>
#include <limits>
#include <memory>
#include <string>
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
                      public drainable,
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
  void close(std::error_code reason) final;

  /// Whether it takes one more connection that the program brings along.
  bool takes_injected() const noexcept
  {
    return !closed_ && injected_.waiting.size() < max_injected_;
  }
  /// Such a one goes to the next wait, when there is room.
  void inject(posix::unique_fd socket);

  /// How many connections may live at a time.
  void set_max_connections(std::size_t maximum);

  bool is_open() const noexcept { return !closed_; }

  /// What the first worker gave to all.
  const std::string& shared_data() const noexcept { return shared_data_; }
  void set_shared_data(const std::string& bytes) { shared_data_ = bytes; }

  /// All that live, the injected ones too.
  std::size_t live() const noexcept final { return lent_ + injected_.lent; }
  const posix::socket_address& local_address() const noexcept { return address_; }
  /// Of a Unix socket, however long; that of its address unless set.
  std::string path() const { return path_.empty() ? std::string(address_.path()) : path_; }
  void set_path(const std::string& path) { path_ = path; }
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
  std::size_t room() const noexcept { return maximum_ > live() ? maximum_ - live() : 0; }
  /// Those that live and were delivered.
  std::size_t lent() const noexcept { return lent_; }
  bool wanted() const noexcept { return !waiting_.empty(); }

  const std::error_code& closed() const noexcept { return closed_; }

  /// Gives the first wait a connection, which lives from now on.
  void deliver(posix::unique_fd socket);

private:
  // Connections that the program brought along. Nobody else is told of them.
  struct injected_connections final : lessor {
    explicit injected_connections(accept_source& of) : source(of) {}
    void lease_ended() noexcept override { source.end_lease(lent); }

    accept_source& source;
    std::deque<posix::unique_fd> waiting;
    std::size_t lent = 0;
  };

  // As many as the largest backlog that a listener usually has.
  static constexpr std::size_t max_injected_ = 1024;

  void serve_all();
  void give(posix::unique_fd socket, std::shared_ptr<lessor> from, std::size_t& count);
  void end_lease(std::size_t& count) noexcept;

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
  // When it is too long for the address.
  std::string path_;
  std::size_t lent_ = 0;
  injected_connections injected_{*this};
  std::size_t maximum_ = std::numeric_limits<std::size_t>::max();
  std::error_code closed_;
  std::string shared_data_;
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
  else serve_all();
}

inline void accept_source::inject(posix::unique_fd socket)
{
  injected_.waiting.push_back(std::move(socket));
  serve_all();
}

inline void accept_source::serve_all()
{
  while (wanted() && room() != 0 && !injected_.waiting.empty()) {
    posix::unique_fd socket = std::move(injected_.waiting.front());
    injected_.waiting.pop_front();
    give(
        std::move(socket), std::shared_ptr<lessor>(shared_from_this(), &injected_), injected_.lent);
  }
  // There may be less room, as well as more.
  serve();
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
  injected_.waiting.clear();
  stop();
  waiting_.complete_all(closed_);
}

inline void accept_source::set_max_connections(std::size_t maximum)
{
  maximum_ = maximum;
  if (!closed_) serve_all();
}

inline void accept_source::deliver(posix::unique_fd socket)
{
  give(std::move(socket), shared_from_this(), lent_);
}

inline void accept_source::give(
    posix::unique_fd socket, std::shared_ptr<lessor> from, std::size_t& count)
{
  ++count;
  accepted result;
  result.socket = std::move(socket);
  result.lease = lease(std::move(from));
  waiting_.complete_one(std::error_code(), std::move(result));
}

inline void accept_source::lease_ended() noexcept { end_lease(lent_); }

inline void accept_source::end_lease(std::size_t& count) noexcept
{
  // A connection may end on a thread of its own; what it is counted by lives on the executor.
  auto ended = [self = shared_from_this(), &count] {
    --count;
    if (&count == &self->lent_) self->live_changed();
    if (!self->closed_) self->serve_all();
    self->owner_->source_lease_ended();
  };
  asio::dispatch(get_executor(), std::move(ended));
}

} // namespace cohort::detail
