// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/detail/core/kept_listener.hpp>
#include <cohort/detail/core/listening_sockets.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/lifecycle/accept_turns.hpp>
#include <cohort/detail/lifecycle/credit_accounts.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// A socket that the primary listens on for its members: who they are, what they say, and how the
/// last one leaves.
///
/// `Host` has, all of them `noexcept`:
///   bool send_offer(worker_id, const wire::offer&, std::span<const int> descriptors)
///   bool send_turn(worker_id, const wire::turn&)  false: there is no room, and `writable` follows
///   void last_call_done(worker_id)       see `leave`
///   void accept_failed(std::error_code)  reported at most once a second
///   bool ending()                        the cluster ends: no listener is held for workers
template <class Policy, class Host>
class shared_listener final : public kept_listener<Policy, Host> {
  using base = kept_listener<Policy, Host>;
  using connection = typename base::connection;

public:
  using clock = std::chrono::steady_clock;

  /// @param error with one it must not be used.
  shared_listener(Host& host, std::uint32_t id, listening_sockets bare, bool hold_when_empty,
      const Policy& policy, std::error_code& error)
      : base(host, id, std::move(bare), hold_when_empty, policy, error),
        last_call_end_(this->socket().get_executor())
  {
  }

  using base::bound;
  using base::is_open;

  bool is_member(worker_id worker) const noexcept { return credit_.contains(worker); }
  /// Whether it is a member or was one and is not `gone`.
  bool knows(worker_id worker) const noexcept { return this->members().is_member(worker); }
  /// Whether nothing is left to be done here.
  bool is_finished() const noexcept;

  // What workers say. False: it contradicts what is known here.

  /// The socket that a worker accepts from itself, if it does so: before it joins.
  posix::unique_fd share(const candidate& worker, std::error_code& error)
  {
    posix::unique_fd shared = this->socket().share(worker, error);
    // Whom the kernel sends to a socket that was opened in vain, the primary accepts.
    if (error) this->members_changed();
    return shared;
  }
  /// @param paced whether its credit is to be adapted to how fast it takes its offers.
  bool join(candidate worker, bool paced = false);
  bool accepted(worker_id worker, const wire::accepted& message);
  bool taken(worker_id worker, const wire::taken& message);
  bool refused(worker_id worker, const wire::refused& message);
  bool released(worker_id worker, const wire::released& message);
  bool credit(worker_id worker, std::uint32_t window);

  /// Caps the worker's credit, as it is spread over several listeners.
  void limit_credit(worker_id worker, std::uint32_t limit);

  void set_weight(worker_id worker, std::uint32_t weight)
  {
    if (this->members().set_weight(worker, weight)) this->members_changed();
  }
  void set_load(worker_id worker, std::uint32_t load)
  {
    if (this->members().set_load(worker, load)) this->pump_soon();
  }
  /// The worker's channel has room again.
  void writable(worker_id worker)
  {
    if (this->members().set_open(worker, true)) this->pump();
    tell_turns();
  }

  /// Offers the worker nothing more. When it is the last member, what waits in the kernel and in
  /// the queue is handed to it first: then false, and `Host::last_call_done` follows.
  bool leave(worker_id worker);
  /// The same without a last call: the worker is done with, or its channel is broken.
  void retire(worker_id worker);
  /// The worker has closed. That ends its last call as well, if it has one.
  void left(worker_id worker);
  /// The worker is certainly dead, or has left; what it had not answered goes to others.
  void gone(worker_id worker);

  /// Closes the socket and everything that is queued. Nothing is asked of the host any more.
  void shut() noexcept
  {
    if (leaving_) end_last_call(*leaving_);
    this->close();
    this->end_answers();
  }

private:
  static constexpr std::chrono::seconds last_call_limit_{1};

  auto self() { return std::static_pointer_cast<shared_listener>(this->shared_from_this()); }

  auto ask_credit(worker_id worker, std::uint32_t window)
  {
    turns_.set_accepting(worker, window != 0);
    tell_turns();
    return credit_.ask(worker, window);
  }
  void close_account(worker_id worker)
  {
    credit_.close(worker);
    turns_.leave(worker);
    tell_turns();
  }
  void tell_turns();
  void starved() noexcept override { credit_.starved(); }
  void pumped() override
  {
    if (leaving_ && !this->is_awaited()) finish_last_call();
  }
  void finish_last_call();
  void end_last_call(worker_id worker);
  void kept() override
  {
    // The member that leaves need not empty it any more.
    if (leaving_) finish_last_call();
  }

  credit_accounts credit_;
  // Of those who accept from one socket, if they do.
  accept_turns turns_;
  std::set<worker_id> closed_;
  io::alarm last_call_end_;
  // For whom the last call is.
  std::optional<worker_id> leaving_;
};

// Implementation

template <class Policy, class Host>
bool shared_listener<Policy, Host>::is_finished() const noexcept
{
  // Who accepts itself may have something to tell until it has closed.
  const auto owes = [this](const candidate& each) {
    return each.offers + each.connections != 0 ||
           (this->how() != wire::sharing::offers && !closed_.contains(each.id));
  };
  return !is_open() && !leaving_ && !this->is_answering() && this->members().queue_size() == 0 &&
         std::ranges::none_of(this->members().members(), owes);
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::join(candidate worker, bool paced)
{
  worker.since = clock::now();
  if (!this->members().join(worker)) return false;
  credit_.open(worker.id, paced);
  if (this->how() == wire::sharing::one_socket) turns_.join(worker.id);
  closed_.erase(worker.id);
  // The listener lives on with the new member; the one that leaves need not empty it.
  if (leaving_) finish_last_call();
  return true;
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::accepted(worker_id worker, const wire::accepted& message)
{
  if (!this->members().accepted(worker, message.count)) return false;
  turns_.accepted(worker, message.count, message.left);
  tell_turns();
  return true;
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::tell_turns()
{
  // Nobody accepts from a socket that is closed; nor is anything asked of the host then.
  if (!is_open()) return;
  turns_.tell([this](worker_id worker, bool go) {
    wire::turn message;
    message.listener = this->id();
    message.go = go ? 1 : 0;
    return this->host().send_turn(worker, message);
  });
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::taken(worker_id worker, const wire::taken& message)
{
  const bool paced = credit_.is_paced(worker);
  clock::time_point offered;
  if (paced)
    if (const auto open = this->members().open_offers(worker); !open.empty())
      offered = open.front().sent;
  // The worker alone owns it now: our copy is closed at once, so that the worker's close is seen.
  if (!this->members().taken(
          worker, message.first, message.count, message.released, [](connection) noexcept {}))
    return false;
  if (paced)
    this->members().grant(worker, credit_.taken(worker, message.count, offered, clock::now()));
  this->pump_soon();
  return true;
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::refused(worker_id worker, const wire::refused& message)
{
  if (message.reason != wire::refuse_reason::unusable) ask_credit(worker, 0);
  const bool fits = this->members().refused(
      worker, message.first, message.count, message.reason, [](connection) noexcept {});
  if (!fits) return false;
  this->check_members();
  this->pump();
  return true;
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::released(worker_id worker, const wire::released& message)
{
  const bool fits = this->members().released(worker, message.count);
  if (fits) this->pump_soon();
  return fits;
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::credit(worker_id worker, std::uint32_t window)
{
  // A grant may cross the news that the worker is to leave.
  const auto in_force = ask_credit(worker, window);
  if (in_force && this->members().grant(worker, *in_force)) this->members_changed();
  return true;
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::limit_credit(worker_id worker, std::uint32_t limit)
{
  const auto in_force = credit_.limit(worker, limit);
  if (in_force && this->members().grant(worker, *in_force)) this->members_changed();
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::leave(worker_id worker)
{
  if (!is_member(worker)) return true;
  const bool is_last = this->members().active() == 1 && !this->stays_empty();
  if (!is_last || (!is_open() && !this->has_successor())) {
    retire(worker);
    return true;
  }
  leaving_ = worker;
  this->set_last_call(true);
  // The kernel is asked anew at once.
  this->socket().interrupt();
  this->update_sockets();
  last_call_end_.set_after(last_call_limit_, [self = self()] { self->finish_last_call(); });
  // `pump` ends the call when nothing waits; the caller learns it by the result alone.
  this->accept_more();
  if (this->is_awaited()) return false;
  retire(worker);
  return true;
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::retire(worker_id worker)
{
  close_account(worker);
  end_last_call(worker);
  if (!this->members().retire(worker)) return;
  this->check_members();
  this->members_changed();
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::left(worker_id worker)
{
  const bool was_called = leaving_ == worker;
  closed_.insert(worker);
  retire(worker);
  if (was_called) this->host().last_call_done(worker);
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::gone(worker_id worker)
{
  close_account(worker);
  closed_.erase(worker);
  end_last_call(worker);
  this->members().gone(worker);
  this->check_members();
  this->members_changed();
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::finish_last_call()
{
  const worker_id leaving = *leaving_;
  retire(leaving);
  this->host().last_call_done(leaving);
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::end_last_call(worker_id worker)
{
  if (leaving_ != worker) return;
  leaving_.reset();
  this->set_last_call(false);
  last_call_end_.call_off();
}

} // namespace cohort::detail
