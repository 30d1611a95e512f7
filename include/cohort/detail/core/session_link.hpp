// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

namespace cohort::detail {

/// A place in a list of sessions, or the list itself, which is a place without a session: a ring.
/// Leaves its list when it ends.
template <class Session>
class session_link {
public:
  explicit session_link(Session* session = nullptr) noexcept : session_(session) {}
  ~session_link() { leave(); }
  session_link(const session_link&) = delete;
  session_link& operator=(const session_link&) = delete;

  /// The session in this place; none for a list.
  Session* session() const noexcept { return session_; }
  session_link& next() noexcept { return *next_; }
  /// Whether there is no other place in this list.
  bool alone() const noexcept { return next_ == this; }

  void leave() noexcept
  {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = this;
  }

  /// Leaves its list for the place behind `other`.
  void follow(session_link& other) noexcept
  {
    leave();
    previous_ = &other;
    next_ = other.next_;
    next_->previous_ = other.next_ = this;
  }

  /// Leaves its list for the end of `list`.
  void join(session_link& list) noexcept { follow(*list.previous_); }

private:
  Session* session_;
  session_link* previous_ = this;
  session_link* next_ = this;
};

/// Calls `function(session)` for all in `list`, once each. It may make any of them leave.
template <class Session, class Function>
void for_each_session(session_link<Session>& list, Function function)
{
  // Goes through the list behind the one whose turn it is.
  session_link<Session> here;
  for (session_link<Session>* each = &list.next(); each != &list; each = &here.next()) {
    here.follow(*each);
    if (each->session()) function(*each->session());
  }
}

} // namespace cohort::detail
