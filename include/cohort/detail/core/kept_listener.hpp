// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/connection_pump.hpp>
#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/listening_sockets.hpp>
#include <cohort/detail/core/passed_listener.hpp>
#include <cohort/detail/wire/control_messages.hpp>
#include <cohort/overflow.hpp>

#include <cstdint>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// How long a listener stays open: while it has members, and as long as somebody else wants it.
///
/// `Host` is as that of `shared_listener`, which says who the members are.
template <class Policy, class Host>
class kept_listener : public connection_pump<Policy, Host> {
  using base = connection_pump<Policy, Host>;

public:
  /// The primary listens here itself: the socket stays open without members.
  void hold();
  bool is_held() const noexcept { return held_; }
  /// No more. Without members it is closed, and who is in the primary already gets the answer.
  void release();

  /// Its sockets, for another process that may listen in its place: until it is known whether it
  /// does, they stay open without members as well.
  passed_listener pass(
      const listen_key& asked, const wire::shared_bytes& data, std::error_code& error);
  /// It does not.
  void take_back();
  /// Another process may have said otherwise which sockets new connections go to.
  void spread_anew()
  {
    this->socket().forget_weights();
    this->update_sockets();
  }
  /// It does; who was accepted here is served here. What it has
  /// not got stays open as long as it has members, or is held.
  void let_go()
  {
    // Whoever waits there is served by its last member: no other one is to come.
    if (!passed_) {
      hold_when_empty_ = false;
      return;
    }
    has_successor_ = true;
    held_ = passed_ = false;
    // Who has no member here is served there, and answered by nobody.
    std::error_code none;
    base::set_unserved(overflow::queue(), none);
    base::let_go();
  }

  /// Whether another process listens in its place.
  bool has_successor() const noexcept { return has_successor_; }

  /// What becomes of connections while there is no member, from now on. With an error it is as
  /// before.
  void set_unserved(overflow how, std::error_code& error);

  /// Closes the socket when no member is left, and nobody else wants it.
  void close_if_empty() noexcept
  {
    if (!this->members().is_served() && !held_ && !passed_) this->close();
  }

protected:
  kept_listener(Host& host, std::uint32_t id, listening_sockets bare, bool hold_when_empty,
      const Policy& policy, std::error_code& error)
      : base(host, id, std::move(bare), policy, error),
        hold_when_empty_(hold_when_empty)
  {
  }
  ~kept_listener() = default;

  /// Whether it stays open without members.
  bool stays_empty() const noexcept
  {
    return held_ || passed_ || (hold_when_empty_ && !has_successor_ && !this->host().ending());
  }
  /// It does from now on, whatever was to be done before its end.
  virtual void kept() = 0;

  void members_changed()
  {
    this->update_sockets();
    this->pump();
  }
  /// One is no member any more.
  void check_members();

private:
  bool hold_when_empty_;
  bool held_ = false;
  // Another process has its sockets as well, and may go on with them.
  bool passed_ = false;
  bool has_successor_ = false;
};

// Implementation

template <class Policy, class Host>
void kept_listener<Policy, Host>::hold()
{
  held_ = true;
  kept();
}

template <class Policy, class Host>
void kept_listener<Policy, Host>::release()
{
  held_ = false;
  std::error_code none; // nothing is made for it
  if (this->members().is_served()) return base::set_unserved(overflow::queue(), none);
  this->answer_unserved_now();
  if (!passed_) return this->close();
  // Who comes now waits for the other process.
  set_unserved(overflow::queue(), none);
}

template <class Policy, class Host>
passed_listener kept_listener<Policy, Host>::pass(
    const listen_key& asked, const wire::shared_bytes& data, std::error_code& error)
{
  passed_ = true;
  this->socket().set_complete(true);
  kept();
  return this->copy(asked, data, error);
}

template <class Policy, class Host>
void kept_listener<Policy, Host>::take_back()
{
  if (!std::exchange(passed_, false)) return;
  this->socket().set_complete(false);
  spread_anew();
  check_members();
}

template <class Policy, class Host>
void kept_listener<Policy, Host>::set_unserved(overflow how, std::error_code& error)
{
  base::set_unserved(std::move(how), error);
  if (this->members().is_served()) return;
  this->pause();
  members_changed();
}

template <class Policy, class Host>
void kept_listener<Policy, Host>::check_members()
{
  if (this->members().is_served()) return;
  // Nobody can be served before the next one joins, or another process takes them.
  if (stays_empty() || has_successor_) this->pause();
  else this->close();
}

} // namespace cohort::detail
