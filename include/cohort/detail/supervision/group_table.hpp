// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/worker_id.hpp>

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

  void add(group_pointer group) { groups_.push_back(std::move(group)); }
  /// Takes those out for which `predicate(const supervised_group&)` holds.
  template <class Predicate>
  std::vector<group_pointer> take_if(Predicate predicate);

  void owns(supervised_group& group, worker_id worker) { owners_.emplace(worker, &group); }
  /// nullptr when the worker is of no group.
  supervised_group* owner(worker_id worker) const noexcept;
  void ended(worker_id worker) noexcept { owners_.erase(worker); }
  /// Its workers, those on their way out included.
  std::vector<worker_id> workers_of(const supervised_group& group) const;

private:
  std::vector<group_pointer> groups_;
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
  for (const group_pointer& each : taken) std::erase(groups_, each);
  return taken;
}

inline supervised_group* group_table::owner(worker_id worker) const noexcept
{
  const auto found = owners_.find(worker);
  return found == owners_.end() ? nullptr : found->second;
}

inline std::vector<worker_id> group_table::workers_of(const supervised_group& group) const
{
  std::vector<worker_id> workers;
  for (const auto& [worker, owner] : owners_)
    if (owner == &group) workers.push_back(worker);
  return workers;
}

} // namespace cohort::detail
