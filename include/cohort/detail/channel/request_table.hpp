// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/wire/message_frame.hpp>
#include <cohort/error.hpp>
#include <cohort/message/codec.hpp>
#include <cohort/message/message_name.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// A request that was sent and has no answer yet.
class pending_request {
public:
  virtual ~pending_request() = default;

  /// Completes it by a reply; what is wrong with that goes to `problem`.
  virtual void replied(const wire::message_view& reply, decode_error& problem) = 0;
  virtual void fail(std::error_code error) = 0;
  /// Whoever asked was cancelled.
  virtual bool abandoned() const noexcept = 0;
};

template <class Reply, class Codec>
class pending_request_for final : public pending_request {
public:
  template <class Handler>
  pending_request_for(const asio::any_io_executor& executor, Handler&& handler) : waiting_(executor)
  {
    waiting_.add(std::forward<Handler>(handler));
  }

  void replied(const wire::message_view& reply, decode_error& problem) override;
  void fail(std::error_code error) override { waiting_.complete_one(error, Reply()); }
  bool abandoned() const noexcept override { return waiting_.empty(); }

private:
  wait_queue<Reply> waiting_;
};

/// The requests of one channel that have no answer yet, with their deadlines.
class request_table {
public:
  using clock = std::chrono::steady_clock;

  explicit request_table(const asio::any_io_executor& executor) : timer_(executor) {}

  /// Whether somebody waits for an answer.
  bool waiting() const noexcept;
  std::size_t size() const noexcept { return pending_.size(); }

  /// The number that the next request and its reply carry.
  std::uint64_t next_number() const noexcept { return last_ + 1; }

  /// Adds the request with that number. `Owner` lives as long as this table.
  template <class Owner>
  void add(std::unique_ptr<pending_request> request, std::optional<clock::duration> deadline,
      const std::shared_ptr<Owner>& owner);

  /// Its answer has come. Nothing when it is too late, or nobody asked.
  std::unique_ptr<pending_request> take(std::uint64_t number);

  void fail_all(std::error_code error);

private:
  void forget_abandoned();
  void expire();
  template <class Owner>
  void wait(const std::shared_ptr<Owner>& owner);

  asio::steady_timer timer_;
  std::map<std::uint64_t, std::unique_ptr<pending_request>> pending_;
  std::multimap<clock::time_point, std::uint64_t> deadlines_;
  std::uint64_t last_ = 0;
};

// Implementation

template <class Reply, class Codec>
void pending_request_for<Reply, Codec>::replied(
    const wire::message_view& reply, decode_error& problem)
{
  if (reply.kind == wire::message_kind::failure) return fail(error::request_failed);
  constexpr std::uint32_t schema = Codec::template schema<Reply>();
  std::optional<Reply> value;
  if (reply.type.type != message_id<Reply>()) problem.code = error::unknown_message;
  else if (Codec::exact_schema && reply.type.schema != schema)
    problem.code = error::schema_mismatch;
  else value = Codec::template decode<Reply>(reply.body, problem);
  if (value) waiting_.complete_one(std::error_code(), std::move(*value));
  else fail(problem.code);
}

inline bool request_table::waiting() const noexcept
{
  for (const auto& each : pending_)
    if (!each.second->abandoned()) return true;
  return false;
}

template <class Owner>
void request_table::add(std::unique_ptr<pending_request> request,
    std::optional<clock::duration> deadline, const std::shared_ptr<Owner>& owner)
{
  forget_abandoned();
  pending_.emplace(++last_, std::move(request));
  const auto now = clock::now();
  if (!deadline || *deadline > clock::time_point::max() - now) return;
  const auto added = deadlines_.emplace(now + *deadline, last_);
  if (added == deadlines_.begin()) wait(owner);
}

inline std::unique_ptr<pending_request> request_table::take(std::uint64_t number)
{
  auto found = pending_.extract(number);
  if (!found) return nullptr;
  // Its deadline finds nobody; when it was the last one, the context need not wait for it.
  if (pending_.empty()) {
    deadlines_.clear();
    timer_.cancel();
  }
  return std::move(found.mapped());
}

inline void request_table::forget_abandoned()
{
  // The oldest ones only: they have waited longest, and looking at all would cost too much.
  while (!pending_.empty() && pending_.begin()->second->abandoned())
    pending_.erase(pending_.begin());
}

inline void request_table::fail_all(std::error_code error)
{
  deadlines_.clear();
  timer_.cancel();
  for (auto& [number, request] : std::exchange(pending_, {})) request->fail(error);
}

inline void request_table::expire()
{
  const auto now = clock::now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto late = pending_.extract(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    if (late) late.mapped()->fail(error::timed_out);
  }
  // Deadlines of requests that were answered long ago are not worth a wakeup.
  while (!deadlines_.empty() && !pending_.contains(deadlines_.begin()->second))
    deadlines_.erase(deadlines_.begin());
}

template <class Owner>
void request_table::wait(const std::shared_ptr<Owner>& owner)
{
  timer_.expires_at(deadlines_.begin()->first);
  timer_.async_wait([this, owner](std::error_code cancelled) {
    if (cancelled) return;
    expire();
    if (!deadlines_.empty()) wait(owner);
  });
}

} // namespace cohort::detail
