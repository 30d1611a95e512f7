// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/group_place.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/reload_result.hpp>
#include <cohort/worker_id.hpp>

#include <cstdint>

namespace cohort::detail {

/// How far a reload is: which generation is wanted, and what it came to.
class rollout {
public:
  enum class phase : std::uint8_t {
    none,
    /// New workers are started, until all count.
    replacing,
    /// All places are taken over; the last old workers leave.
    settling,
    /// The new ones leave again, until none is there.
    rolling_back,
  };

  /// Begins one to the generation `target` for a group of `workers`.
  void begin(std::uint32_t target, const reload_options& how, unsigned workers)
  {
    phase_ = phase::replacing;
    target_ = target;
    at_once_ = how.at_once_of(workers);
    probation_ = how.probation();
    together_ = how.old() == old_workers::leave_together;
    end_ = reload_outcome::succeeded;
    culprit_ = 0;
  }

  void settle() noexcept { phase_ = phase::settling; }

  void fail(reload_outcome why, worker_id culprit) noexcept
  {
    phase_ = phase::rolling_back;
    end_ = why;
    culprit_ = culprit;
  }

  void finish() noexcept { phase_ = phase::none; }

  phase now() const noexcept { return phase_; }
  bool runs() const noexcept { return phase_ != phase::none; }
  bool replaces() const noexcept { return phase_ == phase::replacing; }
  /// Whether the old workers stay until all new ones count.
  bool together() const noexcept { return together_; }
  /// How many may be started and not count yet.
  unsigned at_once() const noexcept { return at_once_; }
  std::uint32_t target() const noexcept { return target_; }
  reload_outcome end() const noexcept { return end_; }
  /// The worker that made it fail, 0 for none.
  worker_id culprit() const noexcept { return culprit_; }

  /// Whether it is one that this reload has brought.
  bool brought(const placed_worker& member) const noexcept
  {
    return runs() && member.present && member.generation == target_;
  }

  /// Since when a ready worker counts as one that stays.
  group_time counts_from(const placed_worker& member) const noexcept
  {
    return replaces() && brought(member) ? after(member.since, probation_) : member.since;
  }
  bool counts(const placed_worker& member, group_time time) const noexcept
  {
    return member.runs() && member.ready && counts_from(member) <= time;
  }

private:
  phase phase_ = phase::none;
  std::uint32_t target_ = 0;
  unsigned at_once_ = 1;
  reload_options::duration probation_{};
  bool together_ = true;
  reload_outcome end_ = reload_outcome::succeeded;
  worker_id culprit_ = 0;
};

} // namespace cohort::detail
