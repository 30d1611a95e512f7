// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/worker_core.hpp>

#include <asio/io_context.hpp>
#include <doctest/doctest.h>

#include <optional>

namespace worker_core_test {

using cohort::exit_status;
using cohort::detail::worker_core;

namespace {

// A worker of which only its latches are of interest.
class shown_worker final : public worker_core {
public:
  shown_worker(const asio::any_io_executor& executor, cohort::worker_id id)
      : worker_core(executor, cohort::candidate(id), nullptr)
  {
  }
  void disconnect(duration) override {}
  void close_channel() override {}
  void set_weight(std::uint32_t) override {}
};

} // namespace

TEST_CASE("a worker keeps its id and its executor, and begins with nothing happened")
{
  asio::io_context context;
  shown_worker worker(context.get_executor(), 7);
  CHECK(worker.id() == 7);
  CHECK(worker.get_executor() == asio::any_io_executor(context.get_executor()));
  CHECK_FALSE(worker.online().is_set());
  CHECK_FALSE(worker.listening().is_set());
  CHECK_FALSE(worker.disconnected().is_set());
  CHECK_FALSE(worker.exited().is_set());
  CHECK_FALSE(worker.state().is_dead());
  CHECK(worker.state().is_connected());
}

TEST_CASE("waits end with operation_aborted when the last handle goes")
{
  asio::io_context context;
  std::optional<shown_worker> worker(std::in_place, context.get_executor(), 7);
  std::error_code online, exited;
  worker->online().add([&](std::error_code error) { online = error; });
  worker->exited().add([&](std::error_code error, exit_status) { exited = error; });
  worker.reset();
  context.run();
  CHECK(online == asio::error::operation_aborted);
  CHECK(exited == asio::error::operation_aborted);
}

TEST_CASE("a pipe is found by its number until it is taken")
{
  namespace posix = cohort::detail::posix;
  asio::io_context context;
  shown_worker worker(context.get_executor(), 7);
  CHECK(worker.pipe(0) == nullptr);
  std::error_code error;
  std::vector<posix::unique_fd> pipes(3);
  pipes[2] = posix::duplicate(0, error);
  REQUIRE_FALSE(error);
  worker.keep_pipes(std::move(pipes));
  for (const int number : {-1, 0, 1, 3}) CHECK(worker.pipe(number) == nullptr);
  REQUIRE(worker.pipe(2) != nullptr);
  const posix::unique_fd taken = std::move(*worker.pipe(2));
  CHECK(taken);
  CHECK(worker.pipe(2) == nullptr);
}

} // namespace worker_core_test
