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

class request_table;

/// A request that was sent and has no answer yet.
class pending_request {
public:
  pending_request() = default;
  virtual ~pending_request() = default;
  pending_request(const pending_request&) = delete;
  pending_request& operator=(const pending_request&) = delete;

  /// Completes it by a reply; what is wrong with that goes to `problem`.
  virtual void replied(const wire::message_view& reply, decode_error& problem) = 0;
  virtual void fail(std::error_code error) = 0;

protected:
  /// Whoever asked was cancelled: its table forgets this, which destroys it.
  void abandon();

private:
  friend request_table;

  request_table* table_ = nullptr;
  std::uint64_t number_ = 0;
};

template <class Reply, class Codec>
class pending_request_for final : public pending_request, private wait_list_owner {
public:
  template <class Handler>
  pending_request_for(const asio::any_io_executor& executor, Handler&& handler)
      : waiting_(executor, this)
  {
    waiting_.add(std::forward<Handler>(handler));
  }

  void replied(const wire::message_view& reply, decode_error& problem) override;
  void fail(std::error_code error) override { waiting_.complete_one(error, Reply()); }

private:
  void wait_cancelled() override { abandon(); }

  wait_queue<Reply> waiting_;
};

/// The requests of one channel that have no answer yet, with their deadlines.
class request_table {
public:
  using clock = std::chrono::steady_clock;

  explicit request_table(const asio::any_io_executor& executor) : timer_(executor) {}

  /// Whether somebody waits for an answer.
  bool waiting() const noexcept { return !pending_.empty(); }
  std::size_t size() const noexcept { return pending_.size(); }

  /// The number that the next request and its reply carry.
  std::uint64_t next_number() const noexcept { return last_ + 1; }

  /// Adds the request with that number. `Owner` lives as long as this table.
  /// @param end where it ends in the stream of what is sent.
  template <class Owner>
  void add(std::unique_ptr<pending_request> request, std::uint64_t end,
      std::optional<clock::duration> deadline, const std::shared_ptr<Owner>& owner);

  /// Nobody wants its answer any more. Nothing when nobody asked.
  std::unique_ptr<pending_request> take(std::uint64_t number);

  /// The same when its answer has come. After the deadline that is too late, although no timer may
  /// have told of it: then the request times out.
  std::unique_ptr<pending_request> take_answered(std::uint64_t number);

  void fail_all(std::error_code error);

  /// Nothing behind that place in the stream is ever sent.
  void fail_unsent(std::uint64_t written_until, std::error_code error);

private:
  using deadline_map = std::multimap<clock::time_point, std::uint64_t>;

  struct entry {
    std::unique_ptr<pending_request> request;
    std::uint64_t end = 0;
    // `deadlines_.end()` when it has none.
    deadline_map::iterator deadline;
  };

  using pending_map = std::map<std::uint64_t, entry>;

  std::unique_ptr<pending_request> remove(pending_map::iterator position);
  void expire();
  template <class Owner>
  void wait(const std::shared_ptr<Owner>& owner);

  asio::steady_timer timer_;
  pending_map pending_;
  deadline_map deadlines_;
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

inline void pending_request::abandon()
{
  if (table_) table_->take(number_);
}

template <class Owner>
void request_table::add(std::unique_ptr<pending_request> request, std::uint64_t end,
    std::optional<clock::duration> deadline, const std::shared_ptr<Owner>& owner)
{
  request->table_ = this;
  request->number_ = ++last_;
  entry& added = pending_[last_];
  added.request = std::move(request);
  added.end = end;
  added.deadline = deadlines_.end();
  const auto now = clock::now();
  if (!deadline || *deadline > clock::time_point::max() - now) return;
  added.deadline = deadlines_.emplace(now + *deadline, last_);
  if (added.deadline == deadlines_.begin()) wait(owner);
}

inline std::unique_ptr<pending_request> request_table::take(std::uint64_t number)
{
  const auto found = pending_.find(number);
  return found != pending_.end() ? remove(found) : nullptr;
}

inline std::unique_ptr<pending_request> request_table::take_answered(std::uint64_t number)
{
  const auto found = pending_.find(number);
  if (found == pending_.end()) return nullptr;
  const auto deadline = found->second.deadline;
  const bool late = deadline != deadlines_.end() && deadline->first <= clock::now();
  auto request = remove(found);
  if (!late) return request;
  request->fail(error::timed_out);
  return nullptr;
}

inline std::unique_ptr<pending_request> request_table::remove(pending_map::iterator position)
{
  const auto removed = pending_.extract(position);
  if (removed.mapped().deadline != deadlines_.end()) {
    deadlines_.erase(removed.mapped().deadline);
    // The context need not wait for what nobody waits for.
    if (deadlines_.empty()) timer_.cancel();
  }
  return std::move(removed.mapped().request);
}

inline void request_table::fail_all(std::error_code error)
{
  deadlines_.clear();
  timer_.cancel();
  for (auto& [number, each] : std::exchange(pending_, {})) each.request->fail(error);
}

inline void request_table::fail_unsent(std::uint64_t written_until, std::error_code error)
{
  while (!pending_.empty() && pending_.rbegin()->second.end > written_until)
    take(pending_.rbegin()->first)->fail(error);
}

inline void request_table::expire()
{
  const auto now = clock::now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now)
    take(deadlines_.begin()->second)->fail(error::timed_out);
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
