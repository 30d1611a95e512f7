// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/mailbox.hpp>
#include <cohort/event.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cohort::detail {

/// One who wants to see events, of whatever kinds.
class subscriber {
public:
  virtual void deliver(const any_event& event) = 0;
  virtual void close() = 0;

protected:
  ~subscriber() = default;
};

/// What a subscription to these events gives: the event, or a variant of several.
template <class First, class... Rest>
struct subscribed_value {
  using type = std::variant<First, Rest...>;
};

template <class Only>
struct subscribed_value<Only> {
  using type = Only;
};

template <class... Events>
class subscriber_of final : public subscriber {
public:
  using value_type = typename subscribed_value<Events...>::type;

  // Far more than a burst of deaths brings; what a subscriber leaves unread beyond it is reported.
  static constexpr std::size_t capacity = 4096;

  explicit subscriber_of(const asio::any_io_executor& executor) : events_(executor, capacity) {}

  mailbox<value_type>& events() noexcept { return events_; }

  void deliver(const any_event& event) override
  {
    std::visit(
        [this](const auto& each) {
          using event_type = std::decay_t<decltype(each)>;
          if constexpr ((std::is_same_v<event_type, Events> || ...)) events_.push(value_type(each));
        },
        event);
  }

  void close() override { events_.close(asio::error::operation_aborted); }

private:
  mailbox<value_type> events_;
};

/// Passes each event to every subscriber that still exists.
class event_bus {
public:
  template <class... Events>
  std::shared_ptr<subscriber_of<Events...>> subscribe(const asio::any_io_executor& executor)
  {
    auto added = std::make_shared<subscriber_of<Events...>>(executor);
    add(added);
    return added;
  }

  /// One who sees every event while it is published.
  void add(const std::shared_ptr<subscriber>& added)
  {
    std::erase_if(subscribers_, [](const auto& each) { return each.expired(); });
    subscribers_.push_back(added);
  }

  void publish(const any_event& event)
  {
    for (const auto& each : subscribers_)
      if (const auto alive = each.lock()) alive->deliver(event);
  }

  /// What was published is still delivered, then every wait ends.
  void close()
  {
    for (const auto& each : std::exchange(subscribers_, {}))
      if (const auto alive = each.lock()) alive->close();
  }

private:
  std::vector<std::weak_ptr<subscriber>> subscribers_;
};

} // namespace cohort::detail
