// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

// Counts what this thread allocates between two points of a test.

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define COHORT_TEST_ALLOCATION_HOOKS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COHORT_TEST_ALLOCATION_HOOKS
#endif
#endif

#ifdef COHORT_TEST_ALLOCATION_HOOKS
// Of AddressSanitizer's runtime; its headers are not installed with g++.
extern "C" int __sanitizer_install_malloc_and_free_hooks(
    void (*allocated)(const volatile void*, std::size_t), void (*freed)(const volatile void*));
#endif

namespace cohort_test {

struct allocations {
  std::size_t count = 0;
  std::size_t bytes = 0;
};

inline thread_local allocations allocated_by_thread;

#ifdef COHORT_TEST_ALLOCATION_HOOKS
// AddressSanitizer keeps its own operators, which find mismatches.
inline const bool hooks_installed = [] {
  return __sanitizer_install_malloc_and_free_hooks(
             [](const volatile void*, std::size_t size) {
               ++allocated_by_thread.count;
               allocated_by_thread.bytes += size;
             },
             [](const volatile void*) {}) > 0;
}();
#endif

/// What `action` allocates.
template <class Action>
allocations allocations_of(Action&& action)
{
  const allocations before = allocated_by_thread;
  action();
  const allocations after = allocated_by_thread;
  return {after.count - before.count, after.bytes - before.bytes};
}

} // namespace cohort_test

#ifndef COHORT_TEST_ALLOCATION_HOOKS
// Weak, as several files of one program may include this one.
[[gnu::weak]] void* operator new(std::size_t size)
{
  ++cohort_test::allocated_by_thread.count;
  cohort_test::allocated_by_thread.bytes += size;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}

[[gnu::weak]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif
