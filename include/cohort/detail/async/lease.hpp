// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

namespace cohort::detail {

/// Counts what it has lent out.
class lessor {
public:
  /// One lease has ended; may be called on any thread.
  virtual void lease_ended() noexcept = 0;

protected:
  ~lessor() = default;
};

/// Held by a connection as long as it lives; move-only.
class lease {
public:
  lease() noexcept = default;
  explicit lease(std::shared_ptr<lessor> owner) noexcept : owner_(std::move(owner)) {}
  lease(lease&& other) noexcept = default;
  lease& operator=(lease&& other) noexcept
  {
    lease taken(std::move(other));
    std::swap(owner_, taken.owner_);
    return *this;
  }
  ~lease() { end(); }

  explicit operator bool() const noexcept { return owner_ != nullptr; }

  void end() noexcept
  {
    if (const auto owner = std::exchange(owner_, nullptr)) owner->lease_ended();
  }

private:
  std::shared_ptr<lessor> owner_;
};

} // namespace cohort::detail
