// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/detail/io/listener.hpp>
#include <cohort/detail/posix/bound_place.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/reuse_port.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The sockets of one listener, and who accepts from each: the primary, or the workers themselves.
///
/// What the kernel has queued on a socket is never lost with a worker: the primary keeps each one
/// open, and accepts from those that nobody else serves. Handlers have to keep the owner alive.
class listening_sockets {
public:
  using connection_type = posix::unique_fd;

  /// With an error, because Asio cannot watch the first socket, it is not open.
  /// @param how `own_socket`: more are made as workers join, with the same settings.
  listening_sockets(const asio::any_io_executor& executor, posix::unique_fd first,
      posix::bound_place bound, const posix::listen_settings& settings, wire::sharing how,
      std::error_code& error, io::listener::owner whose = io::listener::owner::self);

  const asio::any_io_executor& get_executor() noexcept { return first().get_executor(); }
  const posix::socket_address& bound() const noexcept { return first().bound(); }
  bool is_open() const noexcept { return first().is_open(); }
  /// Whether the kernel had no connection when it was last asked.
  bool is_empty() const noexcept
  {
    return std::ranges::all_of(
        sockets_, [](const entry& each) { return each.served || each.socket->is_empty(); });
  }
  wire::sharing how() const noexcept { return how_; }

  /// New connections are spread anew by the next `update`.
  void forget_weights() noexcept { weights_.clear(); }
  /// While there are to be no more, workers for whom there is none share those that are there.
  void set_complete(bool value) noexcept { complete_ = value; }
  /// One more, as long as no worker has joined. Unless workers have sockets of their own, the
  /// primary accepts from it.
  void add(posix::unique_fd socket, std::error_code& error);
  /// Adds a second descriptor of each.
  void copy_to(std::vector<posix::unique_fd>& copies, std::error_code& error);

  /// The socket that a worker which joins accepts from; none with `offers`. Of those of its own it
  /// is one that has lost its worker, that of the same slot if it is there, or a new one.
  posix::unique_fd share(const candidate& worker, std::error_code& error);

  /// Finds out who is served by its worker: with credit, and not leaving. New connections go there
  /// in proportion to the weights.
  /// @param all whether the primary is to accept from all of them, for a last call.
  void update(std::span<const candidate> members, bool all, std::error_code& error);

  // As of one `io::listener`, over those that nobody else serves.

  template <class Take>
  std::error_code accept(std::size_t limit, bool thorough, Take&& take);
  /// Calls `handler()` for each socket once.
  template <class Handler>
  void wait(Handler handler);
  template <class Handler>
  void back_off(Handler handler)
  {
    first().back_off(std::move(handler));
  }
  /// Whether it waits wherever it could.
  bool is_waiting() const noexcept;
  void interrupt() noexcept;
  /// @return how many connections were closed that had been accepted and not been given to anybody.
  std::size_t close() noexcept;
  /// From now on this process sees to their path.
  void own_path() noexcept { first().own_path(); }
  /// How many connections were accepted and not been given to anybody.
  std::size_t held() const noexcept { return 0; }
  /// Another process goes on with them, and with their path.
  void let_go() noexcept
  {
    for (entry& each : sockets_) each.socket->let_go();
  }

private:
  struct entry {
    std::unique_ptr<io::listener> socket;
    worker_id worker = 0;
    // Who have it as well, for want of others.
    std::vector<worker_id> others;
    std::uint32_t slot = 0;
    bool served = false;
  };

  io::listener& first() noexcept { return *sockets_.front().socket; }
  const io::listener& first() const noexcept { return *sockets_.front().socket; }
  entry* own_socket(const candidate& worker, std::error_code& error);
  void spread(std::span<const candidate> members, std::error_code& error);

  posix::listen_settings settings_;
  wire::sharing how_;
  bool complete_ = false;
  // Never empty. In the order of their `listen`, which is the kernel's.
  std::vector<entry> sockets_;
  // What the kernel was told last.
  std::vector<std::uint32_t> weights_;
};

// Implementation

inline listening_sockets::listening_sockets(const asio::any_io_executor& executor,
    posix::unique_fd first, posix::bound_place bound, const posix::listen_settings& settings,
    wire::sharing how, std::error_code& error, io::listener::owner whose)
    : settings_(settings),
      how_(how)
{
  entry only;
  only.socket =
      std::make_unique<io::listener>(executor, std::move(first), std::move(bound), error, whose);
  only.served = how == wire::sharing::one_socket;
  sockets_.push_back(std::move(only));
}

inline void listening_sockets::add(posix::unique_fd socket, std::error_code& error)
{
  entry added;
  added.socket = std::make_unique<io::listener>(
      get_executor(), std::move(socket), bound(), error, io::listener::owner::elsewhere);
  if (!error) sockets_.push_back(std::move(added));
}

inline void listening_sockets::copy_to(
    std::vector<posix::unique_fd>& copies, std::error_code& error)
{
  for (const entry& each : sockets_)
    if (!error) copies.push_back(posix::duplicate(each.socket->native_handle(), error));
}

inline posix::unique_fd listening_sockets::share(const candidate& worker, std::error_code& error)
{
  if (how_ == wire::sharing::offers) return posix::unique_fd();
  if (how_ == wire::sharing::one_socket) return posix::duplicate(first().native_handle(), error);
  entry* const own = own_socket(worker, error);
  if (!own) return posix::unique_fd();
  auto copy = posix::duplicate(own->socket->native_handle(), error);
  if (!copy) return copy;
  std::erase(own->others, worker.id);
  if (own->worker != 0 && own->worker != worker.id) own->others.push_back(worker.id);
  else own->worker = worker.id;
  own->slot = worker.slot;
  return copy;
}

inline auto listening_sockets::own_socket(const candidate& worker, std::error_code& error) -> entry*
{
  // The one it had, that of its slot, any that is free.
  const auto find = [&](auto fits) -> entry* {
    const auto found = std::ranges::find_if(sockets_, fits);
    return found == sockets_.end() ? nullptr : &*found;
  };
  const auto is_free = [](const entry& each) { return each.worker == 0; };
  const auto has = [&](const entry& each) {
    return each.worker == worker.id || std::ranges::count(each.others, worker.id) != 0;
  };
  if (entry* had = find(has)) return had;
  if (entry* same =
          find([&](const entry& each) { return is_free(each) && each.slot == worker.slot; }))
    return same;
  if (entry* any = find(is_free)) return any;
  if (complete_) return &sockets_[worker.slot % sockets_.size()];
  auto socket = posix::listen_stream(bound(), settings_, error);
  if (error) return nullptr;
  entry added;
  added.socket = std::make_unique<io::listener>(get_executor(), std::move(socket), bound(), error);
  if (error) return nullptr;
  sockets_.push_back(std::move(added));
  return &sockets_.back();
}

inline void listening_sockets::update(
    std::span<const candidate> members, bool all, std::error_code& error)
{
  if (how_ == wire::sharing::offers) return;
  for (entry& each : sockets_) {
    if (how_ == wire::sharing::own_socket) {
      const auto is_gone = [&](worker_id worker) {
        return std::ranges::find(members, worker, &candidate::id) == members.end();
      };
      std::erase_if(each.others, is_gone);
      if (is_gone(each.worker)) {
        each.worker = each.others.empty() ? 0 : each.others.back();
        if (!each.others.empty()) each.others.pop_back();
      }
      const auto owner = std::ranges::find(members, each.worker, &candidate::id);
      each.served = owner != members.end() && owner->window != 0 && !owner->leaving;
    } else {
      each.served = &each == &sockets_.front();
    }
    if (all) each.served = false;
    if (each.served) each.socket->interrupt();
  }
  if (how_ == wire::sharing::own_socket && sockets_.size() > 1) spread(members, error);
}

inline void listening_sockets::spread(std::span<const candidate> members, std::error_code& error)
{
  std::vector<std::uint32_t> weights;
  for (const entry& each : sockets_) {
    const auto owner = std::ranges::find(members, each.worker, &candidate::id);
    weights.push_back(each.served && owner != members.end() ? owner->weight : 0);
  }
  if (weights == weights_) return;
  posix::share_port(first().native_handle(), weights, error);
  if (!error) weights_ = std::move(weights);
}

template <class Take>
std::error_code listening_sockets::accept(std::size_t limit, bool thorough, Take&& take)
{
  for (entry& each : sockets_) {
    if (each.served || each.socket->is_waiting()) continue;
    const std::error_code error = each.socket->accept(
        limit, thorough, [&](posix::unique_fd connection, const posix::socket_address& peer) {
          --limit;
          take(std::move(connection), peer);
        });
    if (limit == 0) return std::error_code();
    if (error && !posix::would_block(error)) return error;
  }
  return {EAGAIN, std::system_category()};
}

template <class Handler>
void listening_sockets::wait(Handler handler)
{
  for (entry& each : sockets_)
    if (!each.served && !each.socket->is_waiting()) each.socket->wait(handler);
}

inline bool listening_sockets::is_waiting() const noexcept
{
  return std::ranges::all_of(
      sockets_, [](const entry& each) { return each.served || each.socket->is_waiting(); });
}

inline void listening_sockets::interrupt() noexcept
{
  for (entry& each : sockets_) each.socket->interrupt();
}

inline std::size_t listening_sockets::close() noexcept
{
  for (entry& each : sockets_) each.socket->close();
  return 0;
}

} // namespace cohort::detail
