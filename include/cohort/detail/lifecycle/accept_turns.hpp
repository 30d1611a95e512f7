// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace cohort::detail {

/// Whose turn it is to accept from a socket that several workers watch: everybody's, but those who
/// have accepted more than another one by too much are held back until it has caught up.
///
/// Who is held back lets others go first for a moment, and then accepts whom they have left to it.
/// When that happens often, those who may go first are occupied, or stopped: nobody waits for them
/// then for a while, which is longer each time that this happens to them.
class accept_turns {
public:
  /// It accepts nothing at first. Once it does, it counts as if it had kept up until then.
  void join(worker_id worker);
  void leave(worker_id worker) noexcept;

  /// Whether it accepts at all: it has room, and its program asks. Nobody waits for one that does
  /// not.
  void set_accepting(worker_id worker, bool value) noexcept;

  /// It has accepted so many more.
  /// @param left how many of them others had left to it when it was held back.
  void accepted(worker_id worker, std::uint32_t count, std::uint32_t left) noexcept;

  /// Calls `tell(worker, go)` for each whose turn has changed since it was told. One for whom it
  /// returns false has not been, and is told the next time.
  template <class Tell>
  void tell(Tell tell);

private:
  // So far ahead of another member one is held back, and so far it is let go.
  static constexpr std::int64_t hold_at_ = 8;
  static constexpr std::int64_t let_go_at_ = 4;
  // Too many are left when they are sixteen in a row, or for long more than one in four. While idle
  // members may go, it is hardly one in a hundred.
  static constexpr std::int64_t weight_of_left_ = 3;
  static constexpr std::int64_t too_many_left_ = 16 * weight_of_left_;
  // For so many connections of each of the others nobody waits for one that was missed.
  static constexpr std::int64_t shortest_absence_ = 16;
  static constexpr std::int64_t longest_absence_ = 1024;
  // It makes up for so many then: for a moment in which it did not run, not for an hour.
  static constexpr std::int64_t largest_debt_ = 64;
  static constexpr std::int64_t nobody_ = std::numeric_limits<std::int64_t>::max();

  struct member {
    worker_id worker;
    // How many it has accepted; while it does not, how many more than `pace_`.
    std::int64_t taken = 0;
    bool accepting = false;
    // Nobody waits for it until the pace is `back_at`.
    bool missed = false;
    std::int64_t back_at = 0;
    // How long that is the next time.
    std::int64_t absence = shortest_absence_;
    bool held = false;
    bool told_held = false;

    bool counts() const noexcept { return accepting && !missed; }
  };

  member* find(worker_id worker) noexcept;
  bool update() noexcept;
  void miss_those_who_may_go() noexcept;
  void end_absences() noexcept;

  std::vector<member> members_;
  // What even the last one of those who count has, but for one that makes up for a debt.
  std::int64_t pace_ = 0;
  // Connections that were left, by weight, less those that were not.
  std::int64_t left_ = 0;
};

// Implementation

inline auto accept_turns::find(worker_id worker) noexcept -> member*
{
  const auto found = std::ranges::find(members_, worker, &member::worker);
  return found == members_.end() ? nullptr : &*found;
}

inline void accept_turns::join(worker_id worker)
{
  leave(worker);
  member added;
  added.worker = worker;
  members_.push_back(added);
}

inline void accept_turns::leave(worker_id worker) noexcept
{
  std::erase_if(members_, [&](const member& each) { return each.worker == worker; });
  update();
}

inline void accept_turns::set_accepting(worker_id worker, bool value) noexcept
{
  member* const found = find(worker);
  if (!found || found->accepting == value) return;
  found->accepting = value;
  // Its distance to the others stays as it is, whatever they do meanwhile.
  if (value) found->taken += pace_;
  update();
  if (!value) found->taken -= pace_;
}

inline void accept_turns::accepted(
    worker_id worker, std::uint32_t count, std::uint32_t left) noexcept
{
  member* const found = find(worker);
  if (!found) return;
  found->taken += count;
  left_ += weight_of_left_ * left;
  left_ = std::max<std::int64_t>(left_ - (count - left), 0);
  if (left_ >= too_many_left_) miss_those_who_may_go();
  // Waiting for it was worth while.
  if (update() && !found->held) found->absence = shortest_absence_;
  end_absences();
}

inline void accept_turns::miss_those_who_may_go() noexcept
{
  left_ = 0;
  std::int64_t last_to_wait = nobody_;
  for (const member& each : members_)
    if (each.counts() && each.held) last_to_wait = std::min(last_to_wait, each.taken);
  // Nobody waits any more.
  if (last_to_wait == nobody_) return;
  pace_ = std::max(pace_, last_to_wait);
  for (member& each : members_) {
    if (!each.counts() || each.held) continue;
    each.missed = true;
    each.back_at = pace_ + each.absence;
    each.absence = std::min(2 * each.absence, longest_absence_);
  }
  update();
}

inline void accept_turns::end_absences() noexcept
{
  for (member& each : members_) {
    if (!each.missed || pace_ < each.back_at) continue;
    each.missed = false;
    each.taken = std::max(each.taken, (each.accepting ? pace_ : 0) - largest_debt_);
  }
  update();
}

// True: somebody may go again.
inline bool accept_turns::update() noexcept
{
  std::int64_t least = nobody_;
  for (const member& each : members_)
    if (each.counts()) least = std::min(least, each.taken);
  if (least == nobody_) return false;
  pace_ = std::max(pace_, least);
  bool let_go = false;
  for (member& each : members_) {
    if (!each.counts()) continue;
    if (each.held && each.taken <= least + let_go_at_) {
      each.held = false;
      let_go = true;
    } else if (each.taken >= least + hold_at_) {
      each.held = true;
    }
  }
  return let_go;
}

template <class Tell>
void accept_turns::tell(Tell tell)
{
  for (member& each : members_)
    if (each.held != each.told_held && tell(each.worker, !each.held)) each.told_held = each.held;
}

} // namespace cohort::detail
