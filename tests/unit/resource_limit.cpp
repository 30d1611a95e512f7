// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/resource_limit.hpp>

#include <doctest/doctest.h>

namespace resource_limit_test {

using cohort::resource;
using cohort::resource_limit;

TEST_CASE("one value is both limits")
{
  const resource_limit limit(resource::open_files, 64);
  CHECK(limit.what() == resource::open_files);
  CHECK(limit.soft() == 64);
  CHECK(limit.hard() == 64);
}

TEST_CASE("soft and hard limits are told apart, and limits are compared with both")
{
  const resource_limit limit(resource::core, 0, resource_limit::unlimited);
  CHECK(limit.soft() == 0);
  CHECK(limit.hard() == resource_limit::unlimited);
  CHECK(limit == resource_limit(resource::core, 0, resource_limit::unlimited));
  CHECK(limit != resource_limit(resource::core, 0));
  CHECK(limit != resource_limit(resource::data, 0, resource_limit::unlimited));
}

} // namespace resource_limit_test
