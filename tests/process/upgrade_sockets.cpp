// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What becomes of sockets, and of the new program, when one program replaces another. Role
// "upgraded_sockets", whose environment is:
//
//   COHORT_TEST_LISTEN    "127.0.0.1:PORT"
//   COHORT_TEST_SPARE     the same, for the first program only
//   COHORT_TEST_PID_FILE  its pid file
//   COHORT_TEST_HOLD      as long as there is such a file, the workers of a new program begin
//                         nothing
//
// It writes "started PID" and "over PID"; its workers "booting" when they hold, and answer each
// connection with their parent and the UDP port that they have: "4711 4712\n". Datagrams come back.

#include <cohort/upgrade.hpp>

#include <cohort/acceptor.hpp>
#include <cohort/bound_socket.hpp>
#include <cohort/message/json.hpp>
#include <cohort/run.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include "support/context_fixture.hpp"
#include "support/datagram_client.hpp"
#include "support/kept_port.hpp"
#include "support/listen_spec.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"
#include "support/worker_roles.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/udp.hpp>
#include <asio/post.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace upgrade_sockets_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using asio::ip::tcp;
using asio::ip::udp;

namespace {

// The program.

constexpr const char* generation = "COHORT_TEST_UPGRADED";

void tell_start() { std::cout << "started " << ::getpid() << std::endl; }

tcp::endpoint endpoint_of(const char* name)
{
  const listen_spec spec(variable(name));
  return tcp::endpoint(asio::ip::make_address(spec.host), spec.port);
}

awaitable<void> supervise(cohort::supervisor<>& master)
{
  cohort::group web("web");
  web.workers(1).listen(endpoint_of("COHORT_TEST_LISTEN"));
  if (variable(generation).empty()) web.listen(endpoint_of("COHORT_TEST_SPARE"));
  master.add(web);
  asio::post(master.get_executor(), tell_start);
  co_await master.run();
  std::cout << "over " << ::getpid() << std::endl;
}

awaitable<void> echo(cohort::bound_socket<udp>& socket)
{
  std::array<char, 100> data{};
  for (;;) {
    udp::endpoint from;
    const std::size_t size =
        co_await socket.async_receive_from(asio::buffer(data), from, asio::use_awaitable);
    co_await socket.async_send_to(asio::buffer(data, size), from, asio::use_awaitable);
  }
}

awaitable<void> answer(cohort::this_worker& self, std::uint16_t port)
{
  auto acceptor = co_await self.listen(endpoint_of("COHORT_TEST_LISTEN"));
  const std::string text = std::to_string(::getppid()) + ' ' + std::to_string(port) + '\n';
  for (;;) {
    auto client = co_await acceptor.async_accept();
    std::error_code ignored; // it may be gone
    co_await asio::async_write(
        client, asio::buffer(text), asio::redirect_error(asio::use_awaitable, ignored));
  }
}

awaitable<void> serve(cohort::this_worker& self)
{
  const std::string hold = variable("COHORT_TEST_HOLD");
  const bool holds = !variable(generation).empty() && std::filesystem::exists(hold);
  if (holds) std::cout << "booting" << std::endl;
  asio::steady_timer timer(self.get_executor());
  while (holds && std::filesystem::exists(hold)) {
    timer.expires_after(1ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
  auto socket = co_await self.bind(udp::endpoint(asio::ip::address_v4::loopback(), 0));
  const std::uint16_t port = socket.local_endpoint().port();
  asio::co_spawn(self.get_executor(), echo(socket), asio::detached);
  try {
    co_await answer(self, port);
  } catch (const std::system_error& error) {
    if (error.code() != cohort::error::draining) throw;
  }
  socket.close();
}

COHORT_TEST_WORKER_ROLE(upgraded_sockets)
{
  const auto upgrade = cohort::upgrade_options().env(cohort::environment().set(generation, "1"));
  const auto how =
      cohort::supervisor_options().upgrade(upgrade).pid_file(variable("COHORT_TEST_PID_FILE"));
  return cohort::run(argc, argv, supervise, serve, how);
}

// The tests.

struct fixture {
  fixture()
  {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    serving = next_program();
  }
  ~fixture()
  {
    // A failed test leaves one.
    if (serving != 0 && serving != program.pid()) ::kill(serving, SIGKILL);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  }

  std::vector<std::string> variables() const
  {
    std::vector<std::string> all;
    all.push_back("COHORT_TEST_LISTEN=" + port.text());
    all.push_back("COHORT_TEST_SPARE=" + spare.text());
    all.push_back("COHORT_TEST_PID_FILE=" + scratch.file("pid"));
    all.push_back("COHORT_TEST_HOLD=" + scratch.file("hold"));
    return all;
  }
  std::string told(const std::string& begin)
  {
    const std::string said = program.line();
    REQUIRE_MESSAGE(said.starts_with(begin), said);
    return said.substr(begin.size());
  }
  pid_t next_program() { return std::stoi(told("started ")); }
  /// The new program and its worker speak in any order.
  pid_t booting_program()
  {
    const std::string first = program.line(), second = program.line();
    const bool in_order = second == "booting";
    REQUIRE_MESSAGE((in_order || first == "booting"), first, second);
    const std::string& start = in_order ? first : second;
    REQUIRE_MESSAGE(start.starts_with("started "), start);
    return std::stoi(start.substr(8));
  }

  // What a worker answers: the program that it is of, and its UDP port.
  struct reply {
    pid_t program = 0;
    int port = 0;
  };
  reply ask() const
  {
    client asking;
    std::string line;
    REQUIRE(asking.connect(address::tcp4(port.number())) == outcome::ok);
    REQUIRE(asking.receive(line) == outcome::ok);
    reply got;
    std::istringstream(line) >> got.program >> got.port;
    return got;
  }
  bool knocks(const kept_port& at) const
  {
    return client().connect(address::tcp4(at.number())) == outcome::ok;
  }
  bool echoes(int udp_port) const
  {
    datagram_client asking;
    asking.send(static_cast<std::uint16_t>(udp_port), "hello");
    return asking.receive() == "hello";
  }
  // Until the pid file has this number: then the process counts.
  void wait_until_counts(pid_t pid) const
  {
    const auto deadline = std::chrono::steady_clock::now() + 10s * time_factor();
    for (std::string number; number != std::to_string(pid);) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::ifstream(scratch.file("pid")) >> number;
    }
  }
  void end()
  {
    ::kill(serving, SIGTERM);
    CHECK(told("over ") == std::to_string(serving));
    CHECK((serving == program.pid() ? program.wait() : program::wait_for(serving)) == 0);
    serving = 0;
    CHECK(program.line() == "");
    CHECK(program.errors() == "");
    CHECK_FALSE(std::filesystem::exists(scratch.file("pid")));
  }

  kept_port port, spare;
  scratch_directory scratch;
  role_program program{"upgraded_sockets", variables()};
  pid_t serving = 0;
};

} // namespace

TEST_CASE("what a new program does not listen on is closed when it counts, and datagrams go on")
{
  fixture test;
  const auto before = test.ask();
  CHECK(before.program == test.serving);
  CHECK(test.echoes(before.port));
  CHECK(test.knocks(test.spare));
  std::ofstream(test.scratch.file("hold")) << ' ';
  ::kill(test.serving, SIGUSR2);
  const pid_t next = test.booting_program();
  // Nothing has changed as yet.
  CHECK(test.ask().program == test.serving);
  CHECK(test.knocks(test.spare));
  CHECK(test.echoes(before.port));
  std::filesystem::remove(test.scratch.file("hold"));
  CHECK(test.told("over ") == std::to_string(test.serving));
  CHECK(test.program.wait() == 0);
  test.serving = next;
  test.wait_until_counts(next);
  const auto after = test.ask();
  CHECK(after.program == next);
  CHECK(after.port == before.port);
  CHECK(test.echoes(after.port));
  CHECK_FALSE(test.knocks(test.spare));
  test.end();
}

TEST_CASE("a new program whose old one is killed while it boots goes on by itself")
{
  fixture test;
  const auto before = test.ask();
  std::ofstream(test.scratch.file("hold")) << ' ';
  ::kill(test.serving, SIGUSR2);
  const pid_t next = test.booting_program();
  ::kill(test.serving, SIGKILL);
  CHECK(test.program.wait() == 128 + SIGKILL);
  test.serving = next;
  // Clients wait meanwhile.
  CHECK(test.knocks(test.port));
  std::filesystem::remove(test.scratch.file("hold"));
  test.wait_until_counts(next);
  const auto after = test.ask();
  CHECK(after.program == next);
  CHECK(after.port == before.port);
  CHECK(test.echoes(after.port));
  // It can be replaced in its turn.
  ::kill(next, SIGUSR2);
  test.serving = test.next_program();
  CHECK(test.told("over ") == std::to_string(next));
  CHECK(program::wait_for(next) == 0);
  test.wait_until_counts(test.serving);
  CHECK(test.ask().program == test.serving);
  test.end();
}

} // namespace upgrade_sockets_test
