// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/role.hpp>

#include <cohort/detail/posix/child.hpp>
#include <cohort/detail/posix/machine.hpp>

#include <doctest/doctest.h>

#include "support/worker_roles.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

namespace role_test {

using namespace cohort::detail::posix;
using cohort::exit_status;
using strings = std::vector<std::string>;

namespace {

// A role is read once, so each way to read it needs a process of its own: it returns 0 when all is
// as expected, else the line of the first expectation that failed.
#define EXPECT(condition)                                                                          \
  if (!(condition)) return __LINE__ % 250

// Starts this program as `role`, with these variables and descriptors from 3 on.
exit_status start(const std::string& role, strings variables, std::vector<int> inherit = {})
{
  child_options options;
  options.path = executable_path();
  options.argv = {options.path, "first", "", "third"};
  options.envp = std::move(variables);
  options.envp.push_back("COHORT_TEST_ROLE=" + role);
  options.envp.push_back("COHORT_TEST_ROLE_PLAIN=1");
  options.inherit = std::move(inherit);
  std::error_code ec;
  const auto child = start_child(options, ec);
  REQUIRE_MESSAGE(!ec, ec.message());
  return wait(child.pidfd.get(), child.pid);
}

strings as_worker(
    const std::string& id, const std::string& control = "3", const std::string& messages = "4")
{
  return {
      "COHORT_WORKER_ID=" + id, "COHORT_CONTROL_FD=" + control, "COHORT_MESSAGE_FD=" + messages};
}

struct channels {
  std::pair<unique_fd, unique_fd> control, messages;

  channels()
  {
    std::error_code ec;
    control = stream_pair(ec);
    messages = stream_pair(ec);
    REQUIRE(!ec);
  }
  std::vector<int> of_worker() const { return {control.second.get(), messages.second.get()}; }
};

} // namespace

COHORT_TEST_WORKER_ROLE(role_of_nobody)
{
  EXPECT(!role().is_worker());
  EXPECT(role().id == 0);
  EXPECT(role().group.empty());
  std::error_code ec;
  const worker_channels none = adopt_channels(ec);
  EXPECT(ec == cohort::error::not_a_worker);
  EXPECT(!none.control && !none.messages);
  return 0;
}

COHORT_TEST_WORKER_ROLE(role_of_worker_7)
{
  EXPECT(role().is_worker());
  EXPECT(role().id == 7);
  EXPECT(role().control == 3);
  EXPECT(role().messages == 4);
  EXPECT(role().group == "web");
  std::error_code ec;
  const worker_channels mine = adopt_channels(ec);
  EXPECT(!ec);
  EXPECT(mine.control.get() == 3 && mine.messages.get() == 4);
  // Its own children are no workers.
  for (const int fd : {3, 4}) EXPECT((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  for (const int fd : {3, 4}) EXPECT((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  for (const char* name : {worker_id_variable, control_variable, messages_variable, group_variable})
    EXPECT(!std::getenv(name));
  // The process stays what it is, but its channels are taken.
  EXPECT(role().id == 7);
  const worker_channels again = adopt_channels(ec);
  EXPECT(ec == cohort::error::not_a_worker);
  EXPECT(!again.control && !again.messages);
  return 0;
}

COHORT_TEST_WORKER_ROLE(role_of_worker_without_channels)
{
  EXPECT(role().is_worker());
  std::error_code ec;
  const worker_channels none = adopt_channels(ec);
  EXPECT(ec == cohort::error::not_a_worker);
  EXPECT(!none.control && !none.messages);
  // Whatever the numbers mean, it was not ours to close.
  EXPECT(::fcntl(0, F_GETFD) != -1);
  return 0;
}

COHORT_TEST_WORKER_ROLE(role_with_arguments)
{
  const strings expected{"first", "", "third"};
  EXPECT(program_arguments() == expected);
  // As programs do that show in the list of processes what they are about.
  char* const shown = ::program_invocation_name + std::strlen(::program_invocation_name) + 1;
  EXPECT(std::string(shown) == "first");
  shown[0] = 'F';
  EXPECT(program_arguments() == expected);
  bool found = false;
  for (const std::string_view each : environment_entries())
    found = found || each == "COHORT_TEST_ROLE=role_with_arguments";
  EXPECT(found);
  return 0;
}

COHORT_TEST_WORKER_ROLE(role_that_exits_at_once)
{
  std::fputs("unflushed", stdout);
  exit_at_once(5);
}

TEST_CASE("a process without the variables is no worker")
{
  CHECK(start("role_of_nobody", {}) == exit_status::exited(0));
}

TEST_CASE("an id that is no number of a worker makes no worker")
{
  for (const char* id : {"", "0", "-1", "x", "1x", " 1", "99999999999"}) {
    CAPTURE(id);
    const channels pair;
    CHECK(start("role_of_nobody", as_worker(id), pair.of_worker()) == exit_status::exited(0));
  }
}

TEST_CASE("a worker adopts its channels once, and its children are no workers")
{
  const channels pair;
  strings variables = as_worker("7");
  variables.push_back("COHORT_GROUP=web");
  CHECK(start("role_of_worker_7", variables, pair.of_worker()) == exit_status::exited(0));
}

TEST_CASE("descriptors that are no channels are not adopted")
{
  const char* const role = "role_of_worker_without_channels";
  CHECK(start(role, {"COHORT_WORKER_ID=1"}) == exit_status::exited(0));
  CHECK(start(role, as_worker("1")) == exit_status::exited(0));
  CHECK(start(role, as_worker("1", "x", "y")) == exit_status::exited(0));
  // The standard input is no socket.
  const channels pair;
  CHECK(start(role, as_worker("1", "0", "4"), pair.of_worker()) == exit_status::exited(0));
  CHECK(start(role, as_worker("1", "3", "9"), pair.of_worker()) == exit_status::exited(0));
}

TEST_CASE("a process knows its arguments, empty ones too, and its environment")
{
  CHECK(start("role_with_arguments", {}) == exit_status::exited(0));
}

TEST_CASE("an end at once flushes the standard streams and has its code")
{
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const unique_fd reader(ends[0]);
  unique_fd writer(ends[1]);
  child_options options;
  options.path = executable_path();
  options.envp = {"COHORT_TEST_ROLE=role_that_exits_at_once", "COHORT_TEST_ROLE_PLAIN=1"};
  options.stdio[1] = writer.get();
  std::error_code ec;
  const auto child = start_child(options, ec);
  REQUIRE_MESSAGE(!ec, ec.message());
  writer.reset();
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(5));
  char text[32];
  const auto size = ::read(reader.get(), text, sizeof text);
  REQUIRE(size > 0);
  CHECK(std::string(text, static_cast<std::size_t>(size)) == "unflushed");
}

TEST_CASE("an end at once does not wait for who does not read")
{
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  const unique_fd reader(ends[0]);
  unique_fd writer(ends[1]);
  char full[4096] = {};
  while (::write(writer.get(), full, sizeof full) > 0) {
  }
  REQUIRE(::fcntl(writer.get(), F_SETFL, 0) == 0);
  child_options options;
  options.path = executable_path();
  options.envp = {"COHORT_TEST_ROLE=role_that_exits_at_once", "COHORT_TEST_ROLE_PLAIN=1"};
  options.stdio[1] = writer.get();
  std::error_code ec;
  const auto child = start_child(options, ec);
  REQUIRE_MESSAGE(!ec, ec.message());
  CHECK(wait(child.pidfd.get(), child.pid) == exit_status::exited(5));
}

TEST_CASE("the null device can be written to and is kept from children")
{
  std::error_code ec;
  const unique_fd null = open_null(ec);
  REQUIRE(!ec);
  CHECK(::write(null.get(), "x", 1) == 1);
  CHECK((::fcntl(null.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

} // namespace role_test
