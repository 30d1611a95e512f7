// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/detail/lifecycle/counter_sum.hpp>
#include <cohort/totals.hpp>
#include <cohort/worker_id.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The groups of a supervisor, by their names, and whose each worker is.
class group_table {
public:
  using group_pointer = std::shared_ptr<supervised_group>;

  const std::vector<group_pointer>& all() const noexcept { return groups_; }

  /// nullptr when there is none of that name.
  supervised_group* look_up(std::string_view name) const noexcept;
  /// @throws std::out_of_range when there is none of that name.
  const group_pointer& at(std::string_view name) const;

  void add(group_pointer group)
  {
    groups_.push_back(std::move(group));
    take_earlier(*groups_.back());
  }
  /// Takes those out for which `predicate(const supervised_group&)` holds.
  template <class Predicate>
  std::vector<group_pointer> take_if(Predicate predicate);

  void owns(supervised_group& group, worker_id worker) { owners_.emplace(worker, &group); }
  /// nullptr when the worker is of no group.
  supervised_group* owner(worker_id worker) const noexcept;
  void ended(worker_id worker) noexcept { owners_.erase(worker); }
  /// Its workers, those on their way out included.
  std::vector<worker_id> workers_of(const supervised_group& group) const;

  /// What was counted of all groups, those included that are gone.
  std::vector<group_totals> totals() const;
  /// Adds what was counted of groups of these names, of those that are there, or else when they
  /// come.
  void restore(const std::vector<group_totals>& earlier);

private:
  // Its counters go on where those of an earlier one of its name have ended.
  void take_earlier(supervised_group& group);

  std::vector<group_pointer> groups_;
  // Of groups that are not there.
  std::vector<group_totals> earlier_;
  std::map<worker_id, supervised_group*> owners_;
};

/// Its workers whose process has not ended.
/// @param core has `std::shared_ptr<worker_core> find(worker_id)`.
template <class Core>
auto find_workers(const Core& core, const group_table& groups, const supervised_group& group)
{
  std::vector<std::shared_ptr<worker_core>> all;
  for (const worker_id id : groups.workers_of(group))
    if (auto worker = core.find(id)) all.push_back(std::move(worker));
  return all;
}

// Implementation

inline supervised_group* group_table::look_up(std::string_view name) const noexcept
{
  for (const group_pointer& each : groups_)
    if (each->description().name() == name) return each.get();
  return nullptr;
}

inline auto group_table::at(std::string_view name) const -> const group_pointer&
{
  for (const group_pointer& each : groups_)
    if (each->description().name() == name) return each;
  throw std::out_of_range("cohort: no group " + std::string(name));
}

template <class Predicate>
auto group_table::take_if(Predicate predicate) -> std::vector<group_pointer>
{
  std::vector<group_pointer> taken;
  for (const group_pointer& each : groups_)
    if (predicate(*each)) taken.push_back(each);
  for (const group_pointer& each : taken) {
    std::erase(groups_, each);
    restore({group_totals{each->description().name(), each->tally().counters()}});
  }
  return taken;
}

inline supervised_group* group_table::owner(worker_id worker) const noexcept
{
  const auto found = owners_.find(worker);
  return found == owners_.end() ? nullptr : found->second;
}

inline std::vector<group_totals> group_table::totals() const
{
  std::vector<group_totals> all;
  for (const group_pointer& each : groups_)
    all.push_back(group_totals{each->description().name(), each->tally().counters()});
  all.insert(all.end(), earlier_.begin(), earlier_.end());
  return all;
}

inline void group_table::restore(const std::vector<group_totals>& earlier)
{
  for (const group_totals& each : earlier) {
    if (supervised_group* const group = look_up(each.name)) {
      group->tally().own() += each.counters;
      continue;
    }
    const auto known = std::ranges::find(earlier_, each.name, &group_totals::name);
    if (known == earlier_.end()) earlier_.push_back(each);
    else known->counters += each.counters;
  }
}

inline void group_table::take_earlier(supervised_group& group)
{
  std::erase_if(earlier_, [&](const group_totals& each) {
    const bool is_it = each.name == group.description().name();
    if (is_it) group.tally().own() += each.counters;
    return is_it;
  });
}

inline std::vector<worker_id> group_table::workers_of(const supervised_group& group) const
{
  std::vector<worker_id> workers;
  for (const auto& [worker, owner] : owners_)
    if (owner == &group) workers.push_back(worker);
  return workers;
}

} // namespace cohort::detail
