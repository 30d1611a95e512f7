// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/detail/async/latch.hpp>
#include <cohort/detail/channel/message_port.hpp>
#include <cohort/detail/io/process.hpp>
#include <cohort/detail/io/usage_probe.hpp>
#include <cohort/detail/lifecycle/worker_state.hpp>
#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/error.hpp>
#include <cohort/event.hpp>
#include <cohort/exit_status.hpp>
#include <cohort/worker_id.hpp>

#include <asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail {

/// What a `worker` handle stands on: the process, and what has happened to it.
class worker_core : public std::enable_shared_from_this<worker_core> {
public:
  using duration = std::chrono::steady_clock::duration;

  virtual ~worker_core() = default;

  worker_id id() const noexcept { return description_.id; }
  pid_t pid() const noexcept { return process_->pid(); }
  const worker_state& state() const noexcept { return state_; }
  const asio::any_io_executor& get_executor() const noexcept { return executor_; }
  const std::shared_ptr<message_port>& messages() const noexcept { return messages_; }

  void kill(int signal, std::error_code& error) noexcept { process_->signal(signal, error); }

  /// This side of what was made for the worker's descriptors, by their numbers.
  void keep_pipes(std::vector<posix::unique_fd> pipes) noexcept { pipes_ = std::move(pipes); }
  /// nullptr when there is none, or it was taken.
  posix::unique_fd* pipe(int number) noexcept;

  /// Begins a graceful end, or shortens the deadline of one that is under way.
  virtual void disconnect(duration deadline) = 0;

  /// Ends the channel from this side, without a word.
  virtual void close_channel() = 0;

  /// What scheduling policies see of it beside its connections.
  const candidate& description() const noexcept { return description_; }
  virtual void set_weight(std::uint32_t weight) = 0;

  /// How many requests it says it has answered.
  std::uint64_t requests() const noexcept { return requests_; }
  /// What its program says of itself, by its names.
  const std::map<std::string, std::string>& values() const noexcept { return values_; }
  /// How late its event loop said last that it is.
  std::chrono::microseconds lag() const noexcept { return lag_; }
  virtual bool is_stalled() const noexcept { return false; }
  /// Whether it was ended because of that.
  bool was_hung() const noexcept { return hung_; }
  /// What its process uses, no older than its settings say.
  virtual io::process_usage usage() { return {}; }
  /// It counts as one that serves, whether its program says so or knows nothing of that.
  virtual void serves() {}
  /// The group it was started for, empty for none.
  const std::string& group() const noexcept { return group_; }

  latch<>& online() noexcept { return online_; }
  latch<listening_event>& listening() noexcept { return listening_; }
  latch<>& ready() noexcept { return ready_; }
  latch<>& disconnected() noexcept { return disconnected_; }
  latch<exit_status>& exited() noexcept { return exited_; }

protected:
  worker_core(const asio::any_io_executor& executor, const candidate& description,
      std::shared_ptr<message_port> messages)
      : executor_(executor),
        description_(description),
        messages_(std::move(messages)),
        online_(executor),
        listening_(executor),
        ready_(executor),
        disconnected_(executor),
        exited_(executor)
  {
  }

  template <class Event>
  Event about(Event event) const
  {
    event.worker = id();
    event.pid = pid();
    return event;
  }

  /// Nothing more will be heard of it; who waits for it learns that.
  void set_gone()
  {
    online_.set(error::worker_gone);
    listening_.set(error::worker_gone, listening_event());
    ready_.set(error::worker_gone);
    disconnected_.set(std::error_code());
  }

  asio::any_io_executor executor_;
  candidate description_;
  std::shared_ptr<message_port> messages_;
  worker_state state_;
  std::shared_ptr<process> process_;
  std::vector<posix::unique_fd> pipes_;
  std::string group_;
  std::map<std::string, std::string> values_;
  std::chrono::microseconds lag_{};
  std::uint64_t requests_ = 0;
  bool hung_ = false;
  latch<> online_;
  latch<listening_event> listening_;
  latch<> ready_;
  latch<> disconnected_;
  latch<exit_status> exited_;
};

inline posix::unique_fd* worker_core::pipe(int number) noexcept
{
  const auto index = static_cast<std::size_t>(number);
  return number >= 0 && index < pipes_.size() && pipes_[index] ? &pipes_[index] : nullptr;
}

} // namespace cohort::detail
