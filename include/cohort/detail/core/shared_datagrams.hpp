// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_answers.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/predecessor.hpp>
#include <cohort/detail/posix/fd_passing.hpp>
#include <cohort/detail/posix/listening.hpp>
#include <cohort/detail/posix/socket_address.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The datagram sockets that workers share: each is bound by the primary, which keeps it as long as
/// one of them has it, and read and written by the workers.
///
/// Either all workers have one socket, or each has one of its own on the same port. The own one of
/// a worker that is gone is closed, or the kernel would go on sending datagrams to it that nobody
/// reads: what waits there is lost, as datagrams may be.
class shared_datagrams {
public:
  /// @param own_sockets whether each worker has one of its own.
  explicit shared_datagrams(bool own_sockets) noexcept : own_sockets_(own_sockets) {}

  /// Gives the worker the socket it asks for, which is bound when there is none.
  /// @param number what the worker knows it by if it is bound now, and how many other sockets are.
  /// @param inherited the socket, when it is no address that is asked for: then all share it.
  /// @return whether that number is in use now.
  bool join(worker_id worker, const wire::listen& message, const listen_key& asked,
      std::uint32_t number, posix::unique_fd inherited, listen_answer& answer,
      std::error_code& error);

  /// The worker has closed it. Nothing happens for what is none of these.
  void left(worker_id worker, std::uint32_t number, bool hold);
  /// The worker has left all of them, or is gone.
  /// @param hold whether sockets stay for the next worker where that was asked for.
  void gone(worker_id worker, bool hold);

  /// Adds copies of what is bound, for a program that may replace this one: until it is known
  /// whether it does, one socket of each stays open here.
  void pass_to(std::vector<passed_listener>& copies, std::error_code& error);
  /// That is known; `hold` as with `gone`.
  void take_back(bool hold);

  /// Closes what no worker uses.
  void close_unused();
  void close() noexcept { entries_.clear(); }

  /// How many the worker has.
  std::size_t joined(worker_id worker) const noexcept;
  std::size_t size() const noexcept { return entries_.size(); }

private:
  struct member {
    worker_id worker;
    // With sockets of their own; 0 is nobody.
    posix::unique_fd socket;
  };
  struct entry {
    listen_key asked;
    std::uint32_t number;
    posix::socket_address bound;
    posix::listen_settings settings;
    bool hold;
    bool passed;
    bool own_sockets;
    wire::shared_bytes data;
    // Of all, or, with sockets of their own, of the one who comes next.
    posix::unique_fd socket;
    std::vector<member> members;

    auto find(worker_id worker) const noexcept
    {
      return std::ranges::find(members, worker, &member::worker);
    }
    bool has(worker_id worker) const noexcept { return find(worker) != members.end(); }
    // Whether it stays without members.
    bool stays(bool may_hold) const noexcept { return passed || (hold && may_hold); }
  };

  entry* find(worker_id worker, const listen_key& asked, bool reuse_address) noexcept;
  entry create(const wire::listen& message, const listen_key& asked, posix::unique_fd inherited,
      std::error_code& error) const;
  posix::unique_fd add(entry& to, worker_id worker, std::error_code& error) const;
  void remove(entry& from, worker_id worker, bool hold);
  void forget_unused(bool hold);

  bool own_sockets_;
  std::vector<entry> entries_;
};

// Implementation

inline bool shared_datagrams::join(worker_id worker, const wire::listen& message,
    const listen_key& asked, std::uint32_t number, posix::unique_fd inherited,
    listen_answer& answer, std::error_code& error)
{
  const bool reuse_address = (message.flags & wire::listen_reuse_address) != 0;
  entry* found = find(worker, asked, reuse_address);
  if (found && found->has(worker)) {
    error = std::make_error_code(std::errc::address_in_use);
    return false;
  }
  const bool creates = !found;
  if (creates) {
    entry created = create(message, asked, std::move(inherited), error);
    if (error) return false;
    created.number = number;
    found = &entries_.emplace_back(std::move(created));
  }
  answer.socket = add(*found, worker, error);
  if (error) {
    // Nobody has it.
    if (creates) entries_.pop_back();
    return false;
  }
  answer.how = found->own_sockets ? wire::sharing::own_socket : wire::sharing::one_socket;
  answer.listener = found->number;
  answer.address = wire::address_bytes(found->bound.bytes());
  answer.data = found->data;
  answer.place.bound = found->bound;
  answer.place.datagram = true;
  if (wire::is_inherited(asked.kind))
    answer.place.inherited_fd = static_cast<int>(asked.descriptor);
  return creates;
}

inline auto shared_datagrams::find(
    worker_id worker, const listen_key& asked, bool reuse_address) noexcept -> entry*
{
  for (entry& each : entries_) {
    if (each.asked != asked && !asked.names(each.bound)) continue;
    // Who may have several sockets there has them from others, one after the other.
    if (!reuse_address || !each.has(worker)) return &each;
  }
  return nullptr;
}

inline auto shared_datagrams::create(const wire::listen& message, const listen_key& asked,
    posix::unique_fd inherited, std::error_code& error) const -> entry
{
  entry created{};
  created.asked = asked;
  created.data = message.data;
  created.hold = (message.flags & wire::listen_hold_when_empty) != 0;
  created.settings.ipv6_only = (message.flags & wire::listen_ipv6_only) != 0;
  created.settings.reuse_address = (message.flags & wire::listen_reuse_address) != 0;
  const bool is_one_socket =
      inherited || !asked.name.empty() || asked.kind != wire::listen_kind::udp;
  created.own_sockets = own_sockets_ && !is_one_socket;
  created.settings.reuse_port = created.settings.first_of_port = created.own_sockets;
  // Of the program that this one replaces: of several, the others come anew.
  passed_listener passed = predecessor::of_this_process().take(asked);
  if (!passed.sockets.empty()) inherited = std::move(passed.sockets.front());
  created.socket = inherited ? std::move(inherited)
                             : posix::bind_datagram(asked.address, created.settings, error);
  created.settings.first_of_port = false;
  if (!error) created.bound = posix::local_address(created.socket.get(), error);
  return created;
}

inline posix::unique_fd shared_datagrams::add(
    entry& to, worker_id worker, std::error_code& error) const
{
  posix::unique_fd own;
  if (!to.socket) own = posix::bind_datagram(to.bound, to.settings, error);
  if (error) return {};
  posix::unique_fd copy = posix::duplicate(own ? own.get() : to.socket.get(), error);
  if (error) return {};
  if (to.own_sockets && !own) own = std::move(to.socket);
  to.members.push_back({worker, std::move(own)});
  return copy;
}

inline void shared_datagrams::remove(entry& from, worker_id worker, bool hold)
{
  const auto found = from.find(worker);
  if (found == from.members.end()) return;
  const auto index = static_cast<std::size_t>(found - from.members.begin());
  if (from.own_sockets && from.stays(hold) && from.members.size() == 1)
    from.socket = std::move(from.members[index].socket);
  from.members.erase(found);
}

inline void shared_datagrams::forget_unused(bool hold)
{
  std::erase_if(
      entries_, [hold](const entry& each) { return each.members.empty() && !each.stays(hold); });
}

inline void shared_datagrams::left(worker_id worker, std::uint32_t number, bool hold)
{
  for (entry& each : entries_)
    if (each.number == number) remove(each, worker, hold);
  forget_unused(hold);
}

inline void shared_datagrams::gone(worker_id worker, bool hold)
{
  for (entry& each : entries_) remove(each, worker, hold);
  forget_unused(hold);
}

inline void shared_datagrams::pass_to(std::vector<passed_listener>& copies, std::error_code& error)
{
  for (entry& each : entries_) {
    each.passed = true;
    passed_listener copy;
    copy.asked = each.asked;
    copy.data = each.data;
    const auto add = [&](const posix::unique_fd& socket) {
      if (socket && !error) copy.sockets.push_back(posix::duplicate(socket.get(), error));
    };
    add(each.socket);
    for (const member& one : each.members) add(one.socket);
    if (!copy.sockets.empty()) copies.push_back(std::move(copy));
  }
}

inline void shared_datagrams::take_back(bool hold)
{
  for (entry& each : entries_) each.passed = false;
  forget_unused(hold);
}

inline void shared_datagrams::close_unused() { forget_unused(false); }

inline std::size_t shared_datagrams::joined(worker_id worker) const noexcept
{
  return static_cast<std::size_t>(
      std::ranges::count_if(entries_, [&](const entry& each) { return each.has(worker); }));
}

} // namespace cohort::detail
