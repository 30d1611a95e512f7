// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/async/wait_memory.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <array>

namespace wait_memory_test {

TEST_CASE("wait memory is used again, and the heap when it is in use or too small")
{
  using block = std::array<char, 200>;
  cohort::detail::wait_memory memory;
  cohort::detail::wait_allocator<void> any(memory);
  cohort::detail::wait_allocator<block> blocks(any);
  cohort::detail::wait_allocator<char> chars(blocks);
  CHECK(any == cohort::detail::wait_allocator<void>(chars));
  block* first = nullptr;
  CHECK(cohort_test::allocations_of([&] { first = blocks.allocate(1); }).count == 0);
  char* second = nullptr;
  CHECK(cohort_test::allocations_of([&] { second = chars.allocate(1); }).count == 1);
  chars.deallocate(second, 1);
  blocks.deallocate(first, 1);
  CHECK(blocks.allocate(1) == first);
  blocks.deallocate(first, 1);
  char* const large = chars.allocate(10'000);
  CHECK(static_cast<void*>(large) != first);
  large[9'999] = 'x';
  chars.deallocate(large, 10'000);
}

} // namespace wait_memory_test
