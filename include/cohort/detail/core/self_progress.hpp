// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/lifecycle/progress_report.hpp>
#include <cohort/detail/wire/control_messages.hpp>

#include <asio/post.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
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

  /// It sends messages to other workers. The first call counts.
  void relays()
  {
    if (!std::exchange(relays_, true)) core().tell(wire::relays());
  }

  /// A group is to be replaced, its own when the name is empty.
  void request_reload(std::string_view group)
  {
    if (group.size() > wire::value_name::capacity)
      throw std::invalid_argument("cohort: no group has so long a name");
    core().tell(wire::reload{wire::value_name(group)});
  }

  /// What the program says of itself under this name; empty takes the name away. Only news is told.
  void report_value(std::string_view name, std::string_view text);

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
  std::map<std::string, std::string, std::less<>> values_;
  bool ready_ = false;
  bool replacement_asked_ = false;
  bool relays_ = false;
};

// Implementation

template <class Core>
void self_progress<Core>::report_value(std::string_view name, std::string_view text)
{
  const auto is_bad = [](unsigned char each) { return each <= ' ' || each == '=' || each == 127; };
  if (name.empty() || name.size() > wire::value_name::capacity ||
      std::ranges::any_of(name, is_bad) || text.size() > wire::value_text::capacity)
    throw std::invalid_argument("cohort: bad name or value to report");
  const auto found = values_.find(name);
  if (found == values_.end() ? text.empty() : found->second == text) return;
  if (found == values_.end() && values_.size() == wire::max_values)
    throw std::length_error("cohort: too many values to report");
  if (text.empty()) values_.erase(found);
  else values_.insert_or_assign(std::string(name), std::string(text));
  core().tell(wire::value{wire::value_name(name), wire::value_text(text)});
}

} // namespace cohort::detail
