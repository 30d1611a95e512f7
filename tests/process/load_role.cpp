// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The role "load": a worker as `tests/support/load_server.hpp` describes, which ends as those of
// `cohort::run` do.

#include "support/load_server.hpp"
#include "support/worker_roles.hpp"

#include <cohort/cluster.hpp>
#include <cohort/run.hpp>

#include <asio/awaitable.hpp>

namespace load_role {

asio::awaitable<void> no_primary(cohort::cluster<>&) { co_return; }

COHORT_TEST_WORKER_ROLE(load)
{
  return cohort::run(argc, argv, no_primary, cohort_test::serve_load);
}

} // namespace load_role
