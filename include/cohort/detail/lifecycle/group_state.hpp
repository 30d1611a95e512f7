// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/group_place.hpp>
#include <cohort/detail/lifecycle/group_roster.hpp>
#include <cohort/detail/lifecycle/restart.hpp>
#include <cohort/detail/lifecycle/rollout.hpp>
#include <cohort/event.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/restart_policy.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace cohort::detail {

/// Keeps the places of a group filled, replaces workers, and knows when to give up.
///
/// After each input the group looks at what is and demands what is missing. The demands are to be
/// carried out one by one, each before the next one is asked for: the answer to one may make others
/// void. Without inputs it wants `tick` at `wake_at`.
class group_state {
public:
  /// @param serial whether a worker is started only when the one before it is ready.
  /// @param generation that of its first workers.
  group_state(const restart_policy& policy, unsigned count, bool serial, std::uint32_t seed,
      std::uint32_t generation = 0)
      : counts_(policy, seed),
        count_(count),
        serial_(serial),
        generation_(generation)
  {
  }

  /// One that runs already has the next place, and is of the generation that stays; before `begin`.
  void adopt(worker_id worker, bool ready, group_time now)
  {
    roster_.adopt(worker, generation_, ready, now);
  }
  /// Starts the workers.
  void begin(group_time now);
  void started(std::size_t place, worker_id worker, group_time now);
  void start_failed(std::size_t place, group_time now);
  void ready(worker_id worker, group_time now);
  void exited(worker_id worker, worker_end how, group_time now);
  /// It should be replaced, the new one ready first.
  void retire(worker_id worker, group_time now);
  /// How many workers there are to be from now on. Who leaves, if some have to, see
  /// `group_place::goes_before`.
  void resize(unsigned count, group_time now);
  /// `worker_burden burden(worker_id)` is asked of each that is in a place: before fewer are to be.
  template <class Burden>
  void weigh(Burden burden)
  {
    roster_.weigh(burden);
  }
  /// Replaces all workers by those of `generation`; not while one runs or the group ends, nor while
  /// what is left of failed ones would make it more than three generations.
  bool reload(std::uint32_t generation, const reload_options& how, group_time now);
  /// Rolls the reload back, unless all its workers have taken over.
  void abort_reload(group_time now);
  /// Tries again before the pause is over.
  void resume(group_time now);
  /// Lets all workers leave; nothing is started any more.
  void stop(group_time now);
  /// Time has passed.
  void tick(group_time now) { converge(now); }

  /// What is to be done next, if anything.
  std::optional<group_action> next() { return roster_.next(); }
  /// When time alone changes something.
  std::optional<group_time> wake_at() const;

  unsigned count() const noexcept { return count_; }
  /// That of the workers which stay.
  std::uint32_t generation() const noexcept { return generation_; }
  /// What places are to have now.
  std::uint32_t wanted() const noexcept
  {
    return rollout_.replaces() ? rollout_.target() : generation_;
  }
  const rollout& reload_state() const noexcept { return rollout_; }
  bool gave_up() const noexcept { return gave_up_; }
  bool stopping() const noexcept { return stopping_; }
  /// No worker is left, and none will be started.
  bool over() const noexcept { return over_; }
  const group_roster& roster() const noexcept { return roster_; }

private:
  using kind = group_action::kind;

  void lost(group_place& place, placed_worker& member, worker_end how, group_time now);
  void give_up(give_up_reason reason, group_time now);
  void fail_reload(reload_outcome why, worker_id culprit);
  void try_again()
  {
    if (std::exchange(gave_up_, false)) roster_.demand(kind::resume);
    rests_until_.reset();
  }

  void converge(group_time now);
  void trim();
  void take_over(group_time now);
  void finish_reload();
  void report_reload();
  void start_missing(group_time now);
  bool is_over() const noexcept;

  bool wants_other(const placed_worker& member) const noexcept
  {
    return member.runs() && (member.retiring || member.generation != wanted());
  }
  placed_worker* missing(group_place& place) const noexcept;
  bool may_start(bool is_successor, const under_way& others) const noexcept;
  const restart_policy& policy() const noexcept { return counts_.policy(); }

  restart_counts counts_;
  unsigned count_;
  bool serial_;
  bool begun_ = false;
  bool stopping_ = false;
  bool over_ = false;
  std::uint32_t generation_;
  rollout rollout_;
  group_roster roster_;
  bool gave_up_ = false;
  // Unset: it does not try again by itself.
  std::optional<group_time> rests_until_;
  // Of the last input.
  group_time now_{};
};

// Implementation

inline void group_state::begin(group_time now)
{
  begun_ = true;
  converge(now);
}

inline void group_state::started(std::size_t place, worker_id worker, group_time now)
{
  roster_.started(place, worker, now);
  converge(now);
}

inline void group_state::start_failed(std::size_t place, group_time now)
{
  group_place& where = roster_.places()[place];
  lost(where, roster_.asked(where), worker_end::died, now);
  converge(now);
}

inline void group_state::ready(worker_id worker, group_time now)
{
  const auto [place, member] = roster_.find(worker);
  if (!member || member->ready) return;
  member->ready = true;
  member->since = now;
  counts_.booted();
  converge(now);
}

inline void group_state::exited(worker_id worker, worker_end how, group_time now)
{
  if (!roster_.left(worker))
    if (const auto [place, member] = roster_.find(worker); member) lost(*place, *member, how, now);
  converge(now);
}

inline void group_state::retire(worker_id worker, group_time now)
{
  const auto [place, member] = roster_.find(worker);
  if (member && !std::exchange(member->retiring, true))
    place->not_before = after(now, counts_.retired(place->retirements, member->since, now));
  converge(now);
}

inline void group_state::resize(unsigned count, group_time now)
{
  count_ = count;
  converge(now);
}

inline bool group_state::reload(std::uint32_t generation, const reload_options& how, group_time now)
{
  if (rollout_.runs() || stopping_ || roster_.generations() > 2) return false;
  rollout_.begin(generation, how, count_);
  // Whoever reloads has changed something: what failed before says nothing any more.
  roster_.begin_anew(now);
  counts_.forget();
  resume(now);
  return true;
}

inline void group_state::abort_reload(group_time now)
{
  if (rollout_.replaces()) fail_reload(reload_outcome::aborted, 0);
  converge(now);
}

inline void group_state::resume(group_time now)
{
  try_again();
  converge(now);
}

inline void group_state::stop(group_time now)
{
  stopping_ = true;
  if (rollout_.runs()) {
    if (rollout_.now() != rollout::phase::settling) rollout_.fail(reload_outcome::stopped, 0);
    report_reload();
  }
  converge(now);
}

inline void group_state::lost(
    group_place& place, placed_worker& member, worker_end how, group_time now)
{
  const placed_worker gone = std::exchange(member, placed_worker());
  // Whoever is on the way to its place is there now.
  if (!place.current.present) place.current = std::exchange(place.next, placed_worker());
  if (rollout_.replaces() && gone.generation == rollout_.target()) {
    const bool never_ran = gone.id == 0;
    fail_reload(never_ran   ? reload_outcome::start_failed
                : gone.late ? reload_outcome::not_ready
                            : reload_outcome::died,
        gone.id);
    return;
  }
  const auto ready_since = gone.ready ? std::optional(gone.since) : std::nullopt;
  const bool alone = !place.current.present;
  const auto verdict = counts_.ended(place.starts, ready_since, how, count_, now, alone);
  place.finished = verdict.finished;
  place.not_before = after(now, verdict.pause);
  if (verdict.gives_up) give_up(*verdict.gives_up, now);
}

inline void group_state::give_up(give_up_reason reason, group_time now)
{
  const bool is_final = reason == give_up_reason::permanent_failure;
  // What is final counts more than a rest that has begun.
  if (std::exchange(gave_up_, true) && !(is_final && rests_until_)) return;
  rests_until_ = is_final ? std::nullopt : std::optional(after(now, policy().pause()));
  counts_.forget();
  roster_.begin_anew(now);
  group_action& said = roster_.demand(kind::give_up);
  said.reason = reason;
  said.until = rests_until_;
  if (rollout_.replaces()) fail_reload(reload_outcome::died, 0);
  // Nobody knows when there will be others; who waits for the reload is told how it went.
  if (rollout_.runs()) report_reload();
}

inline void group_state::fail_reload(reload_outcome why, worker_id culprit)
{
  for (group_place& place : roster_.places())
    if (rollout_.brought(place.next)) roster_.leave(place, place.next);
  rollout_.fail(why, culprit);
}

inline void group_state::converge(group_time now)
{
  now_ = now;
  if (!begun_) return;
  if (rests_until_ && *rests_until_ <= now) try_again();
  roster_.kill_late(now, policy().boot_deadline());
  trim();
  take_over(now);
  finish_reload();
  start_missing(now);
  // One that was over may have been given more places.
  if (const bool before = std::exchange(over_, is_over()); over_ && !before)
    roster_.demand(kind::over);
}

// Places that are not wanted any more, and successors of another generation than is wanted.
inline void group_state::trim()
{
  roster_.resize(stopping_ ? 0 : count_);
  for (group_place& place : roster_.places())
    if (place.next.present && place.next.generation != wanted()) roster_.leave(place, place.next);
}

inline void group_state::take_over(group_time now)
{
  const auto stays = [&](const placed_worker& member) {
    return member.generation == wanted() && rollout_.counts(member, now);
  };
  // Whoever has taken over counts, also while it has enough and the next one is on its way.
  const auto counted = [&](const group_place& place) {
    return place.finished || stays(place.current) || stays(place.next);
  };
  const bool all = std::ranges::all_of(roster_.places(), counted);
  const bool wait_for_all = rollout_.replaces() && rollout_.together() && !all;
  for (group_place& place : roster_.places()) {
    if (wait_for_all || !rollout_.counts(place.next, now)) continue;
    roster_.leave(place, place.current);
    place.current = std::exchange(place.next, placed_worker());
  }
  if (!rollout_.replaces() || !all) return;
  generation_ = rollout_.target();
  rollout_.settle();
}

inline void group_state::finish_reload()
{
  const auto phase = rollout_.now();
  if (phase != rollout::phase::settling && phase != rollout::phase::rolling_back) return;
  // The others have gone, whichever these are.
  const bool back = phase == rollout::phase::rolling_back;
  const auto is_other = [&](std::uint32_t generation) {
    return (generation == rollout_.target()) == back;
  };
  for (const auto& [worker, generation] : roster_.leaving())
    if (is_other(generation)) return;
  for (const group_place& place : roster_.places())
    for (const placed_worker* member : {&place.current, &place.next})
      if (member->present && is_other(member->generation)) return;
  report_reload();
}

inline void group_state::report_reload()
{
  group_action& said = roster_.demand(kind::reload_over);
  said.outcome = rollout_.end();
  said.worker = rollout_.culprit();
  rollout_.finish();
}

// Who is to be started in this place; nullptr for nobody.
inline placed_worker* group_state::missing(group_place& place) const noexcept
{
  if (place.next.present || place.finished) return nullptr;
  if (!place.current.present) return &place.current;
  return wants_other(place.current) ? &place.next : nullptr;
}

inline bool group_state::may_start(bool is_successor, const under_way& others) const noexcept
{
  if (serial_ && others.booting != 0) return false;
  if (rollout_.replaces()) return others.on_trial < rollout_.at_once();
  // One after another, so that a limit which all reach at once does not double the group.
  return !is_successor || others.taking_over < (rollout_.runs() ? rollout_.at_once() : 1U);
}

inline void group_state::start_missing(group_time now)
{
  if (stopping_ || gave_up_) return;
  under_way others = roster_.count_under_way(rollout_, now);
  for (group_place& place : roster_.places()) {
    placed_worker* const member = missing(place);
    const bool is_successor = member == &place.next;
    if (!member || place.not_before > now || !may_start(is_successor, others)) continue;
    roster_.start(place, *member, wanted());
    ++others.booting;
    others.on_trial += rollout_.brought(*member) ? 1 : 0;
    others.taking_over += is_successor ? 1 : 0;
  }
}

inline bool group_state::is_over() const noexcept
{
  const auto is_done = [this](const group_place& place) {
    return !place.current.present && !place.next.present && (stopping_ || place.finished);
  };
  return roster_.leaving().empty() && (stopping_ || !roster_.places().empty()) &&
         std::ranges::all_of(roster_.places(), is_done);
}

inline std::optional<group_time> group_state::wake_at() const
{
  std::optional<group_time> first = gave_up_ && !stopping_ ? rests_until_ : std::nullopt;
  // What is due already waits for something else.
  const auto at = [&](group_time time) {
    if (time > now_) first = first ? std::min(*first, time) : time;
  };
  for (const group_place& place : roster_.places()) {
    for (const placed_worker* member : {&place.current, &place.next}) {
      if (member->runs() && !member->ready && !member->late)
        at(after(member->since, policy().boot_deadline()));
      // Its probation.
      if (member->runs() && member->ready && rollout_.replaces() && rollout_.brought(*member))
        at(rollout_.counts_from(*member));
    }
    const bool is_wanted = !place.current.present || wants_other(place.current);
    if (!gave_up_ && !stopping_ && is_wanted && !place.next.present && !place.finished)
      at(place.not_before);
  }
  return first;
}

} // namespace cohort::detail
