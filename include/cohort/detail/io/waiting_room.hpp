// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/posix/readiness.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <system_error>
#include <utility>

namespace cohort::detail::io {

/// Connections that wait for something of their peers, each for the same time at most, in order of
/// arrival. An `Entry` owns a socket, has `int get() const`, and moves without exceptions.
///
/// One that leaves is not watched any more, whoever has its socket then. Handlers have to keep the
/// owner alive.
template <class Entry>
class waiting_room {
public:
  using clock = std::chrono::steady_clock;

  /// With an error nothing can wait here.
  waiting_room(
      const asio::any_io_executor& executor, clock::duration limit, std::error_code& error);
  waiting_room(const waiting_room&) = delete;
  waiting_room& operator=(const waiting_room&) = delete;

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return entries_.size() + done_.size(); }

  /// Lets it wait from now on. With an error it stays the caller's.
  void enter(Entry&& entry, std::error_code& error);

  /// Looks for news: `bool is_done(Entry&, bool ended)` for each to which something has come, and
  /// `ended` when nothing more will.
  template <class IsDone>
  void look(IsDone is_done);

  /// Whether somebody has to leave: done since `look`, or here for too long.
  bool has_leaving() const;
  /// Who is done comes first, then who has waited longest; not for an empty room.
  Entry leave();

  /// Calls `handler()` once, when there are news or the first one has waited for too long. Nothing
  /// when nobody waits, or when it waits already.
  template <class Handler>
  void wait(Handler handler);
  bool is_waiting() const noexcept { return waiting_; }

  /// Ends the wait, without its handler.
  void interrupt() noexcept;

  /// Closes all; how many they were.
  std::size_t clear() noexcept;

private:
  struct place {
    Entry entry;
    clock::time_point until;
  };
  using places = std::map<std::uint64_t, place>;

  clock::duration limit_;
  asio::posix::stream_descriptor set_;
  alarm alarm_;
  places entries_;
  // Of those that are done, moved there: they wait to be asked for.
  places done_;
  std::uint64_t next_ = 1;
  // Which wait is in force: an earlier one may be on its way to its handler already.
  unsigned wait_number_ = 0;
  bool waiting_ = false;
};

// Implementation

template <class Entry>
waiting_room<Entry>::waiting_room(
    const asio::any_io_executor& executor, clock::duration limit, std::error_code& error)
    : limit_(std::clamp<clock::duration>(limit, clock::duration(0), std::chrono::hours(24 * 365))),
      set_(executor),
      alarm_(executor)
{
  posix::unique_fd set = posix::open_readiness(error);
  if (error) return;
  set_.assign(set.get(), error);
  if (!error) set.release();
}

template <class Entry>
void waiting_room<Entry>::enter(Entry&& entry, std::error_code& error)
{
  const std::uint64_t number = next_++;
  posix::watch(set_.native_handle(), entry.get(), number, error);
  if (error) return;
  const int socket = entry.get();
  try {
    // `entry` is moved from only when there is memory for its place: what is right of a `=` comes
    // first, so that this has to be two statements.
    place& mine = entries_.try_emplace(number).first->second;
    mine = place{std::move(entry), clock::now() + limit_};
  } catch (const std::bad_alloc&) {
    posix::unwatch(set_.native_handle(), socket);
    error = std::make_error_code(std::errc::not_enough_memory);
  }
}

template <class Entry>
template <class IsDone>
void waiting_room<Entry>::look(IsDone is_done)
{
  if (entries_.empty()) return;
  posix::take_news(set_.native_handle(), [&](std::uint64_t number, bool ended) {
    const auto found = entries_.find(number);
    if (found != entries_.end() && is_done(found->second.entry, ended))
      done_.insert(entries_.extract(found));
  });
}

template <class Entry>
bool waiting_room<Entry>::has_leaving() const
{
  return !done_.empty() || (!entries_.empty() && entries_.begin()->second.until <= clock::now());
}

template <class Entry>
Entry waiting_room<Entry>::leave()
{
  places& from = done_.empty() ? entries_ : done_;
  const auto first = from.begin();
  Entry leaving = std::move(first->second.entry);
  from.erase(first);
  posix::unwatch(set_.native_handle(), leaving.get());
  if (entries_.empty()) interrupt();
  return leaving;
}

template <class Entry>
template <class Handler>
void waiting_room<Entry>::wait(Handler handler)
{
  if (entries_.empty() || waiting_) return;
  waiting_ = true;
  // Whichever comes first.
  auto once = [this, number = ++wait_number_, handler = std::move(handler)]() mutable {
    // The handler holds the owner of this object, which is alive as long as it exists.
    if (!waiting_ || number != wait_number_) return;
    interrupt();
    handler();
  };
  try {
    set_.async_wait(set_.wait_read, [once](std::error_code) mutable { once(); });
    alarm_.set(entries_.begin()->second.until, std::move(once));
  } catch (...) {
    // It waits for nothing, and can be asked to again.
    interrupt();
    throw;
  }
}

template <class Entry>
void waiting_room<Entry>::interrupt() noexcept
{
  waiting_ = false;
  std::error_code ignored;
  set_.cancel(ignored);
  alarm_.call_off();
}

template <class Entry>
std::size_t waiting_room<Entry>::clear() noexcept
{
  const std::size_t count = size();
  // Closing would leave those watched whose socket somebody else has too.
  while (!empty()) leave();
  return count;
}

} // namespace cohort::detail::io
