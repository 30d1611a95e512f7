// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/send_status.hpp>

#include <doctest/doctest.h>

#include <ostream>
#include <set>
#include <string_view>

namespace send_status_test {

TEST_CASE("each send status has a name, and an error when nothing was queued")
{
  using enum cohort::send_status;
  std::set<std::string_view> names;
  for (const auto status :
      {accepted, congested, queue_full, not_connected, message_too_large, handle_refused}) {
    names.insert(to_string(status));
    CHECK(is_sent(status) == !to_error(status));
  }
  CHECK(names.size() == 6);
  CHECK(is_sent(congested));
  CHECK(to_error(queue_full) == cohort::error::queue_full);
  CHECK(to_error(not_connected) == cohort::error::disconnected);
  CHECK(to_error(message_too_large) == cohort::error::message_too_large);
  CHECK(to_error(handle_refused) == cohort::error::wrong_handle);
  CHECK(to_string(static_cast<cohort::send_status>(99)) == "unknown");
  CHECK_FALSE(to_error(static_cast<cohort::send_status>(99)));
}

} // namespace send_status_test
