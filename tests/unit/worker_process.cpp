// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/worker_process.hpp>

#include <cohort/detail/posix/worker_pipe.hpp>

#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include "support/noted_host.hpp"

#include <array>
#include <chrono>
#include <concepts>
#include <csignal>
#include <string>
#include <type_traits>
#include <vector>

namespace worker_process_test {

using cohort::worker_process;
namespace posix = cohort::detail::posix;
using namespace std::chrono_literals;

namespace {

static_assert(std::is_nothrow_copy_constructible_v<worker_process>);
static_assert(std::same_as<worker_process::executor_type, asio::any_io_executor>);

// A program behind pipes at the numbers 0 to 4, of which 3 is none.
class piped_worker final : public cohort::detail::worker_core {
public:
  piped_worker(const asio::any_io_executor& executor, const char* script)
      : worker_core(executor, cohort::candidate(3), nullptr)
  {
    posix::child_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c", script};
    std::vector<posix::unique_fd> ours;
    std::vector<posix::unique_fd> theirs;
    std::error_code error;
    for (const int number : {0, 1, 2, 3, 4}) {
      posix::worker_pipe made = posix::make_worker_pipe(number, error);
      REQUIRE_MESSAGE(!error, error.message());
      ours.push_back(std::move(made.ours));
      theirs.push_back(std::move(made.theirs));
    }
    for (const std::size_t number : {0U, 1U, 2U}) options.stdio[number] = theirs[number].get();
    options.inherit = {theirs[3].get(), theirs[4].get()};
    ours[3].reset();
    keep_pipes(std::move(ours));
    process_ = cohort::detail::process::start(
        executor, options, [this](cohort::exit_status status) { state_.exited(status); }, error);
    REQUIRE_MESSAGE(!error, error.message());
  }

  void disconnect(duration) override {}
  void close_channel() override {}
  void set_weight(std::uint32_t) override {}
};

struct process_test {
  explicit process_test(const char* script = "cat; cat <&4 >&2")
      : core(std::make_shared<piped_worker>(context.get_executor(), script)),
        handle(core)
  {
  }
  ~process_test()
  {
    std::error_code ignored;
    handle.kill(SIGKILL, ignored);
    context.restart();
    context.run_for(10s);
    CHECK(core->state().is_dead());
  }

  asio::io_context context{1};
  std::shared_ptr<piped_worker> core;
  worker_process handle;
};

template <class Pipe>
std::string all_of(Pipe pipe)
{
  std::string text;
  std::error_code error;
  asio::read(pipe, asio::dynamic_buffer(text), error);
  CHECK(error == asio::error::eof);
  return text;
}

} // namespace

TEST_CASE("a process is named and signalled, and gone when it is")
{
  process_test test;
  CHECK(test.handle.pid() == test.core->pid());
  CHECK(test.handle.get_executor() == test.core->get_executor());
  test.handle.kill(SIGTERM);
  test.context.run_for(10s);
  CHECK(test.core->state().status() == cohort::exit_status::signalled(SIGTERM));
  std::error_code error;
  test.handle.kill(SIGTERM, error);
  CHECK(error == std::errc::no_such_process);
  CHECK_THROWS_AS(test.handle.kill(SIGTERM), std::system_error);
}

TEST_CASE("what is written to its standard input is read from the other two")
{
  process_test test;
  auto output = test.handle.standard_output();
  auto errors = test.handle.standard_error();
  auto extra = test.handle.extra(4);
  {
    auto input = test.handle.standard_input();
    asio::write(input, asio::buffer("one", 3));
  }
  asio::write(extra, asio::buffer("two", 3));
  extra.shutdown(extra.shutdown_send);
  CHECK(all_of(std::move(output)) == "one");
  CHECK(all_of(std::move(errors)) == "two");
  CHECK(all_of(std::move(extra)).empty());
}

TEST_CASE("a pipe can be waited for, on the executor of the worker")
{
  process_test test("echo word; exec sleep 100");
  auto output = test.handle.standard_output();
  std::array<char, 16> data;
  std::string text;
  output.async_read_some(asio::buffer(data), [&](std::error_code error, std::size_t size) {
    CHECK_FALSE(error);
    text.assign(data.data(), size);
  });
  CHECK(cohort_test::run_bounded(test.context, [&] { return !text.empty(); }));
  CHECK(text == "word\n");
}

TEST_CASE("each pipe is taken once, and there is none where none was asked for")
{
  process_test test;
  std::error_code error;
  const auto first = test.handle.standard_output(error);
  CHECK_FALSE(error);
  CHECK(first.is_open());
  worker_process copy = test.handle;
  const auto second = copy.standard_output(error);
  CHECK(error == std::errc::bad_file_descriptor);
  CHECK_FALSE(second.is_open());
  CHECK_THROWS_AS(copy.standard_output(), std::system_error);
  for (const int number : {-1, 0, 2, 3, 5}) {
    CAPTURE(number);
    CHECK_FALSE(test.handle.extra(number, error).is_open());
    CHECK(error == std::errc::bad_file_descriptor);
  }
  CHECK(test.handle.extra(4, error).is_open());
  CHECK_FALSE(error);
  CHECK_THROWS_AS(test.handle.extra(4), std::system_error);
}

} // namespace worker_process_test
