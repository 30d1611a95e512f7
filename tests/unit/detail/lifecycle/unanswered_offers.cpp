// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/lifecycle/unanswered_offers.hpp>

#include <doctest/doctest.h>

namespace unanswered_offers_test {

using cohort::detail::unanswered_offers;
using cohort::detail::wire::max_outstanding;

TEST_CASE("no more than the limit is offered, and who was refused learns of room")
{
  unanswered_offers offers;
  CHECK(offers.has_room(max_outstanding));
  CHECK_FALSE(offers.has_room(max_outstanding + 1));
  CHECK(offers.answered(0));
  CHECK_FALSE(offers.answered(0));
  offers.offered(max_outstanding);
  CHECK_FALSE(offers.has_room(1));
  CHECK(offers.answered(1));
  CHECK(offers.has_room(1));
  CHECK_FALSE(offers.has_room(2));
}

TEST_CASE("more answers than offers leave no debt behind")
{
  unanswered_offers offers;
  offers.offered(3);
  CHECK_FALSE(offers.answered(5));
  CHECK(offers.has_room(max_outstanding));
  CHECK_FALSE(offers.has_room(max_outstanding + 1));
}

} // namespace unanswered_offers_test
