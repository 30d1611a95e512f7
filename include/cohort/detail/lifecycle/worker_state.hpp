// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/exit_status.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace cohort::detail {

/// What the primary has to do about a worker.
enum class worker_action : std::uint8_t {
  /// Publish `fork_event`.
  publish_fork,
  /// Publish `online_event`.
  publish_online,
  /// Publish `listening_event`.
  publish_listening,
  /// Publish `ready_event`.
  publish_ready,
  /// Retire it from every listener: it is offered nothing more.
  stop_offers,
  /// Let it leave every listener, where it is the only member with what waits there, and write
  /// `drain` behind the last offer: the barrier that tells it that no offer follows.
  let_leave,
  /// The same when what else has happened by now is handled. A signal to all processes may be why
  /// it leaves, and whether its listeners stay open without it follows from what the primary does.
  let_leave_soon,
  /// Write `bye_ack`.
  send_bye_ack,
  /// End our side of its channels: it ends by that. What it says of connections counts still.
  finish_channels,
  /// It broke the protocol: report it and kill it. Until it is dead only what it took counts.
  condemn,
  /// Its channel ended without `bye`: kill it unless it exits within a short grace.
  fence,
  /// It is dead and all it said has been read: only now are its offers taken back.
  take_back,
  /// Its handle leaves the table of workers.
  remove,
  /// Publish `disconnect_event`.
  publish_disconnect,
  /// Publish `exit_event` with `status()`.
  publish_exit,
};

/// What one input demands, in the order in which it is to be done.
class worker_actions {
public:
  worker_actions() = default;

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const worker_action* begin() const noexcept { return actions_.data(); }
  const worker_action* end() const noexcept { return actions_.data() + size_; }

  void add(worker_action action) noexcept { actions_[size_++] = action; }

private:
  std::array<worker_action, 6> actions_{};
  std::size_t size_ = 0;
};

/// Which frames of a worker count.
enum class heeded : std::uint8_t {
  /// None: its channel has ended.
  none,
  /// It was condemned: whom it took is not handed to another one.
  taken,
  /// Its channel was cut: also whom it gives back, and who has ended.
  connections,
  all,
};

/// The life of one worker as the primary sees it, from its successful start on.
///
/// Frames are inputs in the order in which they were read. What an honest worker cannot send, or
/// not now, demands `condemn`; after that its frames are ignored, as they are when the program has
/// cut its channel. Only what is said of connections counts until the channel has ended, see
/// `heeds`.
///
/// When the exit is seen, the control channel is read to its end first (`channel_ended`, or there
/// is nothing to read although somebody still holds the other end), then comes `exited`.
class worker_state {
public:
  // The worker's frames.

  /// Its first frame, with versions that fit.
  worker_actions hello() noexcept;
  /// Any frame without an input of its own: `listen`, `credit`, `taken` and so on. The frame is
  /// handled only if nothing is demanded and `reads_frames()`.
  worker_actions frame() noexcept;
  /// It wants to leave by itself, and takes what is offered until it is told that nothing follows.
  worker_actions leaving() noexcept;
  /// It has answered all offers and takes leave.
  worker_actions bye() noexcept;
  /// It sent something malformed, or an answer that fits no offer.
  worker_actions violated() noexcept;

  // What else happens.

  /// It has been started.
  worker_actions started() noexcept;
  /// A listen of it has been carried out. Demands nothing when it has to fail, because the worker
  /// drains or is gone.
  worker_actions listen_succeeded() noexcept;
  /// It serves from now on: it said so, or a listen of it has been carried out. Any number of
  /// times; demands nothing when it drains or is gone.
  worker_actions ready() noexcept;
  /// The program wants it to leave; any number of times.
  worker_actions drain_requested() noexcept;
  /// The program cuts its channel; any number of times.
  worker_actions channel_closed() noexcept;
  /// Nothing more will be read from its control channel; any number of times.
  worker_actions channel_ended() noexcept;
  /// It has been reaped; any number of times.
  worker_actions exited(exit_status status) noexcept;

  // What is known.

  /// Whether frames of it are to be handled.
  bool reads_frames() const noexcept { return heeds() == heeded::all; }
  heeded heeds() const noexcept;
  /// Whether it may be offered connections and be made a member of listeners.
  bool takes_offers() const noexcept;
  bool is_online() const noexcept { return hello_; }
  bool is_ready() const noexcept { return ready_; }
  bool is_connected() const noexcept { return reads_frames(); }
  bool is_dead() const noexcept { return status_.has_value(); }
  /// Whether its end was announced, by `drain_requested` or by itself: a mere kill, a crash and a
  /// channel that just ends are not. False until something of that happens.
  bool exited_after_disconnect() const noexcept { return voluntary_; }
  /// Whether both `disconnect` and `exit` have been published.
  bool is_over() const noexcept { return channel_ended_ && is_dead(); }
  /// Set once it is dead.
  const std::optional<exit_status>& status() const noexcept { return status_; }

  friend bool operator==(const worker_state&, const worker_state&) = default;

private:
  bool acceptable() const noexcept { return reads_frames() && hello_ && !bye_; }
  void drain(worker_actions& actions, worker_action how) noexcept;

  std::optional<exit_status> status_;
  bool started_ = false;
  bool hello_ = false;
  bool ready_ = false;
  bool drain_sent_ = false;
  bool leaving_ = false;
  bool bye_ = false;
  bool voluntary_ = false;
  bool closed_ = false;
  bool channel_ended_ = false;
  bool condemned_ = false;
};

// Implementation

inline worker_actions worker_state::hello() noexcept
{
  if (reads_frames() && hello_) return violated();
  worker_actions actions;
  if (!reads_frames()) return actions;
  hello_ = true;
  if (!is_dead()) actions.add(worker_action::publish_online);
  return actions;
}

inline worker_actions worker_state::frame() noexcept
{
  return !reads_frames() || acceptable() ? worker_actions() : violated();
}

inline worker_actions worker_state::leaving() noexcept
{
  worker_actions actions;
  if (!reads_frames()) return actions;
  if (!acceptable() || leaving_) return violated();
  leaving_ = true;
  // Once the exit has been published, what it said about that end stays.
  if (!is_dead()) voluntary_ = true;
  drain(actions, worker_action::let_leave_soon);
  return actions;
}

inline worker_actions worker_state::bye() noexcept
{
  worker_actions actions;
  if (!reads_frames()) return actions;
  // Without the barrier behind it, an offer might still be on its way.
  if (!acceptable() || !drain_sent_) return violated();
  bye_ = true;
  if (!is_dead()) actions.add(worker_action::send_bye_ack);
  return actions;
}

inline worker_actions worker_state::violated() noexcept
{
  worker_actions actions;
  if (channel_ended_ || condemned_) return actions;
  condemned_ = true;
  actions.add(worker_action::stop_offers);
  actions.add(worker_action::condemn);
  return actions;
}

inline worker_actions worker_state::started() noexcept
{
  worker_actions actions;
  if (!started_) actions.add(worker_action::publish_fork);
  started_ = true;
  return actions;
}

inline worker_actions worker_state::listen_succeeded() noexcept
{
  worker_actions actions;
  if (takes_offers()) actions.add(worker_action::publish_listening);
  return actions;
}

inline worker_actions worker_state::ready() noexcept
{
  worker_actions actions;
  if (ready_ || !takes_offers()) return actions;
  ready_ = true;
  actions.add(worker_action::publish_ready);
  return actions;
}

inline worker_actions worker_state::drain_requested() noexcept
{
  worker_actions actions;
  if (is_dead()) return actions;
  voluntary_ = true;
  if (reads_frames()) drain(actions, worker_action::let_leave);
  return actions;
}

inline worker_actions worker_state::channel_closed() noexcept
{
  worker_actions actions;
  if (!reads_frames() || is_dead()) return actions;
  closed_ = true;
  actions.add(worker_action::stop_offers);
  actions.add(worker_action::finish_channels);
  // One that has taken its leave ends when it likes.
  if (!bye_) actions.add(worker_action::fence);
  return actions;
}

inline worker_actions worker_state::channel_ended() noexcept
{
  worker_actions actions;
  if (channel_ended_) return actions;
  channel_ended_ = true;
  actions.add(worker_action::stop_offers);
  if (is_dead()) {
    actions.add(worker_action::take_back);
    actions.add(worker_action::remove);
  } else if (!bye_ && !condemned_ && !closed_) {
    actions.add(worker_action::fence);
  }
  actions.add(worker_action::publish_disconnect);
  return actions;
}

inline worker_actions worker_state::exited(exit_status status) noexcept
{
  worker_actions actions;
  if (is_dead()) return actions;
  status_ = status;
  actions.add(worker_action::stop_offers);
  if (channel_ended_) {
    actions.add(worker_action::take_back);
    actions.add(worker_action::remove);
  }
  actions.add(worker_action::publish_exit);
  return actions;
}

inline heeded worker_state::heeds() const noexcept
{
  if (channel_ended_) return heeded::none;
  if (condemned_) return heeded::taken;
  return closed_ ? heeded::connections : heeded::all;
}

inline bool worker_state::takes_offers() const noexcept
{
  return acceptable() && !drain_sent_ && !is_dead();
}

inline void worker_state::drain(worker_actions& actions, worker_action how) noexcept
{
  if (drain_sent_) return;
  drain_sent_ = true;
  actions.add(is_dead() ? worker_action::stop_offers : how);
}

} // namespace cohort::detail
