// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/group_host.hpp>

#include <memory>
#include <system_error>

namespace cohort_test {

/// A host of groups where whatever is started fails, and nobody runs.
struct empty_group_host : cohort::detail::group_host {
  worker_pointer fork(const cohort::settings&, std::error_code& error) override
  {
    error = std::make_error_code(std::errc::permission_denied);
    return nullptr;
  }
  worker_pointer find(cohort::worker_id) override { return nullptr; }
  void publish(const cohort::detail::any_event&) override {}
  void group_over() override {}
  void group_gave_up() override {}
};

} // namespace cohort_test
