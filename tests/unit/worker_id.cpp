// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/worker_id.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <type_traits>

namespace worker_id_test {

// Goes over the wire in 32 bits, and 0 means nobody.
static_assert(std::is_unsigned_v<cohort::worker_id>);
static_assert(std::numeric_limits<cohort::worker_id>::digits == 32);

TEST_CASE("a worker id is nobody's by default") { CHECK(cohort::worker_id() == 0); }

} // namespace worker_id_test
