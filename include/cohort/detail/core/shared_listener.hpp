// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/detail/core/listening_sockets.hpp>
#include <cohort/detail/core/offer_queued.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/lifecycle/credit_accounts.hpp>
#include <cohort/detail/lifecycle/handoff.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// A socket that the primary listens on for its members: accepts against their credit, and hands
/// each connection to the member that the policy names.
///
/// `Host` has, all of them `noexcept`:
///   bool send_offer(worker_id, const wire::offer&, std::span<const int> descriptors)
///   void last_call_done(worker_id)       see `leave`
///   void accept_failed(std::error_code)  reported at most once a second
///   bool ending()                        the cluster ends: no listener is held
template <class Policy, class Host>
class shared_listener : public std::enable_shared_from_this<shared_listener<Policy, Host>> {
public:
  using clock = std::chrono::steady_clock;

  shared_listener(Host& host, std::uint32_t id, listening_sockets sockets, bool hold_when_empty,
      const Policy& policy)
      : host_(host),
        id_(id),
        hold_when_empty_(hold_when_empty),
        handoff_(policy),
        socket_(std::move(sockets)),
        patience_(socket_.get_executor()),
        send_again_(socket_.get_executor()),
        last_call_end_(socket_.get_executor())
  {
  }

  std::uint32_t id() const noexcept { return id_; }
  const posix::socket_address& bound() const noexcept { return socket_.bound(); }
  bool is_member(worker_id worker) const noexcept { return credit_.contains(worker); }
  /// Whether it is a member or was one and is not `gone`.
  bool knows(worker_id worker) const noexcept { return handoff_.is_member(worker); }
  const connection_counters& counters() const noexcept { return handoff_.counters(); }

  /// Whether the socket is open, so that workers may join.
  bool is_open() const noexcept { return socket_.is_open(); }
  /// Whether nothing is left to be done here.
  bool is_finished() const noexcept
  {
    // Who accepts itself may have something to tell until it has closed.
    const auto owes = [this](const candidate& each) {
      return each.offers + each.connections != 0 ||
             (how() != wire::sharing::offers && !closed_.contains(each.id));
    };
    return !is_open() && !last_call_ && std::ranges::none_of(handoff_.members(), owes);
  }

  // What workers say. False: it contradicts what is known here.

  /// The socket that a worker accepts from itself, if it does so: before it joins.
  posix::unique_fd share(const candidate& worker, std::error_code& error)
  {
    return socket_.share(worker, error);
  }
  wire::sharing how() const noexcept { return socket_.how(); }

  bool join(candidate worker);
  bool accepted(worker_id worker, const wire::accepted& message)
  {
    return handoff_.accepted(worker, message.count);
  }
  bool taken(worker_id worker, const wire::taken& message);
  bool refused(worker_id worker, const wire::refused& message);
  bool released(worker_id worker, const wire::released& message)
  {
    const bool fits = handoff_.released(worker, message.count);
    if (fits) pump_soon();
    return fits;
  }
  bool credit(worker_id worker, std::uint32_t window);

  /// Caps the worker's credit, as it is spread over several listeners.
  void limit_credit(worker_id worker, std::uint32_t limit);

  void set_weight(worker_id worker, std::uint32_t weight)
  {
    if (handoff_.set_weight(worker, weight)) members_changed();
  }
  void set_load(worker_id worker, std::uint32_t load)
  {
    if (handoff_.set_load(worker, load)) pump_soon();
  }

  /// The worker's channel has room again.
  void writable(worker_id worker)
  {
    if (handoff_.set_open(worker, true)) pump();
  }

  /// Offers the worker nothing more. When it is the last member, what waits in the kernel and in
  /// the queue is handed to it first: then false, and `Host::last_call_done` follows.
  bool leave(worker_id worker);
  /// The same without a last call: the worker is done with, or its channel is broken.
  void retire(worker_id worker);
  /// The worker has closed. That ends its last call as well, if it has one.
  void left(worker_id worker)
  {
    const bool was_called = last_call_ == worker;
    closed_.insert(worker);
    retire(worker);
    if (was_called) host_.last_call_done(worker);
  }
  /// The worker is certainly dead, or has left; what it had not answered goes to others.
  void gone(worker_id worker);

  /// Closes the socket when no member is left, held or not.
  void close_if_empty() noexcept
  {
    if (handoff_.active() == 0) close();
  }
  /// Closes the socket and everything that is queued. Nothing is asked of the host any more.
  void shut() noexcept
  {
    last_call_.reset();
    last_call_end_.call_off();
    close();
  }

private:
  // One wakeup accepts so many connections at most, then others have their turn.
  static constexpr std::size_t budget_ = 256;
  static constexpr std::chrono::seconds last_call_limit_{1};
  // Who could not be sent to is tried again after it, if nothing tells that it can be.
  static constexpr std::chrono::milliseconds send_pause_{100};

  auto self() { return this->shared_from_this(); }

  // Whether some client may still need a member: what is on offer may come back.
  bool is_awaited() const noexcept
  {
    const auto has_offers = [](const candidate& member) { return member.offers != 0; };
    return handoff_.queue_size() != 0 || (is_open() && !socket_.is_empty()) ||
           std::ranges::any_of(handoff_.members(), has_offers);
  }

  void close() noexcept;
  void update_sockets()
  {
    std::error_code error;
    if (is_open()) socket_.update(handoff_.members(), last_call_.has_value(), error);
    if (error) host_.accept_failed(error);
  }
  void members_changed()
  {
    update_sockets();
    pump();
  }
  void pump();
  void pump_soon();
  void dispatch();
  void send_again();
  void accept_more();
  void wait_for_patience();
  void finish_last_call()
  {
    const worker_id leaving = *last_call_;
    retire(leaving);
    host_.last_call_done(leaving);
  }
  void check_members();
  void end_last_call(worker_id worker)
  {
    if (last_call_ != worker) return;
    last_call_.reset();
    last_call_end_.call_off();
  }

  Host& host_;
  std::uint32_t id_;
  bool hold_when_empty_;
  handoff<posix::unique_fd, Policy> handoff_;
  credit_accounts credit_;
  listening_sockets socket_;
  std::set<worker_id> closed_;
  io::alarm patience_;
  io::alarm send_again_;
  io::alarm last_call_end_;
  bool pump_posted_ = false;
  std::optional<worker_id> last_call_;
};

// Implementation

template <class Policy, class Host>
bool shared_listener<Policy, Host>::join(candidate worker)
{
  worker.since = clock::now();
  if (!handoff_.join(worker)) return false;
  credit_.open(worker.id);
  closed_.erase(worker.id);
  // The listener lives on with the new member; the one that leaves need not empty it.
  if (last_call_) {
    const worker_id leaving = *last_call_;
    retire(leaving);
    host_.last_call_done(leaving);
  }
  return true;
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::taken(worker_id worker, const wire::taken& message)
{
  // The worker alone owns it now: our copy is closed at once, so that the worker's close is seen.
  const bool fits = handoff_.taken(
      worker, message.first, message.count, message.released, [](posix::unique_fd) noexcept {});
  if (fits) pump_soon();
  return fits;
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::refused(worker_id worker, const wire::refused& message)
{
  if (message.reason != wire::refuse_reason::unusable) credit_.ask(worker, 0);
  const bool fits = handoff_.refused(
      worker, message.first, message.count, message.reason, [](posix::unique_fd) noexcept {});
  if (!fits) return false;
  check_members();
  pump();
  return true;
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::credit(worker_id worker, std::uint32_t window)
{
  // A grant may cross the news that the worker is to leave.
  const auto in_force = credit_.ask(worker, window);
  if (in_force && handoff_.grant(worker, *in_force)) members_changed();
  return true;
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::limit_credit(worker_id worker, std::uint32_t limit)
{
  const auto in_force = credit_.limit(worker, limit);
  if (in_force && handoff_.grant(worker, *in_force)) members_changed();
}

template <class Policy, class Host>
bool shared_listener<Policy, Host>::leave(worker_id worker)
{
  if (!is_member(worker)) return true;
  const bool held = hold_when_empty_ && !host_.ending();
  if (handoff_.active() != 1 || held || !is_open()) {
    retire(worker);
    return true;
  }
  last_call_ = worker;
  // The kernel is asked anew at once.
  socket_.interrupt();
  update_sockets();
  last_call_end_.set_after(last_call_limit_, [self = self()] { self->finish_last_call(); });
  // `pump` ends the call when nothing waits; the caller learns it by the result alone.
  accept_more();
  if (is_awaited()) return false;
  retire(worker);
  return true;
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::retire(worker_id worker)
{
  credit_.close(worker);
  end_last_call(worker);
  if (!handoff_.retire(worker)) return;
  check_members();
  members_changed();
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::gone(worker_id worker)
{
  credit_.close(worker);
  closed_.erase(worker);
  end_last_call(worker);
  handoff_.gone(worker);
  check_members();
  members_changed();
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::check_members()
{
  if (handoff_.active() != 0) return;
  if (!hold_when_empty_ || host_.ending()) return close();
  // Nobody can be served before the next one joins; until then this is no work of the context.
  socket_.interrupt();
  patience_.call_off();
  send_again_.call_off();
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::close() noexcept
{
  handoff_.close_queue([](posix::unique_fd) noexcept {});
  patience_.call_off();
  send_again_.call_off();
  socket_.close();
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::pump()
{
  if (handoff_.queue_size() != 0) dispatch();
  accept_more();
  wait_for_patience();
  if (last_call_ && !is_awaited()) finish_last_call();
}

// Answers come many at a time; what they make room for is accepted and sent in one go.
template <class Policy, class Host>
void shared_listener<Policy, Host>::pump_soon()
{
  const bool idle = socket_.is_waiting() && handoff_.queue_size() == 0 && !last_call_;
  if (idle || std::exchange(pump_posted_, true)) return;
  asio::post(socket_.get_executor(), [self = self()] {
    self->pump_posted_ = false;
    self->pump();
  });
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::dispatch()
{
  // `writable` follows when it was for lack of room; after any other error nothing would.
  if (!offer_queued(handoff_, host_, id_) && !send_again_.is_set())
    send_again_.set_after(send_pause_, [self = self()] { self->send_again(); });
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::send_again()
{
  for (const candidate& each : handoff_.members()) handoff_.set_open(each.id, true);
  pump();
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::accept_more()
{
  if (!is_open() || socket_.is_waiting()) return;
  const std::uint64_t enough = handoff_.counters().accepted + budget_;
  while (handoff_.counters().accepted < enough) {
    // Without credit the kernel's queue holds what comes. Only a last call looks what is there.
    std::size_t room = handoff_.capacity();
    if (room == 0 && last_call_ && handoff_.queue_size() == 0) room = 1;
    if (room == 0) return;
    const std::error_code error = socket_.accept(room, last_call_.has_value(),
        [this](posix::unique_fd connection, const posix::socket_address& peer) {
          connection_info info(peer.host(), peer.port(), clock::now());
          info.set_listener(id_, bound().host(), bound().port());
          handoff_.enqueue(std::move(connection), info);
        });
    if (handoff_.queue_size() != 0) dispatch();
    if (!error) continue;
    // All who came before a last call are in; it does not wait for those who come now.
    if (posix::would_block(error) && last_call_) return socket_.close();
    if (posix::would_block(error)) break;
    host_.accept_failed(error);
    return socket_.back_off([self = self()] { self->pump(); });
  }
  socket_.wait([self = self()] { self->pump(); });
}

template <class Policy, class Host>
void shared_listener<Policy, Host>::wait_for_patience()
{
  // Only for connections that the policy lets wait though a member is ready.
  const auto deadline = handoff_.next_deadline();
  if (deadline) patience_.set(*deadline, [self = self()] { self->pump(); });
}

} // namespace cohort::detail
