// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/complete_later.hpp>
#include <cohort/detail/core/event_bus.hpp>
#include <cohort/detail/core/supervised_group.hpp>
#include <cohort/detail/core/worker_core.hpp>
#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/group.hpp>
#include <cohort/reload_options.hpp>
#include <cohort/reload_result.hpp>
#include <cohort/restart_policy.hpp>
#include <cohort/settings.hpp>
#include <cohort/worker_id.hpp>

#include <asio/post.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cohort::detail {

/// The reload of a cluster that nobody supervises: its workers are a group for as long as it takes.
///
/// `Core` is a `cluster_core`.
template <class Core>
class cluster_reload final : public subscriber,
                             public std::enable_shared_from_this<cluster_reload<Core>>,
                             private group_host {
public:
  explicit cluster_reload(std::shared_ptr<Core> core) : core_(std::move(core)) {}

  /// Reloads `core`, or joins or is refused when that is under way;
  /// `handler(std::error_code, reload_result)` when it is over.
  template <class Handler>
  static void start(std::shared_ptr<Core> core, Handler&& handler, const reload_options& how);

  void deliver(const any_event& event) override;
  /// The cluster goes away.
  void close() override { finish(); }

private:
  using fact = std::variant<ready_event, exit_event>;

  template <class Handler>
  void begin(Handler&& handler, const reload_options& how);

  worker_pointer fork(const settings& how, std::error_code& error) override;
  worker_pointer find(worker_id worker) override { return core_->find(worker); }
  void publish(const any_event& event) override;
  void group_over() override {}
  void group_gave_up() override {}

  void see(const ready_event& event) { group_->ready(event.worker); }
  void see(const exit_event& event) { group_->exited(event); }
  void dismiss_news();
  void finish();

  std::shared_ptr<Core> core_;
  std::shared_ptr<supervised_group> group_;
  settings news_;
  std::chrono::steady_clock::duration drain_deadline_{};
  // Those it has started with the news.
  std::vector<worker_id> brought_;
  // What has happened, to be seen when the cluster is done with it.
  std::deque<fact> facts_;
  // Itself, until it is over.
  std::shared_ptr<cluster_reload> self_;
};

// Implementation

template <class Core>
template <class Handler>
void cluster_reload<Core>::start(
    std::shared_ptr<Core> core, Handler&& handler, const reload_options& how)
{
  const auto running = std::static_pointer_cast<cluster_reload>(core->reload_under_way().lock());
  if (running && running->group_)
    return running->group_->reload(std::forward<Handler>(handler), how);
  if (core->ending())
    return complete_later<reload_result>(core->get_executor(), std::forward<Handler>(handler),
        error::shutting_down, reload_result());
  const auto made = std::make_shared<cluster_reload>(core);
  core->reload_under_way() = made;
  core->events().add(made);
  made->self_ = made;
  made->begin(std::forward<Handler>(handler), how);
}

template <class Core>
template <class Handler>
void cluster_reload<Core>::begin(Handler&& handler, const reload_options& how)
{
  std::vector<worker_pointer> all = core_->workers();
  // Those on their way out go on as they do.
  std::erase_if(all, [](const worker_pointer& each) {
    return each->state().exited_after_disconnect() || !each->state().is_connected();
  });
  news_ = how.settings();
  drain_deadline_ = how.drain_deadline();
  const std::uint32_t generation = core_->current_settings().generation();
  news_.generation(generation + 1);
  // Who dies meanwhile is the program's to replace.
  cohort::group description("cluster");
  description.restarts(restart_policy().kind(restart::temporary));
  description.settings(settings().generation(generation));
  group_host& host = *this;
  group_ = std::make_shared<supervised_group>(
      core_->get_executor(), description, static_cast<unsigned>(all.size()), host, 0);
  for (const worker_pointer& each : all) group_->adopt(each->id(), each->state().is_ready());
  group_->begin();
  group_->reload(std::forward<Handler>(handler), how);
}

template <class Core>
auto cluster_reload<Core>::fork(const settings& how, std::error_code& error) -> worker_pointer
{
  // One that is taken back has others as before in the places that it had taken over.
  const bool is_new = how.generation() == news_.generation();
  auto worker = core_->fork(is_new ? news_ : settings(), error);
  if (worker && is_new) brought_.push_back(worker->id());
  return worker;
}

template <class Core>
void cluster_reload<Core>::deliver(const any_event& event)
{
  const auto note = [this](const auto& each) {
    using event_type = std::decay_t<decltype(each)>;
    if constexpr (std::is_constructible_v<fact, const event_type&>) {
      facts_.emplace_back(each);
      if (facts_.size() != 1) return;
      asio::post(core_->get_executor(), [self = this->shared_from_this()] {
        for (; self->group_ && !self->facts_.empty(); self->facts_.pop_front())
          std::visit([&self](const auto& what) { self->see(what); }, self->facts_.front());
      });
    }
  };
  if (group_) std::visit(note, event);
}

template <class Core>
void cluster_reload<Core>::publish(const any_event& event)
{
  const auto* over = std::get_if<reload_event>(&event);
  if (!over) return;
  if (over->result.succeeded()) core_->setup(news_);
  else dismiss_news();
  reload_event told = *over;
  told.group.clear();
  // Who hears of it may begin the next one at once.
  core_->reload_under_way().reset();
  core_->publish(told);
  asio::post(core_->get_executor(), [self = this->shared_from_this()] { self->finish(); });
}

// When nobody as before can be started in the places that new ones have taken over, the reload ends
// with them there. They leave all the same; who is to follow is the program's to say.
template <class Core>
void cluster_reload<Core>::dismiss_news()
{
  for (const worker_id each : brought_) {
    const worker_pointer worker = core_->find(each);
    if (worker && !worker->state().exited_after_disconnect()) worker->disconnect(drain_deadline_);
  }
}

template <class Core>
void cluster_reload<Core>::finish()
{
  const auto alive = std::exchange(self_, nullptr);
  if (const auto group = std::exchange(group_, nullptr)) group->close();
}

} // namespace cohort::detail
