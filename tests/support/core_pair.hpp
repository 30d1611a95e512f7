// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/channel/message_core.hpp>

#include "support/event_loop.hpp"
#include "support/pipe_handles.hpp"
#include "support/test_messages.hpp"

#include <cohort/detail/posix/socket.hpp>

#include <asio/io_context.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace cohort_test {

using core_list = cohort::detail::message_list<note, blob, question, verdict>;
using core_type = cohort::detail::message_core<core_list, core_list, throwing_codec>;

/// One end of a message channel without its endpoint, and what it tells.
struct noted_end {
  std::shared_ptr<core_type> core;
  std::vector<cohort::channel_problem> problems;
  int progress = 0;
  std::vector<cohort::handle> none;

  void open(asio::io_context& context, cohort::detail::posix::unique_fd socket,
      const cohort::channel_options& options)
  {
    core = std::make_shared<core_type>(context.get_executor(), std::move(socket), options);
    core->on_problem = [this](const cohort::channel_problem& p) { problems.push_back(p); };
    core->on_progress = [this] { ++progress; };
  }
  void close()
  {
    if (!core) return;
    core->on_problem = nullptr;
    core->on_progress = nullptr;
    core->close();
    core.reset();
  }

  core_type* operator->() const noexcept { return core.get(); }
  template <class Message>
  cohort::send_status send(Message message)
  {
    return core->send(std::move(message), none);
  }
  /// The numbers of the notes that have been read and that nobody has received.
  std::vector<std::uint32_t> take_notes()
  {
    std::vector<std::uint32_t> numbers;
    for (core_type::received got; core->take(got);)
      numbers.push_back(std::get<note>(got.message).number);
    return numbers;
  }
};

/// Two ends that talk to each other.
struct core_pair {
  asio::io_context context{1};
  noted_end left, right;

  explicit core_pair(const cohort::channel_options& options = {})
  {
    std::error_code error;
    auto sockets = cohort::detail::posix::stream_pair(error);
    if (error) throw std::system_error(error);
    left.open(context, std::move(sockets.first), options);
    right.open(context, std::move(sockets.second), options);
    left->start();
    right->start();
  }
  ~core_pair()
  {
    left.close();
    right.close();
  }

  void run() { run_ready(context); }
  template <class Done>
  bool until(Done done)
  {
    return run_until(context, done);
  }
};

} // namespace cohort_test
