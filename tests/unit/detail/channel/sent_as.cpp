// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/sent_as.hpp>

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

namespace sent_as_test {

using namespace cohort::detail;

namespace {

struct text {
  text() = default;
  text(const char* characters) : value(characters) {}
  std::string value;
};

using only = list_of_t<cohort::untyped<text>>;
using one_of = list_of_t<cohort::messages<text>>;

static_assert(std::is_same_v<sent_as<only, const char*>, text>);
static_assert(std::is_same_v<sent_as<only, const text&>, text>);
// What cannot become one is left for the check of types to name.
static_assert(std::is_same_v<sent_as<only, int>, int>);
// In a list each type stands for itself.
static_assert(std::is_same_v<sent_as<one_of, const char*>, const char*>);

} // namespace

TEST_CASE("what is in the list is sent as it is, and only what is not becomes something else")
{
  text message("here");
  CHECK(&to_sent<only>(message) == &message);
  CHECK(&to_sent<one_of>(message) == &message);
  CHECK(to_sent<only>("there").value == "there");
}

} // namespace sent_as_test
