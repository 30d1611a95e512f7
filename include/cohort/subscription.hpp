// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/config.hpp>
#include <cohort/detail/core/event_bus.hpp>

#include <asio/async_result.hpp>

#include <memory>
#include <system_error>
#include <utility>

namespace cohort {

/// The events of some kinds from the moment `cluster::subscribe` was called, one by one and in
/// order. Dropping it ends the subscription; waits in flight end with `operation_aborted`.
///
/// Thread safety: distinct objects safe, shared objects unsafe.
template <class... Events>
class subscription {
public:
  /// The event, or a `std::variant` when there are several kinds.
  using value_type = typename detail::subscribed_value<Events...>::type;

  /// The library's own.
  explicit subscription(std::shared_ptr<detail::subscriber_of<Events...>> subscriber) noexcept
      : subscriber_(std::move(subscriber))
  {
  }

  subscription(subscription&&) noexcept = default;
  subscription& operator=(subscription&&) noexcept = default;

  /// Waits for the next event; one that has happened already completes it at once.
  ///
  /// Completion signature: `void(std::error_code, value_type)`.
  /// Per-operation cancellation: terminal, partial and total; no event is lost by it.
  /// Errors: `error::events_lost` once after more than 4,096 events were left unread (those that
  /// follow were dropped), `operation_aborted` when the cluster goes away.
  template <class Token = default_token_t<>>
  auto next(Token&& token = Token());

private:
  std::shared_ptr<detail::subscriber_of<Events...>> subscriber_;
};

// Implementation

template <class... Events>
template <class Token>
auto subscription<Events...>::next(Token&& token)
{
  return asio::async_initiate<Token, void(std::error_code, value_type)>(
      [](auto handler, std::shared_ptr<detail::subscriber_of<Events...>> subscriber) {
        subscriber->events().add(std::move(handler));
      },
      token, subscriber_);
}

} // namespace cohort
