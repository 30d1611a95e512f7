// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/counters.hpp>
#include <cohort/detail/core/inheritable_sockets.hpp>
#include <cohort/detail/core/listen_answers.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/listener_figures.hpp>
#include <cohort/detail/core/make_listening_sockets.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/core/shared_datagrams.hpp>
#include <cohort/detail/core/shared_listener.hpp>
#include <cohort/detail/lifecycle/counter_sum.hpp>
#include <cohort/detail/lifecycle/listener_ledger.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/error.hpp>
#include <cohort/scheduling/policy.hpp>

#include <asio/any_io_executor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// All listeners of a cluster: finds the one a worker means, and tells each what concerns it.
///
/// The functions that pass on what a worker says return false when it contradicts what is known
/// here, a violation of the protocol. What names a listener that existed once is ignored: it
/// crossed the listener's end on the way.
template <class Policy, class Host>
class dispatcher {
public:
  using listener = shared_listener<Policy, Host>;

  /// On so many listeners one worker may be known, those included that it has closed and still owes
  /// something to. Beyond it a listen fails with EMFILE: each is a descriptor here.
  static constexpr std::size_t max_listeners = 256;

  dispatcher(const asio::any_io_executor& executor, Host& host, Policy policy)
      : executor_(executor),
        host_(host),
        policy_(std::move(policy)),
        datagrams_(sharing_of(policy_, false) == wire::sharing::own_socket)
  {
  }

  /// Makes the worker a member of the listener it asks for, or gives it the datagram socket it asks
  /// for; either is created when there is none.
  listen_answer listen(const candidate& worker, const wire::listen& message);

  bool received(worker_id worker, const wire::taken& message)
  {
    return pass(message.listener, [&](listener& to) { return to.taken(worker, message); });
  }
  bool received(worker_id worker, const wire::refused& message)
  {
    return pass(message.listener, [&](listener& to) { return to.refused(worker, message); });
  }
  bool received(worker_id worker, const wire::released& message)
  {
    return pass(message.listener, [&](listener& to) { return to.released(worker, message); });
  }
  bool received(worker_id worker, const wire::credit& message)
  {
    return pass(message.listener, [&](listener& to) { return to.credit(worker, message.window); });
  }
  bool received(worker_id worker, const wire::accepted& message)
  {
    return pass(message.listener, [&](listener& to) { return to.accepted(worker, message); });
  }
  bool received(worker_id worker, const wire::close& message);
  bool received(worker_id worker, const wire::load& message);

  /// Where the worker listens, it counts with this weight from now on.
  void set_weight(worker_id worker, std::uint32_t weight);

  /// Tries to make the worker leave every listener: false while a last call is under way somewhere.
  bool leave(worker_id worker);
  /// Whether it listens anywhere still, if only for its last call.
  bool is_member(worker_id worker) const noexcept;
  void retire(worker_id worker);
  void gone(worker_id worker);
  void writable(worker_id worker);

  // For the primary's own listening, see `primary_listens`, and for another program that takes this
  // one's place, see `pass_listeners`.

  /// The listener that is meant, if there is one that is open.
  std::shared_ptr<listener> find(const listen_key& asked) const;
  /// A new one, without a member.
  std::shared_ptr<listener> create(const wire::listen& message, const listen_key& asked,
      posix::unique_fd inherited, std::error_code& error);
  /// Those at which nothing is left to be done.
  void forget_finished();
  /// `visit(listener&, const listen_key&, const wire::shared_bytes& data)` with each, which may be
  /// its end.
  template <class Visitor>
  void for_each_asked(Visitor visit);
  shared_datagrams& datagrams() noexcept { return datagrams_; }
  /// Whether sockets stay without a worker where that was asked for.
  bool holds() const noexcept { return !host_.ending(); }

  /// Which sockets that were made elsewhere anybody may listen on.
  inheritable_sockets& inheritable() noexcept { return inheritable_; }

  /// Closes what no worker uses.
  void close_unused();
  void close();

  connection_counters counters() const
  {
    connection_counters sum = ledger_.sum();
    for (const entry& each : entries_) sum += each.listener->counters();
    return sum;
  }
  /// What was counted at listeners that are gone.
  listener_ledger& ledger() noexcept { return ledger_; }
  const listener_ledger& ledger() const noexcept { return ledger_; }
  /// `visit(const listener&, const listen_key&)` with each, those included that are closed and have
  /// connections still.
  template <class Visitor>
  void visit_listeners(Visitor visit) const
  {
    for (const entry& each : entries_) visit(std::as_const(*each.listener), each.asked);
  }
  /// How many listeners there are, those included that only wait for their connections' ends.
  std::size_t size() const noexcept { return entries_.size() + datagrams_.size(); }

private:
  template <class Call>
  bool pass(std::uint32_t id, Call call);
  template <class Call>
  void for_each(Call call);
  void join(const candidate& worker, const wire::listen& message, const listen_key& asked,
      posix::unique_fd inherited, listen_answer& answer, std::error_code& error);
  bool has_room(worker_id worker) const noexcept;
  void share_credit(worker_id worker);

  struct entry {
    listen_key asked;
    std::shared_ptr<dispatcher::listener> listener;
    wire::shared_bytes data;
  };

  asio::any_io_executor executor_;
  Host& host_;
  Policy policy_;
  std::vector<entry> entries_;
  shared_datagrams datagrams_;
  inheritable_sockets inheritable_;
  std::uint32_t next_id_ = 1;
  // Of listeners that are gone, here or in an earlier primary.
  listener_ledger ledger_;
};

// Implementation

template <class Policy, class Host>
listen_answer dispatcher<Policy, Host>::listen(const candidate& worker, const wire::listen& message)
{
  listen_answer answer;
  answer.request = message.request;
  std::error_code error;
  const listen_key asked = listen_key::of(message, error);
  posix::unique_fd inherited;
  const bool is_known = !asked.name.empty() && find(asked);
  if (!error && !is_known) inherited = inheritable_.share(asked, error);
  if (!error && wire::is_datagram(asked.kind)) {
    if (!has_room(worker.id)) error = std::make_error_code(std::errc::too_many_files_open);
    else if (datagrams_.join(
                 worker.id, message, asked, next_id_, std::move(inherited), answer, error))
      ++next_id_;
  } else if (!error) {
    join(worker, message, asked, std::move(inherited), answer, error);
  }
  if (error) {
    answer.category =
        error.category() == error_category() ? wire::error_kind::cohort : wire::error_kind::system;
    answer.value = error.value();
  }
  return answer;
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::join(const candidate& worker, const wire::listen& message,
    const listen_key& asked, posix::unique_fd inherited, listen_answer& answer,
    std::error_code& error)
{
  std::shared_ptr<listener> found = find(asked);
  if (!(found && found->knows(worker.id)) && !has_room(worker.id))
    error = std::make_error_code(std::errc::too_many_files_open);
  const bool creates = !error && !found;
  if (creates) found = create(message, asked, std::move(inherited), error);
  if (!error && found->is_member(worker.id))
    error = std::make_error_code(std::errc::address_in_use);
  if (!error) answer.socket = found->share(worker, error);
  if (!error) found->join(worker, (message.flags & wire::listen_paced) != 0);
  if (error) {
    // Nobody may wait where no worker has ever come.
    if (creates && found) {
      found->shut();
      forget_finished();
    }
    return;
  }
  share_credit(worker.id);
  answer.listener = found->id();
  answer.how = found->how();
  answer.address = wire::address_bytes(found->bound().bytes());
  answer.place.bound = found->bound();
  for (const entry& each : entries_) {
    if (each.listener != found) continue;
    answer.data = each.data;
    answer.place.path = each.asked.path;
    answer.path = wire::path_text(each.asked.path);
  }
  if (wire::is_inherited(asked.kind))
    answer.place.inherited_fd = static_cast<int>(asked.descriptor);
}

template <class Policy, class Host>
auto dispatcher<Policy, Host>::find(const listen_key& asked) const -> std::shared_ptr<listener>
{
  for (const entry& each : entries_) {
    if (!each.listener->is_open()) continue;
    if (each.asked == asked || asked.names(each.listener->bound())) return each.listener;
  }
  return nullptr;
}

template <class Policy, class Host>
auto dispatcher<Policy, Host>::create(const wire::listen& message, const listen_key& asked,
    posix::unique_fd inherited, std::error_code& error) -> std::shared_ptr<listener>
{
  auto sockets =
      make_listening_sockets(executor_, message, asked, std::move(inherited), policy_, error);
  if (!sockets) return nullptr;
  auto created = std::make_shared<listener>(host_, next_id_++, std::move(*sockets),
      (message.flags & wire::listen_hold_when_empty) != 0, policy_, error);
  if (error) return nullptr;
  entries_.push_back(entry{asked, created, message.data});
  return created;
}

template <class Policy, class Host>
template <class Call>
bool dispatcher<Policy, Host>::pass(std::uint32_t id, Call call)
{
  for (const entry& each : entries_) {
    if (each.listener->id() != id) continue;
    // The call may end this listener's entry.
    const std::shared_ptr<listener> found = each.listener;
    const bool fits = call(*found);
    if (!found->is_open()) forget_finished();
    return fits;
  }
  return id != 0 && id < next_id_;
}

template <class Policy, class Host>
template <class Call>
void dispatcher<Policy, Host>::for_each(Call call)
{
  std::vector<std::shared_ptr<listener>> all; // the call may end entries
  for (const entry& each : entries_) all.push_back(each.listener);
  for (const auto& each : all) call(*each);
  forget_finished();
}

template <class Policy, class Host>
template <class Visitor>
void dispatcher<Policy, Host>::for_each_asked(Visitor visit)
{
  for (const entry& each : std::vector(entries_)) visit(*each.listener, each.asked, each.data);
  forget_finished();
}

template <class Policy, class Host>
bool dispatcher<Policy, Host>::received(worker_id worker, const wire::close& message)
{
  const bool fits = pass(message.listener, [&](listener& from) {
    from.left(worker);
    return true;
  });
  datagrams_.left(worker, message.listener, holds());
  share_credit(worker);
  return fits;
}

template <class Policy, class Host>
bool dispatcher<Policy, Host>::received(worker_id worker, const wire::load& message)
{
  for_each([&](listener& each) { each.set_load(worker, message.value); });
  return true;
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::set_weight(worker_id worker, std::uint32_t weight)
{
  for_each([&](listener& each) { each.set_weight(worker, weight); });
}

template <class Policy, class Host>
bool dispatcher<Policy, Host>::leave(worker_id worker)
{
  datagrams_.gone(worker, holds());
  bool left = true;
  for_each([&](listener& from) {
    if (!from.leave(worker)) left = false;
  });
  return left;
}

template <class Policy, class Host>
bool dispatcher<Policy, Host>::is_member(worker_id worker) const noexcept
{
  return std::ranges::any_of(
      entries_, [&](const entry& each) { return each.listener->is_member(worker); });
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::retire(worker_id worker)
{
  datagrams_.gone(worker, holds());
  for_each([&](listener& from) { from.retire(worker); });
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::gone(worker_id worker)
{
  datagrams_.gone(worker, holds());
  for_each([&](listener& from) { from.gone(worker); });
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::writable(worker_id worker)
{
  for_each([&](listener& to) { to.writable(worker); });
}

template <class Policy, class Host>
bool dispatcher<Policy, Host>::has_room(worker_id worker) const noexcept
{
  const auto known = std::ranges::count_if(
      entries_, [&](const entry& each) { return each.listener->knows(worker); });
  return static_cast<std::size_t>(known) + datagrams_.joined(worker) < max_listeners;
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::share_credit(worker_id worker)
{
  const auto joined = std::ranges::count_if(
      entries_, [&](const entry& each) { return each.listener->is_member(worker); });
  if (joined == 0) return;
  const std::uint32_t share = wire::max_outstanding / static_cast<std::uint32_t>(joined);
  for_each([&](listener& each) { each.limit_credit(worker, std::max<std::uint32_t>(share, 1)); });
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::forget_finished()
{
  std::erase_if(entries_, [this](const entry& each) {
    if (!each.listener->is_finished()) return false;
    ledger_.add(listener_name(*each.listener, each.asked), each.listener->counters());
    return true;
  });
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::close_unused()
{
  datagrams_.close_unused();
  for_each([](listener& each) { each.close_if_empty(); });
}

template <class Policy, class Host>
void dispatcher<Policy, Host>::close()
{
  datagrams_.close();
  for_each([](listener& each) { each.shut(); });
}

} // namespace cohort::detail
