// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/group_place.hpp>
#include <cohort/detail/lifecycle/rollout.hpp>
#include <cohort/event.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace cohort::detail {

/// What a group demands of who runs it.
struct group_action {
  enum class kind : std::uint8_t {
    /// Start a worker of `generation` for `place`; `started` or `start_failed` is the answer.
    start,
    /// Let `worker` leave; `exited` follows.
    drain,
    /// Kill `worker`, which was not ready in time; `exited` follows.
    kill,
    /// It has given up for `reason`, until `until` if that is set.
    give_up,
    /// It tries again.
    resume,
    /// The reload is over, as `outcome` says, because of `worker` if that is not 0.
    reload_over,
    /// No worker is left, and none will be started.
    over,
  };

  kind what = kind::over;
  std::size_t place = 0;
  worker_id worker = 0;
  std::uint32_t generation = 0;
  give_up_reason reason = give_up_reason::died_too_often;
  std::optional<group_time> until;
  reload_outcome outcome = reload_outcome::succeeded;
};

/// How many of a group are on their way, which bounds how many more may be.
struct under_way {
  std::size_t booting = 0;
  /// Of a reload, and do not count yet.
  std::size_t on_trial = 0;
  /// Beside the one whose place they take.
  std::size_t taking_over = 0;
};

/// The places of a group, who is on the way out, and what is still to be done about them.
class group_roster {
public:
  using kind = group_action::kind;

  std::vector<group_place>& places() noexcept { return places_; }
  const std::vector<group_place>& places() const noexcept { return places_; }
  /// Those on their way out, with their generations.
  const std::map<worker_id, std::uint32_t>& leaving() const noexcept { return leaving_; }

  /// How many generations there are, those on their way out included.
  std::size_t generations() const;

  /// How many are ready, those on their way out not included.
  unsigned ready() const noexcept;
  under_way count_under_way(const rollout& reload, group_time now) const noexcept;
  /// `worker_burden burden(worker_id)` is asked of each that is in a place.
  template <class Burden>
  void weigh(Burden burden);

  /// Whether it is in a place, and ready.
  bool is_ready(worker_id worker) const noexcept;

  /// The worker and its place; nullptr when it is in none.
  std::pair<group_place*, placed_worker*> find(worker_id worker) noexcept;

  /// One that runs already has a place of its own from now on, and any time to be ready.
  void adopt(worker_id worker, std::uint32_t generation, bool ready, group_time now);
  /// Has a worker started for this member of `place`.
  void start(group_place& place, placed_worker& member, std::uint32_t generation);
  /// The one that was to be started runs.
  void started(std::size_t place, worker_id worker, group_time now) noexcept;
  /// The one that was to be started.
  placed_worker& asked(group_place& place) noexcept
  {
    return place.next.present ? place.next : place.current;
  }
  /// What became of earlier starts says nothing any more.
  void begin_anew(group_time now) noexcept;
  /// Has those killed, once, that were started `limit` ago or earlier and are not ready.
  void kill_late(group_time now, group_time::duration limit);
  /// Lets the member of `place` leave, if there is one.
  void leave(group_place& place, placed_worker& member);
  /// One that left has ended; false when it is not one of those.
  bool left(worker_id worker) { return leaving_.erase(worker) != 0; }
  /// Has exactly so many places; those that are given up are those that `goes_before` says, of
  /// equal ones the last. Whoever is there leaves. Places may change their numbers by it.
  void resize(std::size_t places);

  group_action& demand(kind what)
  {
    actions_.emplace_back().what = what;
    return actions_.back();
  }
  /// What is to be done next, if anything.
  std::optional<group_action> next();

private:
  void give_up(std::size_t count);
  std::size_t index_of(const group_place& place) const noexcept
  {
    return static_cast<std::size_t>(&place - places_.data());
  }

  std::vector<group_place> places_;
  std::map<worker_id, std::uint32_t> leaving_;
  std::deque<group_action> actions_;
};

// Implementation

inline std::pair<group_place*, placed_worker*> group_roster::find(worker_id worker) noexcept
{
  for (group_place& place : places_)
    for (placed_worker* member : {&place.current, &place.next})
      if (member->runs() && member->id == worker) return {&place, member};
  return {nullptr, nullptr};
}

template <class Burden>
void group_roster::weigh(Burden burden)
{
  for (group_place& place : places_)
    for (placed_worker* member : {&place.current, &place.next})
      if (member->runs()) member->burden = burden(member->id);
}

inline std::size_t group_roster::generations() const
{
  std::set<std::uint32_t> all;
  for (const auto& [worker, generation] : leaving_) all.insert(generation);
  for (const group_place& place : places_)
    for (const placed_worker* member : {&place.current, &place.next})
      if (member->present) all.insert(member->generation);
  return all.size();
}

inline unsigned group_roster::ready() const noexcept
{
  unsigned count = 0;
  for (const group_place& place : places_)
    for (const placed_worker* member : {&place.current, &place.next})
      if (member->runs() && member->ready) ++count;
  return count;
}

inline bool group_roster::is_ready(worker_id worker) const noexcept
{
  const auto is_it = [worker](const placed_worker& each) {
    return each.runs() && each.ready && each.id == worker;
  };
  return std::ranges::any_of(
      places_, [&](const group_place& place) { return is_it(place.current) || is_it(place.next); });
}

inline under_way group_roster::count_under_way(const rollout& reload, group_time now) const noexcept
{
  under_way all;
  for (const group_place& place : places_) {
    for (const placed_worker* member : {&place.current, &place.next}) {
      all.booting += member->boots() ? 1 : 0;
      all.on_trial += reload.brought(*member) && !reload.counts(*member, now) ? 1 : 0;
    }
    all.taking_over += place.next.present ? 1 : 0;
  }
  return all;
}

inline void group_roster::adopt(
    worker_id worker, std::uint32_t generation, bool ready, group_time now)
{
  placed_worker& member = places_.emplace_back().current;
  member.present = true;
  member.id = worker;
  member.generation = generation;
  member.ready = ready;
  // It was not started here, and may never have meant to say so.
  member.late = !ready;
  member.since = now;
}

inline void group_roster::start(group_place& place, placed_worker& member, std::uint32_t generation)
{
  member = placed_worker();
  member.present = true;
  member.generation = generation;
  group_action& order = demand(kind::start);
  order.place = index_of(place);
  order.generation = generation;
}

inline void group_roster::started(std::size_t place, worker_id worker, group_time now) noexcept
{
  placed_worker& member = asked(places_[place]);
  member.id = worker;
  member.since = now;
}

inline void group_roster::begin_anew(group_time now) noexcept
{
  for (group_place& place : places_) {
    place.starts = 0;
    place.not_before = now;
  }
}

inline void group_roster::kill_late(group_time now, group_time::duration limit)
{
  for (group_place& place : places_) {
    for (placed_worker* member : {&place.current, &place.next}) {
      if (!member->runs() || member->ready || member->late || now - member->since < limit) continue;
      member->late = true;
      demand(kind::kill).worker = member->id;
    }
  }
}

inline void group_roster::leave(group_place& place, placed_worker& member)
{
  if (member.runs()) {
    leaving_.emplace(member.id, member.generation);
    demand(kind::drain).worker = member.id;
  } else if (member.present) {
    // It was not started yet, and will not be.
    std::erase_if(actions_, [&](const group_action& each) {
      return each.what == kind::start && each.place == index_of(place);
    });
  }
  member = placed_worker();
}

inline void group_roster::resize(std::size_t places)
{
  if (places_.size() > places) give_up(places_.size() - places);
  places_.resize(places);
}

inline void group_roster::give_up(std::size_t count)
{
  std::vector<std::size_t> order(places_.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  const auto goes_before = [this](std::size_t a, std::size_t b) {
    if (places_[a].goes_before(places_[b])) return true;
    return !places_[b].goes_before(places_[a]) && a > b;
  };
  const auto last = order.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(order.begin(), last, order.end(), goes_before);
  for (auto each = order.begin(); each != last; ++each) {
    leave(places_[*each], places_[*each].next);
    leave(places_[*each], places_[*each].current);
  }
  // The others keep their order, and starts that are not made yet follow them.
  std::sort(last, order.end());
  std::vector<std::size_t> numbers(places_.size());
  std::vector<group_place> kept;
  kept.reserve(places_.size() - count);
  for (auto each = last; each != order.end(); ++each) {
    numbers[*each] = kept.size();
    kept.push_back(places_[*each]);
  }
  places_ = std::move(kept);
  for (group_action& each : actions_)
    if (each.what == kind::start) each.place = numbers[each.place];
}

inline std::optional<group_action> group_roster::next()
{
  if (actions_.empty()) return std::nullopt;
  const group_action first = actions_.front();
  actions_.pop_front();
  return first;
}

} // namespace cohort::detail
