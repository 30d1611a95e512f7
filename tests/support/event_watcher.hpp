// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/cluster.hpp>
#include <cohort/detail/core/event_bus.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace cohort_test {

/// Hears of each event of a cluster in the moment in which it happens, as what is asked of the
/// cluster next is in order with it; a subscription tells it a little later.
class event_watcher final : public cohort::detail::subscriber {
public:
  using function = std::function<void(const cohort::detail::any_event&)>;

  explicit event_watcher(function told) : told_(std::move(told)) {}

  template <class Cluster>
  static std::shared_ptr<event_watcher> watch(Cluster& cluster, function told)
  {
    auto watcher = std::make_shared<event_watcher>(std::move(told));
    cohort::detail::cluster_access::core(cluster).events().add(watcher);
    return watcher;
  }

  void deliver(const cohort::detail::any_event& event) override { told_(event); }
  void close() override {}

private:
  function told_;
};

} // namespace cohort_test
