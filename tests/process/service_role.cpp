// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Programs that a service manager starts.
//
// Role "as_service": see `support/started_service.hpp`. Its environment:
//
//   COHORT_TEST_SOCKETS  what to give
//   COHORT_TEST_NAMES    LISTEN_FDNAMES, when it is not to be the names of those
//   COHORT_TEST_PID      LISTEN_PID, when it is not to be its own
//
// Role "service": a supervised one. Its environment is words in COHORT_TEST_SERVICE:
//
//   GROUP=SOCKET     a group of two workers that listens on the inherited socket of that name
//   GROUP=           one that listens nowhere
//   at=PORT, at=PATH where the workers of groups with a socket listen; by its name unless said
//   hang             workers are never ready
//   done             the first worker of a group has nothing to do, which is no reason for another
//   keep=NUMBER      descriptors that are the program's own
//
// It writes "ready PID" of its workers and "over" when the supervisor has ended. Workers answer
// each connection with "PID GROUP VARIABLES", the latter those of a service manager that they have.
//
// Role "inherits": one without a supervisor. It writes the names of what it was given, and what
// it takes then, and answers one connection to "http" in a worker that stands alone.

#include <cohort/inherited_sockets.hpp>
#include <cohort/message/json.hpp>
#include <cohort/run.hpp>
#include <cohort/supervisor.hpp>

#include "support/worker_roles.hpp"

#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace service_role {

using asio::awaitable;
using asio::ip::tcp;
using cohort_test::variable;
using local = asio::local::stream_protocol;
namespace posix = cohort::detail::posix;

namespace {

// Far from those that are given.
constexpr int made_from = 100;

posix::socket_address address_of(const std::string& kind, const std::string& where)
{
  std::error_code error;
  if (kind == "unix") return posix::socket_address::from_path(where, error);
  const auto port = static_cast<std::uint16_t>(std::stoi(where));
  return posix::socket_address::from_endpoint(
      tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
}

// As a service manager makes them: blocking, and the port may have been used just now.
bool make_socket(const std::string& kind, const std::string& where, int number)
{
  const int type = kind == "udp" ? SOCK_DGRAM : SOCK_STREAM;
  const posix::unique_fd made(::socket(kind == "unix" ? AF_UNIX : AF_INET, type, 0));
  const int on = 1;
  ::setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const posix::socket_address address = address_of(kind, where);
  return ::bind(made.get(), address.data(), address.size()) == 0 &&
         (type == SOCK_DGRAM || ::listen(made.get(), 64) == 0) &&
         ::dup2(made.get(), number) == number;
}

// What a service manager has said to this process.
std::string service_variables()
{
  std::string found;
  for (const char* name : posix::service_variables)
    if (std::getenv(name)) found += ' ' + std::string(name);
  return found;
}

std::map<std::string, std::string> words_of(const std::string& text)
{
  std::map<std::string, std::string> words;
  std::istringstream all(text);
  for (std::string word; all >> word;) {
    const std::size_t equals = std::min(word.find('='), word.size());
    words[word.substr(0, equals)] = equals == word.size() ? "" : word.substr(equals + 1);
  }
  return words;
}

template <class Protocol>
awaitable<void> answer(std::string text, cohort::connection<Protocol> client)
{
  co_await asio::async_write(client, asio::buffer(text), asio::use_awaitable);
}

template <class Acceptor>
awaitable<void> answer_all(cohort::this_worker& self, Acceptor& acceptor)
{
  const std::string text =
      std::to_string(::getpid()) + ' ' + self.group() + service_variables() + '\n';
  for (;;) {
    auto client = co_await acceptor.async_accept();
    asio::co_spawn(self.get_executor(), answer(text, std::move(client)), asio::detached);
  }
}

awaitable<void> tell_ready(cohort::subscription<cohort::ready_event> events)
{
  for (;;) {
    const cohort::ready_event event = co_await events.next();
    std::cout << "ready " << event.pid << std::endl;
  }
}

awaitable<void> supervise(cohort::supervisor<>& master)
{
  asio::co_spawn(
      master.get_executor(), tell_ready(master.subscribe<cohort::ready_event>()), asio::detached);
  for (const auto& [name, socket] : words_of(variable("COHORT_TEST_SERVICE"))) {
    if (name == "keep") master.cluster().allow_inherited(std::stoi(socket));
    if (name == "at" || name == "hang" || name == "done" || name == "keep") continue;
    cohort::group group(name);
    group.workers(2);
    group.restarts(cohort::restart_policy().kind(cohort::restart::transient));
    if (!socket.empty()) group.listen(cohort::inherited_socket(socket));
    master.add(group);
  }
  co_await master.run();
  std::cout << "over" << std::endl;
}

awaitable<void> serve(cohort::this_worker& self)
{
  const auto words = words_of(variable("COHORT_TEST_SERVICE"));
  const std::string socket = words.at(self.group());
  const std::string at = words.contains("at") ? words.at("at") : std::string();
  if (words.contains("done") && self.id() == 1) co_return co_await self.disconnect();
  if (words.contains("hang")) {
    co_await self.drain_requested();
  } else if (socket.empty()) {
    self.ready();
    co_await self.drain_requested();
  } else if (at.empty() && self.group() == "unix") {
    auto acceptor = co_await self.listen<local>(cohort::inherited_socket(socket));
    co_await answer_all(self, acceptor);
  } else if (at.empty()) {
    auto acceptor = co_await self.listen<tcp>(cohort::inherited_socket(socket));
    co_await answer_all(self, acceptor);
  } else if (at.front() == '/') {
    const local::endpoint where(at);
    auto acceptor = co_await self.listen(where);
    co_await answer_all(self, acceptor);
  } else {
    const auto port = static_cast<std::uint16_t>(std::stoi(at));
    const tcp::endpoint where(asio::ip::address_v4::loopback(), port);
    auto acceptor = co_await self.listen(where);
    co_await answer_all(self, acceptor);
  }
}

awaitable<void> answer_one(cohort::this_worker& self)
{
  auto acceptor = co_await self.listen<tcp>(cohort::inherited_socket("http"));
  auto client = co_await acceptor.async_accept();
  co_await asio::async_write(client, asio::buffer("alone\n", 6), asio::use_awaitable);
}

} // namespace

COHORT_TEST_WORKER_ROLE(as_service)
{
  std::istringstream sockets(variable("COHORT_TEST_SOCKETS"));
  std::string names;
  int count = 0;
  for (std::string word; sockets >> word; ++count) {
    const std::size_t equals = word.find('='), colon = word.find(':');
    names += (count == 0 ? "" : ":") + word.substr(0, equals);
    const std::string kind = word.substr(equals + 1, colon - equals - 1);
    if (!make_socket(kind, word.substr(colon + 1), made_from + count)) return 97;
  }
  for (int each = 0; each != count; ++each) {
    ::dup2(made_from + each, posix::first_given_descriptor + each);
    ::close(made_from + each);
  }
  const auto set = [](const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), 1);
  };
  if (count != 0) {
    const std::string pid = variable("COHORT_TEST_PID");
    set("LISTEN_PID", pid.empty() ? std::to_string(::getpid()) : pid);
    set("LISTEN_FDS", std::to_string(count));
    set("LISTEN_FDNAMES", std::getenv("COHORT_TEST_NAMES") ? variable("COHORT_TEST_NAMES") : names);
  }
  ::execv(argv[1], argv + 1);
  return 98;
}

COHORT_TEST_WORKER_ROLE(service) { return cohort::run(argc, argv, supervise, serve); }

COHORT_TEST_WORKER_ROLE(inherits)
{
  std::error_code error;
  for (const std::string& name : cohort::inherited_socket_names(error)) std::cout << name << ' ';
  std::cout << (error ? error.message() : "and no more") << std::endl;
  std::cout << "variables" << service_variables() << std::endl;
  if (error) return 1;
  asio::io_context context(1);
  cohort::this_worker self(context, cohort::standalone);
  std::exception_ptr failure;
  asio::co_spawn(context, answer_one(self), [&](std::exception_ptr failed) { failure = failed; });
  context.run();
  if (failure) return 2;
  for (const auto& [name, socket] : cohort::take_inherited_sockets())
    std::cout << name << ' ' << static_cast<int>(socket.kind()) << ' '
              << (::fcntl(socket.native_handle(), F_GETFD) == FD_CLOEXEC) << std::endl;
  std::cout << cohort::inherited_socket_names().size() << " left" << std::endl;
  return 0;
}

} // namespace service_role
