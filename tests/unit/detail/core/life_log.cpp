// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/life_log.hpp>

#include <doctest/doctest.h>

#include "support/captured_errors.hpp"

#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>

namespace life_log_test {

using namespace cohort;
using detail::life_log;

namespace {

// Sets COHORT_DEBUG, or takes it away, for the life of the object.
class debug_variable {
public:
  explicit debug_variable(const char* value)
  {
    if (const char* const now = std::getenv(name_)) before_ = now;
    if (value) ::setenv(name_, value, 1);
    else ::unsetenv(name_);
  }
  ~debug_variable()
  {
    if (before_) ::setenv(name_, before_->c_str(), 1);
    else ::unsetenv(name_);
  }
  debug_variable(const debug_variable&) = delete;
  debug_variable& operator=(const debug_variable&) = delete;

private:
  static constexpr const char* name_ = "COHORT_DEBUG";
  std::optional<std::string> before_;
};

template <class Event>
Event about(Event event)
{
  event.worker = 3;
  event.pid = 77;
  return event;
}

// The line without this process's number, which has to be there.
std::string line_of(const detail::any_event& event)
{
  const cohort_test::captured_errors errors;
  life_log().deliver(event);
  const std::string begin = std::to_string(::getpid()) + ",Primary ";
  const std::string text = errors.text();
  REQUIRE(text.starts_with(begin));
  REQUIRE(text.ends_with('\n'));
  return text.substr(begin.size(), text.size() - begin.size() - 1);
}

std::string address_of(address_type type, const std::string& address, std::uint16_t port)
{
  listening_event event = about(listening_event());
  event.type = type;
  event.address = address;
  event.port = port;
  return line_of(event);
}

} // namespace

TEST_CASE("the log is written when its word is among those of the variable")
{
  for (const char* list : {"cluster", "net,cluster", "cluster,net", ",cluster,", "a,cluster,b"}) {
    CAPTURE(list);
    const debug_variable set(list);
    CHECK(detail::life_log_wanted());
  }
  for (const char* list : {"", ",", "clusters", "net", "a cluster", "CLUSTER", "clus,ter"}) {
    CAPTURE(list);
    const debug_variable set(list);
    CHECK_FALSE(detail::life_log_wanted());
  }
  const debug_variable unset(nullptr);
  CHECK_FALSE(detail::life_log_wanted());
}

TEST_CASE("a worker's life is a line for each step")
{
  CHECK(line_of(about(fork_event())) == "Worker 77 forked");
  CHECK(line_of(about(online_event())) == "Worker 77 online");
  CHECK(line_of(about(disconnect_event())) == "Worker 77 disconnected");
  exit_event exit = about(exit_event());
  exit.status = exit_status::exited(3);
  CHECK(line_of(exit) == "Worker 77 exited with code 3");
  exit.status = exit_status::signalled(SIGKILL);
  CHECK(line_of(exit) == "Worker 77 killed by SIGKILL");
}

TEST_CASE("why a worker is to be replaced is said in words")
{
  const auto line = [](retire_reason why) {
    retire_event event = about(retire_event());
    event.reason = why;
    return line_of(event);
  };
  CHECK(line(retire_reason::requests) == "Worker 77 has served its requests");
  CHECK(line(retire_reason::asked) == "Worker 77 asks to be replaced");
  CHECK(line(retire_reason::age) == "Worker 77 has served for its time");
  CHECK(line(retire_reason::memory) == "Worker 77 has more memory than it may");
  CHECK(line(retire_reason::descriptors) == "Worker 77 has more descriptors than it may");
}

TEST_CASE("an address is written as people write it")
{
  CHECK(address_of(address_type::tcp4, "127.0.0.1", 80) == "Worker 77 listening on 127.0.0.1:80");
  CHECK(address_of(address_type::tcp6, "::1", 80) == "Worker 77 listening on [::1]:80");
  CHECK(address_of(address_type::unix_path, "/a:b", 0) == "Worker 77 listening on /a:b");
  CHECK(address_of(address_type::unix_path, std::string("\0name", 5), 0) ==
        "Worker 77 listening on @name");
}

TEST_CASE("what concerns no worker names none")
{
  CHECK(line_of(setup_event()) == "setup");
  error_event error;
  error.code = std::make_error_code(std::errc::too_many_files_open);
  error.what = "accept";
  CHECK(line_of(error) == "error accept: " + error.code.message());
  CHECK(line_of(about(error)) == "Worker 77 error accept: " + error.code.message());
}

TEST_CASE("a fork that fails tells its step")
{
  const cohort_test::captured_errors errors;
  const std::error_code code = std::make_error_code(std::errc::operation_not_permitted);
  life_log().fork_failed({detail::posix::start_step::user_id, code});
  CHECK(errors.text() ==
        std::to_string(::getpid()) + ",Primary fork failed at user id: " + code.message() + '\n');
}

TEST_CASE("nobody can write a second line or a terminal's commands into the log")
{
  error_event error;
  error.what = "a\n1,Primary setup\x1b[2J\x7f";
  error.code = std::make_error_code(std::errc::io_error);
  CHECK(line_of(error) == "error a?1,Primary setup?[2J?: " + error.code.message());
}

TEST_CASE("who is no worker has nothing to say of itself")
{
  const debug_variable set("cluster");
  const cohort_test::captured_errors errors;
  detail::log_own_life("drains");
  CHECK(errors.text().empty());
}

TEST_CASE("a line tells how many workers of a group are ready")
{
  ready_count_event event;
  event.group = "web";
  event.ready = 3;
  event.before = 2;
  event.workers = 4;
  CHECK(line_of(event) == "3 of 4 ready in web");
}

} // namespace life_log_test
