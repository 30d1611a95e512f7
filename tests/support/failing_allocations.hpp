// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

// Memory that runs out. For programs that have nothing else in the place of the usual operators.

#include <cstddef>
#include <cstdlib>
#include <new>

namespace cohort_test {

/// What `with_failing` and `no_memory` set, for this thread.
struct allocation_faults {
  // Which allocation fails, counted from now on; 0 is none.
  unsigned failing = 0;
  unsigned count = 0;
  bool all = false;
  // How many have failed.
  unsigned failed = 0;

  bool hits() noexcept
  {
    const bool hit = ++count == failing || all;
    failed += hit ? 1 : 0;
    return hit;
  }
};
inline thread_local allocation_faults faulty_allocations;

/// The n-th allocation of `action` fails; whether it made so many.
template <class Action>
bool with_failing(unsigned n, Action action)
{
  faulty_allocations.count = 0;
  faulty_allocations.failing = n;
  action();
  faulty_allocations.failing = 0;
  return faulty_allocations.count >= n;
}

/// Every allocation fails while it lives, if it `applies`.
class no_memory {
public:
  explicit no_memory(bool applies = true) noexcept { faulty_allocations.all = applies; }
  ~no_memory() { faulty_allocations.all = false; }
  no_memory(const no_memory&) = delete;
  no_memory& operator=(const no_memory&) = delete;
};

} // namespace cohort_test

// Weak, as several files of one program may include this one.
[[gnu::weak]] void* operator new(std::size_t size)
{
  if (!cohort_test::faulty_allocations.hits())
    if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::weak]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

// What Asio takes its memory from.
extern "C" [[gnu::weak]] void* aligned_alloc(std::size_t alignment, std::size_t size)
{
  void* memory = nullptr;
  if (cohort_test::faulty_allocations.hits() || ::posix_memalign(&memory, alignment, size) != 0)
    return nullptr;
  return memory;
}
