// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort.hpp>

#include <doctest/doctest.h>

#include <type_traits>

namespace cohort_test {

// The umbrella has everything that programs name.
static_assert(std::is_class_v<cohort::cluster<>>);
static_assert(std::is_class_v<cohort::worker>);
static_assert(std::is_class_v<cohort::subscription<cohort::exit_event>>);
static_assert(std::is_class_v<cohort::this_worker>);
static_assert(std::is_class_v<cohort::acceptor<asio::ip::tcp>>);
static_assert(std::is_class_v<cohort::connection<asio::local::stream_protocol>>);
static_assert(std::is_class_v<cohort::run_options>);
static_assert(cohort::scheduling_policy<cohort::round_robin>);

TEST_CASE("this process is a primary, and may use at least one processor")
{
  CHECK(cohort::is_primary());
  CHECK_FALSE(cohort::is_worker());
  CHECK(cohort::available_parallelism() >= 1);
}

} // namespace cohort_test
