// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

namespace cohort::detail {

/// A queue whose elements lie in one piece of memory, so that a run of them can be handed on as a
/// span. Taking from the front and putting back there are cheap; memory is kept.
template <class T>
class fifo {
public:
  bool empty() const noexcept { return head_ == items_.size(); }
  std::size_t size() const noexcept { return items_.size() - head_; }
  T& operator[](std::size_t i) noexcept { return items_[head_ + i]; }
  const T& operator[](std::size_t i) const noexcept { return items_[head_ + i]; }

  std::span<T> all() noexcept { return std::span<T>(items_).subspan(head_); }
  std::span<const T> all() const noexcept { return std::span<const T>(items_).subspan(head_); }

  /// After this, nothing allocates while there are no more than `count` elements.
  void reserve(std::size_t count);

  void push_back(T item);

  /// Puts `item` before the element at `position`; cheapest near the front.
  void insert(std::size_t position, T item);

  /// Removes elements that have been moved from; cheapest near the front.
  void erase(std::size_t position, std::size_t count);

private:
  void make_room_behind();
  auto at(std::size_t i) noexcept { return items_.begin() + offset(head_ + i); }
  static std::ptrdiff_t offset(std::size_t n) noexcept { return static_cast<std::ptrdiff_t>(n); }

  std::vector<T> items_;
  // What lies before it has been moved from.
  std::size_t head_ = 0;
};

// Implementation

template <class T>
void fifo<T>::reserve(std::size_t count)
{
  // Twice as much as needed: then moving everything down, when the end is reached, is paid for by
  // as many elements that were pushed since the last time.
  if (items_.capacity() < 2 * count) items_.reserve(std::max(2 * count, 2 * items_.capacity()));
}

template <class T>
void fifo<T>::push_back(T item)
{
  make_room_behind();
  items_.push_back(std::move(item));
}

template <class T>
void fifo<T>::insert(std::size_t position, T item)
{
  if (head_ != 0 && position <= size() / 2) {
    std::move(at(0), at(position), items_.begin() + offset(head_ - 1));
    --head_;
    *at(position) = std::move(item);
  } else {
    make_room_behind();
    items_.insert(at(position), std::move(item));
  }
}

template <class T>
void fifo<T>::erase(std::size_t position, std::size_t count)
{
  if (count == 0) return;
  if (position <= size() - position - count) {
    std::move_backward(at(0), at(position), at(position + count));
    head_ += count;
  } else {
    items_.erase(at(position), at(position + count));
  }
  if (empty()) {
    items_.clear();
    head_ = 0;
  }
}

template <class T>
void fifo<T>::make_room_behind()
{
  // With less in front than what would be moved, growing costs less in the long run.
  if (items_.size() != items_.capacity() || head_ == 0 || head_ < size()) return;
  items_.erase(items_.begin(), at(0));
  head_ = 0;
}

} // namespace cohort::detail
