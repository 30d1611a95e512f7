// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Programs that get their sockets from a service manager.

#include "support/browser.hpp"
#include "support/cluster_fixture.hpp"
#include "support/kept_port.hpp"
#include "support/load.hpp"
#include "support/program.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"
#include "support/skip.hpp"
#include "support/started_service.hpp"

#include <cohort/detail/handle/service_sockets.hpp>
#include <cohort/handle_kind.hpp>
#include <cohort/inherited_socket.hpp>
#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>

#include <csignal>
#include <filesystem>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

namespace socket_activation_test {

using namespace cohort_test;
using strings = std::vector<std::string>;

namespace {

strings started(
    const std::string& sockets, const std::string& words, const strings& variables = strings())
{
  strings all = variables;
  all.push_back("COHORT_TEST_SERVICE=" + words);
  return as_service(sockets, all, role_command("service"));
}

std::string tcp_socket(const std::string& name, const kept_port& port)
{
  return name + "=tcp:" + std::to_string(port.number());
}

// What a client is told there, without the process.
std::string ask_service(const address& where)
{
  client asking;
  std::string line;
  if (asking.connect(where) != outcome::ok) return "refused";
  if (asking.receive(line) != outcome::ok) return "nothing";
  return line.substr(line.find(' ') + 1);
}

void end_service(program& service)
{
  service.signal(SIGTERM);
  std::string said = service.line();
  while (said.starts_with("ready ")) said = service.line();
  CHECK(said == "over");
  CHECK(service.wait() == 0);
  CHECK(service.errors() == "");
}

} // namespace

TEST_CASE("workers listen on the service manager's sockets by their names, wherever those are")
{
  const kept_port web, more, spare;
  const scratch_directory folder;
  const std::string path = folder.file("socket");
  program service(started(tcp_socket("http", web) + " control=unix:" + path + ' ' +
                              tcp_socket("http", more) + ' ' + tcp_socket("spare", spare),
      "web=http unix=control"));
  std::set<std::string> ready;
  while (ready.size() != 4) ready.insert(service.line());
  CHECK(ask_service(address::tcp4(web.number())) == "web");
  CHECK(ask_service(address::local(path)) == "unix");
  // No group has named these: nobody holds them open.
  CHECK(ask_service(address::tcp4(more.number())) == "refused");
  CHECK(ask_service(address::tcp4(spare.number())) == "refused");
  end_service(service);
  // It is not ours.
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("workers listen where the service manager has bound, as the group has named the socket")
{
  const kept_port port;
  const scratch_directory folder;
  const std::string path = folder.file("socket");
  {
    program service(
        started(tcp_socket("http", port), "web=http at=" + std::to_string(port.number())));
    CHECK(service.line().starts_with("ready "));
    CHECK(ask_service(address::tcp4(port.number())) == "web");
    end_service(service);
    CHECK(ask_service(address::tcp4(port.number())) == "refused");
  }
  program service(started("http=unix:" + path, "web=http at=" + path));
  CHECK(service.line().starts_with("ready "));
  CHECK(ask_service(address::local(path)) == "web");
  end_service(service);
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("what the program has allowed by its number is not closed")
{
  const kept_port web, own;
  program service(
      started(tcp_socket("http", web) + ' ' + tcp_socket("own", own), "web=http keep=4"));
  CHECK(service.line().starts_with("ready "));
  CHECK(client().connect(address::tcp4(own.number())) == outcome::ok);
  end_service(service);
}

TEST_CASE("a socket that was not given, or is none to listen on, is the error of the supervisor")
{
  struct refused {
    std::string sockets, error;
    strings variables;
  };
  const kept_port port;
  const std::string number = std::to_string(port.number());
  const std::string missing = "no socket of that name was inherited";
  for (const refused& each : {refused{"", missing, {}}, refused{"web=tcp:" + number, missing, {}},
           refused{"http=tcp:" + number, missing, {"COHORT_TEST_PID=1"}},
           refused{"http=udp:" + number, "the descriptor is of the wrong kind", {}},
           refused{"http=tcp:" + number, "Invalid argument", {"COHORT_TEST_NAMES=http:more"}},
           refused{"http=tcp:" + number, "Invalid argument", {"COHORT_TEST_PID=none"}}}) {
    CAPTURE(each.sockets);
    program service(started(each.sockets, "web=http", each.variables));
    CHECK(service.wait() == 1);
    CHECK(service.errors().find(each.error) != std::string::npos);
  }
}

TEST_CASE("a program without a cluster takes what it was given, and a lone worker listens by name")
{
  const kept_port web, data;
  const std::string sockets =
      tcp_socket("http", web) + " data=udp:" + std::to_string(data.number());
  program service(as_service(sockets, {}, role_command("inherits")));
  CHECK(service.line() == "http data and no more");
  CHECK(service.line() == "variables");
  client asking;
  REQUIRE(asking.connect(address::tcp4(web.number())) == outcome::ok);
  std::string line;
  CHECK(asking.receive(line) == outcome::ok);
  CHECK(line == "alone");
  // The other one is listened on.
  CHECK(service.line() ==
        "data " + std::to_string(static_cast<int>(cohort::handle_kind::udp_socket)) + " 1");
  CHECK(service.line() == "0 left");
  CHECK(service.wait() == 0);

  program nonsense(as_service(sockets, {"COHORT_TEST_NAMES=http"}, role_command("inherits")));
  CHECK(nonsense.line() == "Invalid argument");
  CHECK(nonsense.line() == "variables");
  CHECK(nonsense.wait() == 1);
  program other(as_service(sockets, {"COHORT_TEST_PID=1"}, role_command("inherits")));
  CHECK(other.line() == "and no more");
  CHECK(other.line() == "variables");
}

TEST_CASE("with every policy workers share what the primary listens on by its name")
{
  auto& given = cohort::detail::service_sockets::of_this_process();
  for (const cohort::any_policy& policy : {cohort::any_policy(cohort::round_robin()),
           cohort::any_policy(cohort::shared()), cohort::any_policy(cohort::reuse_port())}) {
    basic_cluster_fixture<cohort::any_policy> test(cohort::settings(), policy);
    asio::ip::tcp::acceptor made(
        test.context, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const auto port = made.local_endpoint().port();
    given.add("activation", cohort::detail::posix::unique_fd(made.release()));
    test.cluster().listen(cohort::inherited_socket("activation"));
    test.run([&]() -> awaitable<void> {
      client early;
      CHECK(early.connect(address::tcp4(port)) == outcome::ok);
      CHECK(early.request("get") == outcome::ok);
      cohort::worker first = co_await test.start(server("127.0.0.1:" + std::to_string(port)));
      co_await test.start(server("127.0.0.1:" + std::to_string(port)));
      const cohort::listening_event event = co_await first.listening();
      CHECK(event.port == port);
      auto clients = [&] {
        CHECK(early.receive_answer().result == outcome::ok);
        for (int i = 0; i != 20; ++i) CHECK(ask(address::tcp4(port)).result == outcome::ok);
      };
      co_await test.in_thread(clients);
      co_await test.end();
    });
    given.close_all();
  }
}

TEST_CASE("systemd-socket-activate starts a service with its socket when somebody comes")
{
  const std::string tool = "/usr/bin/systemd-socket-activate";
  if (::access(tool.c_str(), X_OK) != 0) return skip("no systemd-socket-activate");
  const kept_port port;
  strings command = {tool, "-l", port.text(), "--fdname=http", "-E", "COHORT_TEST_ROLE=service",
      "-E", "COHORT_TEST_ROLE_PLAIN=1", "-E", "COHORT_TEST_SERVICE=web=http",
      cohort::detail::posix::executable_path()};
  program service(command);
  // It listens once it says so, on stderr; who comes earlier is refused.
  client asking;
  while (asking.connect(address::tcp4(port.number())) != outcome::ok) ::poll(nullptr, 0, 1);
  std::string line;
  CHECK(asking.receive(line) == outcome::ok);
  CHECK(line.ends_with(" web"));
  CHECK(ask_service(address::tcp4(port.number())) == "web");
  service.signal(SIGTERM);
  CHECK(service.wait() == 0);
}

} // namespace socket_activation_test
