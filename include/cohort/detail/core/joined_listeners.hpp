// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/listen_key.hpp>
#include <cohort/detail/core/offered_source.hpp>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace cohort::detail {

/// The primary's listeners that a worker has joined.
class joined_listeners {
public:
  using source_pointer = std::shared_ptr<offered_source>;

  /// @param asked what the worker asked for.
  void add(std::uint32_t listener, const listen_key& asked, const source_pointer& source)
  {
    all_.push_back({listener, asked, source});
  }

  void remove(std::uint32_t listener)
  {
    std::erase_if(all_, [&](const entry& each) { return each.listener == listener; });
  }

  /// Null when it is joined no more.
  source_pointer find(std::uint32_t listener) const
  {
    for (const entry& each : all_)
      if (each.listener == listener) return each.source.lock();
    return nullptr;
  }

  bool uses(const listen_key& asked) const
  {
    for (const entry& each : all_)
      if (each.asked == asked) return true;
    return false;
  }

  /// Calls `function(source)` for each; it may change this object.
  template <class Function>
  void for_each(Function function) const
  {
    for (const entry& each : std::vector(all_))
      if (const auto source = each.source.lock()) function(*source);
  }

private:
  struct entry {
    std::uint32_t listener;
    listen_key asked;
    std::weak_ptr<offered_source> source;
  };

  std::vector<entry> all_;
};

} // namespace cohort::detail
