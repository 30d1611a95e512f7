// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/progress_report.hpp>
#include <cohort/detail/wire/control_messages.hpp>

#include <asio/post.hpp>

#include <cstdint>
#include <utility>

namespace cohort::detail {

/// What a worker's program tells its primary of its work.
///
/// `Core` derives from it and is held by shared pointers; it has `get_executor()` and
/// `tell(message)`, which sends it or, without a primary, does nothing.
template <class Core>
class self_progress {
public:
  /// Its load now; told once for all that is reported in one turn of the event loop.
  void report_load(std::uint32_t load)
  {
    if (gathered_.load(load)) post();
  }

  /// The same for requests that were answered.
  void request_done(std::uint32_t count)
  {
    if (gathered_.done(count)) post();
  }

  /// It serves. The first call counts.
  void ready()
  {
    if (!std::exchange(ready_, true)) core().tell(wire::ready());
  }

  /// It is to be replaced. The first call counts.
  void request_replacement()
  {
    if (!std::exchange(replacement_asked_, true)) core().tell(wire::replace());
  }

protected:
  ~self_progress() = default;

private:
  Core& core() noexcept { return static_cast<Core&>(*this); }
  void post()
  {
    asio::post(core().get_executor(), [self = core().shared_from_this()] {
      self->gathered_.tell([&self](const auto& message) { self->tell(message); });
    });
  }

  progress_report gathered_;
  bool ready_ = false;
  bool replacement_asked_ = false;
};

} // namespace cohort::detail
