// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/worker_core.hpp>
#include <cohort/event.hpp>
#include <cohort/metrics.hpp>
#include <cohort/settings.hpp>
#include <cohort/worker_id.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <system_error>

namespace cohort::detail {

class supervised_group;

/// What a supervised group needs of its cluster.
class group_host {
public:
  using worker_pointer = std::shared_ptr<worker_core>;

  virtual worker_pointer fork(const settings& how, std::error_code& error) = 0;
  /// nullptr when its process has ended.
  virtual worker_pointer find(worker_id worker) = 0;
  virtual void publish(const any_event& event) = 0;
  /// It has no worker any more, and will have none.
  virtual void group_over() = 0;
  /// It starts no more workers for now.
  virtual void group_gave_up() = 0;
  /// How many connections each worker has that was given any; nobody, where that is not known.
  virtual std::map<worker_id, std::uint64_t> live_connections() const { return {}; }
  /// How the group is.
  virtual group_metrics measure(const supervised_group&) const { return {}; }

protected:
  ~group_host() = default;
};

} // namespace cohort::detail
