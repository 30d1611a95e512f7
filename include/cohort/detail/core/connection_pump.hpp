// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/counters.hpp>
#include <cohort/detail/core/listening_sockets.hpp>
#include <cohort/detail/core/offer_queued.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/peeked_connections.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/io/refusals.hpp>
#include <cohort/detail/lifecycle/handoff.hpp>
#include <cohort/detail/posix/socket_address.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// Accepts the connections of one listener against the credit of its members, and hands each to the
/// member that the policy names; or answers them, when nobody has room, or there is no member.
///
/// `Host` is as that of `shared_listener`, which says who the members are.
template <class Policy, class Host>
class connection_pump : public std::enable_shared_from_this<connection_pump<Policy, Host>> {
public:
  using clock = std::chrono::steady_clock;

  std::uint32_t id() const noexcept { return id_; }
  const posix::socket_address& bound() const noexcept { return sockets_.bound(); }
  /// Whether the socket is open, so that workers may join.
  bool is_open() const noexcept { return sockets_.is_open(); }
  wire::sharing how() const noexcept { return sockets_.how(); }
  const connection_counters& counters() const noexcept { return handoff_.counters(); }
  /// How many connections wait here for a member.
  std::size_t queue_size() const noexcept { return handoff_.queue_size(); }
  /// The members, and what each has, those included that have connections only.
  std::span<const candidate> candidates() const noexcept { return handoff_.members(); }
  /// The process that made its socket has left it to this one.
  void own_path() noexcept { sockets_.own_path(); }
  /// Its sockets, for another process that is to go on with them.
  passed_listener copy(
      const listen_key& asked, const wire::shared_bytes& data, std::error_code& error)
  {
    passed_listener made;
    made.asked = asked;
    made.data = data;
    sockets_.copy_to(made.sockets, error);
    return made;
  }
  /// Takes out who waits here when there is no member: another process serves them, and counts
  /// them.
  std::vector<posix::unique_fd> take_stranded();
  /// Serves who was accepted by another process.
  void adopt(posix::unique_fd accepted);

protected:
  using sockets = sockets_for<Policy>;
  using connection = typename sockets::connection_type;

  /// @param error with one it must not be used.
  connection_pump(Host& host, std::uint32_t id, listening_sockets bare, const Policy& policy,
      std::error_code& error)
      : host_(host),
        id_(id),
        handoff_(policy),
        sockets_(add_peek<Policy>(std::move(bare), handoff_.calls(), error)),
        patience_(sockets_.get_executor()),
        send_again_(sockets_.get_executor())
  {
    const overflow& when_full = handoff_.on_overflow(true);
    if (!error && when_full.how() != overflow::answer::queue)
      refusals_.emplace(sockets_.get_executor(), when_full, error);
  }
  ~connection_pump() = default;

  /// Does what can be done now: offers, answers, accepts.
  void pump();
  /// The same in a moment, once for many calls.
  void pump_soon();
  virtual void pumped() = 0;
  /// Connections wait, or would have to, because there is no room at members.
  virtual void starved() noexcept = 0;

  /// Whether nobody is to come any more after those who are there: each of them is awaited.
  void set_last_call(bool value) noexcept { last_call_ = value; }
  void accept_more();
  /// Whether some client may still need a member: what is on offer may come back.
  bool is_awaited() const noexcept;

  /// After a change of the members.
  void update_sockets();
  /// Accepts nobody before the next `pump`; until then this is no work of the context.
  void pause() noexcept;
  void close() noexcept;
  /// Closes the sockets, with which another process goes on: nobody else is accepted, and who was
  /// is served.
  void let_go();

  /// What becomes of connections while there is no member; they wait in the kernel unless it is
  /// said. With an error it is as before.
  void set_unserved(overflow how, std::error_code& error);
  /// Whether connections are accepted now though there is no member.
  bool answers_unserved() const noexcept
  {
    return !handoff_.is_served() && handoff_.on_overflow(false).how() != overflow::answer::queue;
  }
  /// Answers who waits in vain for a member, without waiting any longer.
  void answer_unserved_now();
  /// Whether clients that were told something without a member are still waited for. `close` does
  /// not end that.
  bool is_answering() const noexcept { return unserved_ && !unserved_->empty(); }
  void end_answers() noexcept
  {
    if (unserved_) unserved_->clear();
  }

  Host& host() noexcept { return host_; }
  const Host& host() const noexcept { return host_; }
  handoff<connection, Policy>& members() noexcept { return handoff_; }
  const handoff<connection, Policy>& members() const noexcept { return handoff_; }
  sockets& socket() noexcept { return sockets_; }

private:
  // One wakeup accepts so many connections at most, then others have their turn.
  static constexpr std::size_t budget_ = 256;
  // Who could not be sent to is tried again after it, if nothing tells that it can be.
  static constexpr std::chrono::milliseconds send_pause_{100};

  auto self() { return this->shared_from_this(); }
  void take_in(connection accepted, const posix::socket_address& peer);
  void dispatch();
  void send_again();
  void answer_overflow();
  void wait_for_time();

  Host& host_;
  std::uint32_t id_;
  handoff<connection, Policy> handoff_;
  sockets sockets_;
  // When nobody has room, and when there is no member.
  std::optional<io::refusals> refusals_;
  std::optional<io::refusals> unserved_;
  io::alarm patience_;
  io::alarm send_again_;
  bool pump_posted_ = false;
  bool last_call_ = false;
};

// Implementation

template <class Policy, class Host>
bool connection_pump<Policy, Host>::is_awaited() const noexcept
{
  const auto has_offers = [](const candidate& member) { return member.offers != 0; };
  return handoff_.queue_size() != 0 || (is_open() && !sockets_.is_empty()) ||
         std::ranges::any_of(handoff_.members(), has_offers);
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::update_sockets()
{
  std::error_code error;
  const bool all = last_call_ || answers_unserved();
  if (is_open()) sockets_.update(handoff_.members(), all, error);
  if (error) host_.accept_failed(error);
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::pause() noexcept
{
  sockets_.interrupt();
  patience_.call_off();
  send_again_.call_off();
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::close() noexcept
{
  patience_.call_off();
  send_again_.call_off();
  const std::size_t queued = handoff_.take_queue([](connection) noexcept {});
  handoff_.count_closed(queued + sockets_.close());
  if (refusals_) refusals_->clear();
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::let_go()
{
  // Those whose first bytes are awaited.
  if (const std::size_t held = sockets_.held(); held != 0)
    sockets_.accept(held, true, [this](connection accepted, const posix::socket_address& peer) {
      take_in(std::move(accepted), peer);
    });
  sockets_.let_go();
  pump();
}

template <class Policy, class Host>
std::vector<posix::unique_fd> connection_pump<Policy, Host>::take_stranded()
{
  std::vector<posix::unique_fd> stranded;
  if (handoff_.is_served()) return stranded;
  stranded.reserve(handoff_.queue_size());
  handoff_.take_queue([&](connection each) { stranded.push_back(std::move(each)); });
  return stranded;
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::adopt(posix::unique_fd accepted)
{
  std::error_code ignored; // it may have ended
  const posix::socket_address peer = posix::peer_address(accepted.get(), ignored);
  connection adopted(std::move(accepted));
  if constexpr (peek_of<Policy> != 0) adopted.look(peek_of<Policy>);
  take_in(std::move(adopted), peer);
  pump_soon();
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::take_in(connection accepted, const posix::socket_address& peer)
{
  connection_info info(peer.host(), peer.port(), clock::now());
  info.set_listener(id_, bound().host(), bound().port());
  handoff_.enqueue(std::move(accepted), info);
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::pump()
{
  if (handoff_.queue_size() != 0) dispatch();
  accept_more();
  answer_overflow();
  wait_for_time();
  pumped();
}

// Answers come many at a time; what they make room for is accepted and sent in one go.
template <class Policy, class Host>
void connection_pump<Policy, Host>::pump_soon()
{
  const bool idle = sockets_.is_waiting() && handoff_.queue_size() == 0 && !last_call_;
  if (idle || std::exchange(pump_posted_, true)) return;
  asio::post(sockets_.get_executor(), [self = self()] {
    self->pump_posted_ = false;
    self->pump();
  });
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::dispatch()
{
  // `writable` follows when it was for lack of room; after any other error nothing would.
  if (!offer_queued(handoff_, host_, id_) && !send_again_.is_set())
    send_again_.set_after(send_pause_, [self = self()] { self->send_again(); });
  if (handoff_.queue_size() != 0) starved();
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::send_again()
{
  for (const candidate& each : handoff_.members()) handoff_.set_open(each.id, true);
  pump();
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::accept_more()
{
  if (!is_open() || sockets_.is_waiting()) return;
  const std::uint64_t enough = handoff_.counters().accepted + budget_;
  while (handoff_.counters().accepted < enough) {
    // Without credit the kernel's queue holds what comes. Only a last call looks what is there.
    std::size_t room = handoff_.capacity();
    if (room == 0 && last_call_ && handoff_.queue_size() == 0) room = 1;
    if (room == 0) return starved();
    const std::error_code error = sockets_.accept(
        room, last_call_, [this](connection accepted, const posix::socket_address& peer) {
          take_in(std::move(accepted), peer);
        });
    if (handoff_.queue_size() != 0) dispatch();
    if (!error) continue;
    // All who came before a last call are in; it does not wait for those who come now.
    if (posix::would_block(error) && last_call_) return void(sockets_.close());
    if (posix::would_block(error)) break;
    host_.accept_failed(error);
    return sockets_.back_off([self = self()] { self->pump(); });
  }
  sockets_.wait([self = self()] { self->pump(); });
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::answer_overflow()
{
  auto& refusals = handoff_.is_served() ? refusals_ : unserved_;
  if (!refusals || handoff_.queue_size() == 0) return;
  const auto refuse = [&](posix::unique_fd late) { refusals->refuse(std::move(late)); };
  if (handoff_.overflowed(clock::now(), refuse) == 0) return;
  refusals->attend(self());
  // Others may wait in their places.
  pump_soon();
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::set_unserved(overflow how, std::error_code& error)
{
  if (how.how() != overflow::answer::queue) {
    if (!unserved_) unserved_.emplace(sockets_.get_executor(), how, error);
    if (error) return unserved_.reset();
    unserved_->set(how);
  }
  handoff_.set_unserved(std::move(how));
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::answer_unserved_now()
{
  handoff_.set_unserved(overflow(handoff_.on_overflow(false)).after(clock::duration(0)));
  answer_overflow();
}

template <class Policy, class Host>
void connection_pump<Policy, Host>::wait_for_time()
{
  // For connections that the policy lets wait though a member is ready, or for which none has room.
  const auto deadline = handoff_.next_deadline();
  if (deadline) patience_.set(*deadline, [self = self()] { self->pump(); });
}

} // namespace cohort::detail
