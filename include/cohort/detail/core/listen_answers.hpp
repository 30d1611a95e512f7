// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listening_place.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/error.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// The answer to a listen, and the socket that the worker accepts from itself, if it does so.
struct listen_answer : wire::listen_reply {
  /// For a worker that is to leave.
  static listen_answer draining(std::uint32_t request)
  {
    listen_answer answer;
    answer.request = request;
    answer.category = wire::error_kind::cohort;
    answer.value = static_cast<std::int32_t>(error::draining);
    return answer;
  }

  posix::unique_fd socket;
  listening_place place;
};

/// Answers to listens: until the control channel has room for them, and then until the worker says
/// that it listens.
class listen_answers {
public:
  void add(listen_answer answer) { waiting_.push_back(std::move(answer)); }

  /// Whether more of them wait than anybody needs: the worker asks and does not read.
  bool too_many() const noexcept { return waiting_.size() > most_; }

  /// Sends what there is room for now; the channel tells when there is more. What the kernel
  /// refuses is an error for the worker, and given to `refused(listener)` first.
  template <class Channel, class Refused>
  void send(Channel& channel, Refused refused);

  /// Where the listener is of which the worker was told, once: it has answered that, one way or
  /// another.
  std::optional<listening_place> confirmed(std::uint32_t listener);

private:
  static constexpr std::size_t most_ = 256;

  std::deque<listen_answer> waiting_;
  // By listener; no more than the worker may know.
  std::map<std::uint32_t, listening_place> told_;
};

// Implementation

template <class Channel, class Refused>
void listen_answers::send(Channel& channel, Refused refused)
{
  while (!waiting_.empty()) {
    const wire::listen_reply& reply = waiting_.front();
    const std::array<int, 1> socket = {waiting_.front().socket.get()};
    std::error_code error;
    if (channel.try_send(wire::control_frame(reply).bytes(),
            std::span(socket).first(reply.descriptors()), error)) {
      if (reply.category == wire::error_kind::none)
        told_.insert_or_assign(reply.listener, std::move(waiting_.front().place));
      waiting_.pop_front();
      continue;
    }
    if (!error) return;
    wire::listen_reply failure;
    failure.request = reply.request;
    refused(reply.listener);
    failure.category = wire::error_kind::system;
    failure.value = error.value();
    waiting_.pop_front();
    channel.send(wire::control_frame(failure).bytes());
  }
}

inline std::optional<listening_place> listen_answers::confirmed(std::uint32_t listener)
{
  const auto found = told_.extract(listener);
  return found ? std::optional(std::move(found.mapped())) : std::nullopt;
}

} // namespace cohort::detail
