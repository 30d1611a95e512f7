// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_answers.hpp>
#include <cohort/detail/io/frame_channel.hpp>
#include <cohort/detail/lifecycle/unanswered_offers.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/detail/wire/control.hpp>

#include <asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// The primary's end of a worker's control channel: what may wait there, and who is owed an answer.
///
/// `Owner` is that of an `io::frame_channel`.
template <class Owner>
class control_link {
public:
  control_link(const asio::any_io_executor& executor, posix::unique_fd socket)
      : channel_(executor, std::move(socket), wire::max_control_payload)
  {
  }

  void start(std::shared_ptr<Owner> owner) { channel_.start(std::move(owner)); }
  bool is_open() const noexcept { return channel_.is_open(); }
  void read_to_end() { channel_.read_to_end(); }
  /// Ends this side behind what waits: nothing more can be sent, and reading goes on.
  void finish() { channel_.finish(); }
  void close() noexcept { channel_.close(); }

  /// All or nothing. False: there is no room, which `answered` or the owner's `on_channel_writable`
  /// ends, or an error says why it cannot be sent.
  bool send_offer(
      const wire::offer& message, std::span<const int> descriptors, std::error_code& error);
  /// The worker has answered so many offers.
  /// @return whether others were refused before, and may be sent now.
  bool answered(std::size_t count) noexcept { return offers_.answered(count); }

  /// Sends it now or later. False: more waits than for a worker that is merely slow.
  template <class Message>
  bool send(const Message& message);

  /// Sends it now or not at all, as `send_offer`.
  bool try_send(const wire::turn& message)
  {
    // A channel that is broken tells its end on its own.
    std::error_code ignored;
    return channel_.try_send(wire::control_frame(message).bytes(), {}, ignored);
  }

  /// Keeps the answer until there is room for it; false as `send`.
  /// @param unheard called with the number of a listener that the worker will never know.
  template <class Unheard>
  bool send_answer(listen_answer answer, Unheard unheard);
  template <class Unheard>
  bool send_answers(Unheard unheard);

  /// The worker listens there now. Nothing when it was not told that it may.
  std::optional<listening_place> confirmed(std::uint32_t listener)
  {
    return answers_.confirmed(listener);
  }
  /// It does no more, or never did.
  void closed(std::uint32_t listener) { answers_.confirmed(listener); }

private:
  // Far more than all that waits for one who is merely slow: answers to its own questions.
  static constexpr std::size_t max_queued_bytes_ = 256 * 1024;

  io::frame_channel<Owner> channel_;
  unanswered_offers offers_;
  listen_answers answers_;
};

// Implementation

template <class Owner>
bool control_link<Owner>::send_offer(
    const wire::offer& message, std::span<const int> descriptors, std::error_code& error)
{
  if (!offers_.has_room(descriptors.size())) return false;
  if (!channel_.try_send(wire::control_frame(message).bytes(), descriptors, error)) return false;
  offers_.offered(descriptors.size());
  return true;
}

template <class Owner>
template <class Message>
bool control_link<Owner>::send(const Message& message)
{
  channel_.send(wire::control_frame(message).bytes());
  return channel_.queued_bytes() <= max_queued_bytes_;
}

template <class Owner>
template <class Unheard>
bool control_link<Owner>::send_answer(listen_answer answer, Unheard unheard)
{
  answers_.add(std::move(answer));
  return send_answers(std::move(unheard));
}

template <class Owner>
template <class Unheard>
bool control_link<Owner>::send_answers(Unheard unheard)
{
  answers_.send(channel_, std::move(unheard));
  return !answers_.too_many();
}

} // namespace cohort::detail
