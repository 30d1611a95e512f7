// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace cohort::detail {

/// Where one operation of Asio lies that is started again and again: what Asio keeps for reuse is
/// two blocks a thread, fewer than a busy channel has in flight.
///
/// It outlives the operation, whose handler holds what it is a member of.
class wait_memory {
public:
  wait_memory() = default;
  wait_memory(const wait_memory&) = delete;
  wait_memory& operator=(const wait_memory&) = delete;

  /// Memory of its own when that is large enough and free, else from the heap.
  void* allocate(std::size_t size)
  {
    if (used_ || size > storage_.size()) return ::operator new(size);
    used_ = true;
    return storage_.data();
  }

  void deallocate(void* memory) noexcept
  {
    if (memory == storage_.data()) used_ = false;
    else ::operator delete(memory);
  }

private:
  alignas(std::max_align_t) std::array<std::byte, 256> storage_;
  bool used_ = false;
};

/// Allocates in a `wait_memory`.
template <class T>
class wait_allocator {
public:
  using value_type = T;

  explicit wait_allocator(wait_memory& memory) noexcept : memory_(&memory) {}
  template <class Other>
  wait_allocator(const wait_allocator<Other>& other) noexcept : memory_(other.memory_)
  {
  }

  T* allocate(std::size_t count)
  {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    return static_cast<T*>(memory_->allocate(count * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t) noexcept { memory_->deallocate(memory); }

  friend bool operator==(const wait_allocator&, const wait_allocator&) noexcept = default;

private:
  template <class Other>
  friend class wait_allocator;

  wait_memory* memory_;
};

} // namespace cohort::detail
