// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <vector>

namespace cohort::detail {

/// A number for each index, and the lowest of them at once: a tournament, in which each node above
/// the numbers holds the lower one of two.
class score_tree {
public:
  /// Of an index that takes no part.
  static constexpr double out = std::numeric_limits<double>::infinity();

  /// Makes it `size` numbers, all `out`. Allocates when that is more than ever before.
  void reset(std::size_t size);
  void clear() noexcept { size_ = 0; }

  std::size_t size() const noexcept { return size_; }

  /// Takes time in proportion to the logarithm of the size.
  void set(std::size_t index, double score) noexcept;

  /// The lowest number; `out` without any.
  double lowest() const noexcept { return size_ == 0 ? out : nodes_[1]; }

  /// The first index from `first` on, and then from 0 on, that has the lowest number.
  std::size_t find_lowest(std::size_t first) const noexcept;

private:
  // The first index from `first` on that has the lowest number, or `size_`.
  std::size_t find_from(std::size_t first) const noexcept;

  std::size_t size_ = 0;
  // A power of two: node i stands above 2 i and 2 i + 1, the numbers begin at `width_`.
  std::size_t width_ = 0;
  std::vector<double> nodes_;
};

// Implementation

inline void score_tree::reset(std::size_t size)
{
  const std::size_t width = std::bit_ceil(std::max<std::size_t>(size, 1));
  nodes_.assign(2 * width, out);
  width_ = width;
  size_ = size;
}

inline void score_tree::set(std::size_t index, double score) noexcept
{
  std::size_t node = width_ + index;
  nodes_[node] = score;
  while (node > 1) {
    const double lower = std::min(nodes_[node], nodes_[node ^ 1]);
    node /= 2;
    if (nodes_[node] == lower) return;
    nodes_[node] = lower;
  }
}

inline std::size_t score_tree::find_lowest(std::size_t first) const noexcept
{
  if (first < size_)
    if (const std::size_t found = find_from(first); found != size_) return found;
  return find_from(0);
}

inline std::size_t score_tree::find_from(std::size_t first) const noexcept
{
  const double lowest = nodes_[1];
  std::size_t node = width_ + first;
  // Up, until something from there on has it: to the right of a left child.
  while (nodes_[node] != lowest) {
    while (node > 1 && node % 2 != 0) node /= 2;
    if (node <= 1) return size_;
    ++node;
  }
  while (node < width_) {
    node *= 2;
    if (nodes_[node] != lowest) ++node;
  }
  return std::min(node - width_, size_);
}

} // namespace cohort::detail
