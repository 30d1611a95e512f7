// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Roles for what workers are started with:
//
//   node_settings   a worker that sends what it was started with as one JSON object, writes "out"
//   and
//                   "err" to its streams, sends back what its descriptor COHORT_TEST_ECHO receives,
//                   and goes on until it is told to leave
//   node_capabilities
//                   a primary that is not root but has ambient capabilities, and says what a worker
//                   of its own user has of them and whether it can be signalled, then the same of a
//                   worker of another user
//   node_argv       a primary that writes over its own argument, twice, and says what is taken from
//   it

#include <cohort/cluster.hpp>
#include <cohort/handle.hpp>
#include <cohort/message/json.hpp>
#include <cohort/subscription.hpp>
#include <cohort/this_worker.hpp>

#include "support/capabilities.hpp"
#include "support/scratch.hpp"
#include "support/worker_roles.hpp"

#include <array>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace node_settings_roles {

namespace {

using asio::awaitable;
namespace json = boost::json;

json::array streams()
{
  json::array targets;
  for (const char* number : {"0", "1", "2"}) {
    std::error_code ignored;
    const auto target =
        std::filesystem::read_symlink(std::string("/proc/self/fd/") + number, ignored);
    targets.emplace_back(target.string());
  }
  return targets;
}

json::object environment()
{
  json::object variables;
  for (char** each = environ; *each; ++each) {
    const std::string entry = *each;
    const auto equals = entry.find('=');
    variables[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return variables;
}

json::object facts(int argc, char** argv)
{
  json::object all;
  all["directory"] = std::filesystem::current_path().string();
  all["arguments"] = json::array(argv + 1, argv + argc);
  all["environment"] = environment();
  all["streams"] = streams();
  all["descriptors"] = cohort_test::count_descriptors();
  std::array<uid_t, 3> users;
  ::getresuid(&users[0], &users[1], &users[2]);
  all["users"] = json::array(users.begin(), users.end());
  std::array<gid_t, 3> groups;
  ::getresgid(&groups[0], &groups[1], &groups[2]);
  all["groups"] = json::array(groups.begin(), groups.end());
  std::array<gid_t, 100> others;
  const int count = ::getgroups(100, others.data());
  all["others"] = json::array(others.begin(), others.begin() + count);
  const std::vector<std::string> capabilities = cohort_test::capabilities();
  all["capabilities"] = json::array(capabilities.begin(), capabilities.end());
  all["no_new_privs"] = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
  all["process_group"] = ::getpgrp();
  all["session"] = ::getsid(0);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  all["open_files"] = json::array{files.rlim_cur, files.rlim_max};
  return all;
}

awaitable<void> echo(asio::local::stream_protocol::socket socket)
{
  std::array<char, 64> data;
  for (;;) {
    const std::size_t size =
        co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer(data, size), asio::use_awaitable);
  }
}

COHORT_TEST_WORKER_ROLE(node_settings)
{
  const json::value all = facts(argc, argv);
  asio::io_context context(1);
  cohort::this_worker self(context);
  self.send(all);
  const bool speaks = !cohort_test::variable("COHORT_TEST_SPEAK").empty();
  if (speaks) std::cout << "out" << std::endl;
  if (speaks) std::cerr << "err" << std::endl;
  if (const std::string number = cohort_test::variable("COHORT_TEST_ECHO"); !number.empty()) {
    // Its end, by the other side, is an error to that coroutine and nothing else.
    auto socket =
        cohort::handle::adopt(std::stoi(number)).to<asio::local::stream_protocol::socket>(context);
    asio::co_spawn(context, echo(std::move(socket)), asio::detached);
  }
  // Its socket's wait must not outlive its time in the cluster.
  self.left([&context](std::error_code) { context.stop(); });
  context.run();
  if (speaks) std::cout << "left" << std::endl;
  return 0;
}

void tell(const char* whose, const std::vector<std::string>& arguments)
{
  std::cout << whose;
  for (const std::string& each : arguments) std::cout << ' ' << each;
  std::cout << std::endl;
}

void tell(const char* whose, const json::array& seen)
{
  std::vector<std::string> words;
  for (const json::value& each : seen) words.emplace_back(each.as_string());
  tell(whose, words);
}

awaitable<void> tell_capabilities(cohort::cluster<>& cluster)
{
  const auto variables = cohort::environment().set("COHORT_TEST_ROLE", "node_settings");
  for (const char* whose : {"same", "other"}) {
    cohort::worker worker = co_await cluster.co_fork(variables);
    auto envelope = co_await worker.receive();
    tell(whose, envelope.message.at("capabilities").as_array());
    std::error_code error;
    worker.kill(SIGWINCH, error);
    std::cout << "signal " << error.message() << std::endl;
    cluster.setup(cohort::settings().uid(65'534).gid(65'534));
  }
  co_await cluster.disconnect();
}

COHORT_TEST_WORKER_ROLE(node_capabilities)
{
  if (!cohort_test::become_user_with_capabilities(12'345, 23'456)) return 2;
  asio::io_context context(1);
  cohort::cluster<> cluster(context, cohort::settings().exec("/proc/self/exe"));
  int status = 0;
  asio::co_spawn(context, tell_capabilities(cluster),
      [&status](std::exception_ptr failure) { status = failure ? 1 : 0; });
  context.run();
  return status;
}

awaitable<void> tell_arguments(cohort::cluster<>& cluster, char* argument)
{
  auto setups = cluster.subscribe<cohort::setup_event>();
  std::memset(argument, 'x', std::strlen(argument));
  cluster.setup(cohort::settings().silent(true));
  std::memset(argument, 'y', std::strlen(argument));
  const cohort::setup_event first = co_await setups.next();
  tell("setup", *first.settings.args());
  const auto variables = cohort::environment().set("COHORT_TEST_ROLE", "node_settings");
  cohort::worker worker = co_await cluster.co_fork(variables);
  const cohort::setup_event second = co_await setups.next();
  tell("fork", *second.settings.args());
  auto envelope = co_await worker.receive();
  tell("worker", envelope.message.at("arguments").as_array());
  const cohort::settings now = cluster.current_settings();
  tell("settings", *now.args());
  co_await cluster.disconnect();
}

COHORT_TEST_WORKER_ROLE(node_argv)
{
  if (argc < 2) return 1;
  asio::io_context context(1);
  cohort::cluster<> cluster(context);
  int status = 0;
  asio::co_spawn(context, tell_arguments(cluster, argv[1]),
      [&status](std::exception_ptr failure) { status = failure ? 1 : 0; });
  context.run();
  return status;
}

} // namespace

} // namespace node_settings_roles
