// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/io/alarm.hpp>
#include <cohort/detail/lifecycle/service_report.hpp>
#include <cohort/detail/supervision/group_table.hpp>
#include <cohort/event.hpp>
#include <cohort/service_manager.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <sys/types.h>

namespace cohort::detail {

/// How a group is, for its service manager.
group_brief brief_of(const supervised_group& group);

/// Tells the service manager how the groups of a supervisor are, from its `begin` to its `end`:
/// whatever happens in the cluster is a reason to look. The groups and the host live that long.
class service_link final : public subscriber, public std::enable_shared_from_this<service_link> {
public:
  service_link(const asio::any_io_executor& executor, const group_table& groups, group_host& host)
      : executor_(executor),
        groups_(groups),
        host_(host),
        alarm_(executor)
  {
  }

  /// Nothing is said to none.
  void begin(service_manager manager);
  /// All groups were told to reload.
  void reload_asked();
  /// All groups were told to end.
  void stopping();
  /// Another process is the service from now on: tells which, and then nothing more. With an error
  /// all is as before.
  void hand_over(pid_t successor, std::error_code& error);
  /// Says that it ends, if that was not said, and then nothing more.
  void end();

  void deliver(const any_event& event) override;
  void close() override {}

private:
  service_facts facts() const;
  void update();
  void report(std::error_code error);

  asio::any_io_executor executor_;
  const group_table& groups_;
  group_host& host_;
  io::alarm alarm_;
  // While it goes on.
  std::optional<service_manager> manager_;
  service_report report_;
  bool stopping_ = false;
  bool update_posted_ = false;
  bool failing_ = false;
};

// Implementation

inline group_brief brief_of(const supervised_group& group)
{
  const group_state& state = group.state();
  group_brief brief;
  brief.name = group.description().name();
  brief.wanted = state.count();
  for (const group_place& place : state.roster().places()) {
    const auto serves = [](const placed_worker& each) { return each.runs() && each.ready; };
    if (serves(place.current) || serves(place.next)) ++brief.ready;
    // Its last worker may be on its way out.
    else if (place.finished) --brief.wanted;
  }
  brief.reloads = state.reload_state().runs();
  brief.gave_up = state.gave_up();
  brief.over = state.over();
  return brief;
}

inline void service_link::begin(service_manager manager)
{
  if (!manager) return;
  report_ = service_report(manager.watchdog_interval());
  manager_ = std::move(manager);
  update();
}

inline void service_link::reload_asked()
{
  report_.reload_asked();
  update();
}

inline void service_link::stopping()
{
  stopping_ = true;
  update();
}

inline void service_link::hand_over(pid_t successor, std::error_code& error)
{
  if (manager_) error = manager_->main_pid(successor);
  if (error) return;
  manager_.reset();
  alarm_.call_off();
}

inline void service_link::end()
{
  stopping();
  manager_.reset();
  alarm_.call_off();
}

inline void service_link::deliver(const any_event&)
{
  if (!manager_ || std::exchange(update_posted_, true)) return;
  // The groups hear of it as soon as they are not in the middle of something.
  asio::post(executor_, [self = shared_from_this()] {
    self->update_posted_ = false;
    self->update();
  });
}

inline service_facts service_link::facts() const
{
  service_facts facts;
  facts.stopping = stopping_;
  for (const auto& each : groups_.all()) {
    facts.groups.push_back(brief_of(*each));
    facts.workers += groups_.workers_of(*each).size();
  }
  return facts;
}

inline void service_link::update()
{
  while (manager_) {
    const auto now = service_report::clock::now();
    const auto text = report_.next(facts(), now);
    if (!text) break;
    const std::error_code error = manager_->notify(*text);
    report_.told(!error, now);
    report(error);
  }
  const auto next = manager_ ? report_.wake_at() : std::nullopt;
  if (!next) return alarm_.call_off();
  alarm_.set(*next, [self = shared_from_this()] { self->update(); });
}

// Once until it goes well again.
inline void service_link::report(std::error_code error)
{
  const bool is_news = error && !failing_;
  failing_ = static_cast<bool>(error);
  if (!is_news) return;
  error_event event;
  event.code = error;
  event.what = "service manager";
  host_.publish(event);
}

} // namespace cohort::detail
