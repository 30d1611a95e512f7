// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/lifecycle/fifo.hpp>
#include <cohort/envelope.hpp>
#include <cohort/message/protocol.hpp>

#include <asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace cohort::detail {

/// One queue of handlers for each type of a list.
template <class List>
struct typed_waits;

template <class... Messages>
struct typed_waits<message_list<Messages...>> {
  explicit typed_waits(const asio::any_io_executor& executor) : queues(same<Messages>(executor)...)
  {
  }

  // As many arguments as there are types.
  template <class>
  static const asio::any_io_executor& same(const asio::any_io_executor& executor)
  {
    return executor;
  }

  std::tuple<wait_queue<envelope<Messages>>...> queues;
};

/// Messages that were read and not yet received, and those who wait for one: the next of any type,
/// or the next of one type. Each message goes to one of them, in order.
template <class In>
class inbox {
public:
  using received = envelope<typename In::value>;

  explicit inbox(const asio::any_io_executor& executor)
      : executor_(executor),
        any_(executor),
        typed_(executor)
  {
  }

  /// Whether somebody waits; then nothing is here that he could have.
  bool waiting() const noexcept;

  bool empty() const noexcept { return items_.empty(); }
  /// What lies here, in bytes as they came.
  std::size_t bytes() const noexcept { return bytes_; }
  /// How many messages were given away.
  std::uint64_t handed_out() const noexcept { return handed_out_; }

  /// Gives a message to one who waits for it. False: it is still the caller's.
  template <class Message>
  bool offer(received& message);

  /// Keeps a message that nobody waits for.
  template <class Message>
  void keep(received message, std::size_t size);

  /// A message that is offered from now on, and that nobody waits for, goes to `into`.
  void open_slot(received& into) noexcept { slot_ = &into; }
  bool slot_is_open() const noexcept { return slot_ != nullptr; }
  void close_slot() noexcept { slot_ = nullptr; }

  /// Takes the first one.
  bool take(received& into);

  /// `void(std::error_code, received)`; `ended` completes it at once when nothing is here.
  template <class Handler>
  void add(Handler&& handler, std::error_code ended);

  /// `void(std::error_code, envelope<Message>)`, likewise.
  template <class Message, class Handler>
  void add_one(Handler&& handler, std::error_code ended);

  /// Nothing comes any more.
  void fail(std::error_code error);

private:
  struct item {
    received message;
    std::size_t index = 0;
    std::size_t size = 0;
  };

  template <class Message>
  static envelope<Message> to_one(received&& message);
  template <class Message>
  auto& queue_of() noexcept;
  item remove(std::size_t position);

  asio::any_io_executor executor_;
  fifo<item> items_;
  received* slot_ = nullptr;
  std::size_t bytes_ = 0;
  std::uint64_t handed_out_ = 0;
  wait_queue<received> any_;
  typed_waits<typename In::base> typed_;
};

// Implementation

template <class In>
bool inbox<In>::waiting() const noexcept
{
  const auto none = [](const auto&... each) { return (each.empty() && ...); };
  return !any_.empty() || !std::apply(none, typed_.queues);
}

template <class In>
template <class Message>
auto& inbox<In>::queue_of() noexcept
{
  return std::get<In::template index_of<Message>()>(typed_.queues);
}

template <class In>
template <class Message>
auto inbox<In>::to_one(received&& message) -> envelope<Message>
{
  envelope<Message> one;
  if constexpr (std::is_same_v<typename In::value, Message>)
    one.message = std::move(message.message);
  else one.message = std::get<Message>(std::move(message.message));
  one.handles = std::move(message.handles);
  one.worker = message.worker;
  one.handles_lost = message.handles_lost;
  return one;
}

template <class In>
template <class Message>
bool inbox<In>::offer(received& message)
{
  auto& one = queue_of<Message>();
  if (!one.empty()) one.complete_one(std::error_code(), to_one<Message>(std::move(message)));
  else if (!any_.empty()) any_.complete_one(std::error_code(), std::move(message));
  else if (slot_) *std::exchange(slot_, nullptr) = std::move(message);
  else return false;
  ++handed_out_;
  return true;
}

template <class In>
template <class Message>
void inbox<In>::keep(received message, std::size_t size)
{
  items_.push_back({std::move(message), In::template index_of<Message>(), size});
  bytes_ += size;
}

template <class In>
auto inbox<In>::remove(std::size_t position) -> item
{
  item removed = std::move(items_[position]);
  items_.erase(position, 1);
  bytes_ -= removed.size;
  ++handed_out_;
  return removed;
}

template <class In>
bool inbox<In>::take(received& into)
{
  if (empty()) return false;
  into = remove(0).message;
  return true;
}

template <class In>
template <class Handler>
void inbox<In>::add(Handler&& handler, std::error_code ended)
{
  if (!empty())
    return complete_later<received>(
        executor_, std::forward<Handler>(handler), std::error_code(), remove(0).message);
  if (ended)
    return complete_later<received>(executor_, std::forward<Handler>(handler), ended, received());
  any_.add(std::forward<Handler>(handler));
}

template <class In>
template <class Message, class Handler>
void inbox<In>::add_one(Handler&& handler, std::error_code ended)
{
  using one = envelope<Message>;
  for (std::size_t i = 0; i != items_.size(); ++i) {
    if (items_[i].index != In::template index_of<Message>()) continue;
    return complete_later<one>(executor_, std::forward<Handler>(handler), std::error_code(),
        to_one<Message>(std::move(remove(i).message)));
  }
  if (ended) return complete_later<one>(executor_, std::forward<Handler>(handler), ended, one());
  queue_of<Message>().add(std::forward<Handler>(handler));
}

template <class In>
void inbox<In>::fail(std::error_code error)
{
  any_.complete_all(error);
  std::apply([&](auto&... each) { (each.complete_all(error), ...); }, typed_.queues);
}

} // namespace cohort::detail
