// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/channel_options.hpp>

#include <doctest/doctest.h>

namespace channel_options_test {

TEST_CASE("channel options are set one by one, in one expression or in several")
{
  cohort::channel_options options;
  CHECK(options.max_message_size() == 16u << 20);
  CHECK(options.high_water() == 1u << 20);
  CHECK(options.queue_limit() == 64u << 20);
  options.high_water(1).queue_limit(2);
  const auto other = cohort::channel_options().max_message_size(10).high_water(20).queue_limit(30);
  CHECK(options.high_water() == 1);
  CHECK(options.queue_limit() == 2);
  CHECK(other.max_message_size() == 10);
  CHECK(other.high_water() == 20);
  CHECK(other.queue_limit() == 30);
  // A message and its type have to fit into a frame.
  CHECK(cohort::channel_options().max_message_size(0xffffffff).max_message_size() == 0xfffffff7);
}

} // namespace channel_options_test
