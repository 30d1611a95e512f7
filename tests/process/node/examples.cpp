// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The examples of Node's documentation, examples/node, as their users run them.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include "support/browser.hpp"
#include "support/program.hpp"
#include "support/time_factor.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/address_v4.hpp>
#include <asio/ip/tcp.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace node_examples {

using cohort_test::browser;
using cohort_test::example;
using lines = std::multiset<std::string>;

/// One of the programs.
class program : public cohort_test::program {
public:
  explicit program(const std::string& name, std::vector<std::string> arguments = {})
      : cohort_test::program(with_path(name, std::move(arguments)))
  {
  }

  lines next_lines(std::size_t count)
  {
    lines said;
    while (said.size() != count) said.insert(line());
    return said;
  }

  /// It has said all it had to say, and ends well by itself.
  void ends()
  {
    CHECK(line() == "");
    CHECK(wait() == 0);
    CHECK(errors() == "");
  }

  /// The same, after it was told to; whatever it says then.
  void ends_on_request()
  {
    signal(SIGTERM);
    CHECK(wait() == 0);
    CHECK(errors() == "");
  }

private:
  static std::vector<std::string> with_path(
      const std::string& name, std::vector<std::string> arguments)
  {
    arguments.insert(arguments.begin(), example("node_" + name));
    return arguments;
  }
};

const std::vector<std::string> any_port = {"--port", "0"};

/// What follows the last space or colon of a line.
std::string last_word(const std::string& line) { return line.substr(line.find_last_of(" :") + 1); }

unsigned short port_of(const std::string& line)
{
  const std::string port = last_word(line);
  REQUIRE(port.find_first_not_of("0123456789") == port.npos);
  REQUIRE(!port.empty());
  return static_cast<unsigned short>(std::stoi(port));
}

/// The body of the answer to a request.
std::string get(unsigned short port, const std::string& path = "/")
{
  browser client(port);
  client.send("GET " + path + " HTTP/1.0\r\n\r\n");
  const std::string answer = client.receive();
  CHECK(answer.starts_with("HTTP/1.0 200 OK\r\n"));
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

/// Asks until `count` different answers have come.
std::set<std::string> get_all(unsigned short port, std::size_t count)
{
  using clock = std::chrono::steady_clock;
  const auto deadline = clock::now() + std::chrono::seconds(20) * cohort_test::time_factor();
  std::set<std::string> found;
  while (found.size() < count && clock::now() < deadline) found.insert(get(port));
  return found;
}

/// A port that somebody else has.
class taken_port {
public:
  // Or the program would have it as well.
  taken_port() { ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC); }

  unsigned short number() const { return acceptor_.local_endpoint().port(); }
  void free() { acceptor_.close(); }

private:
  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_{
      context_, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
};

TEST_CASE("node_hello_cluster serves one port by a worker for each processor")
{
  program hello("hello_cluster", any_port);
  CHECK(hello.line().starts_with("primary: process "));
  std::string started;
  for (unsigned i = 0; i != cohort::available_parallelism(); ++i) {
    started = hello.line();
    CHECK(started.starts_with("worker: process "));
  }
  CHECK(get(port_of(started)) == "hello world\n");
  const std::string pid = started.substr(16, started.find(' ', 16) - 16);
  ::kill(std::stoi(pid), SIGKILL);
  CHECK(hello.line() == "process " + pid + " has ended");
  hello.ends_on_request();
}

TEST_CASE("node_restart_on_exit replaces a worker that was killed")
{
  program one("restart_on_exit", any_port);
  const unsigned short port = port_of(one.line());
  const std::set<std::string> before = get_all(port, 2);
  REQUIRE(before.size() == 2);
  std::string pid = *before.begin();
  pid.pop_back();
  ::kill(std::stoi(pid), SIGKILL);
  CHECK(one.line() == "worker " + pid + " killed by SIGKILL, here is another");
  std::set<std::string> after = get_all(port, 2);
  CHECK(after.size() == 2);
  CHECK_FALSE(after.contains(*before.begin()));
  CHECK(after.contains(*before.rbegin()));
  one.ends_on_request();
}

TEST_CASE("node_fork_timeouts has nothing to complain of when the workers listen")
{
  program one("fork_timeouts", {"--port", "0", "--patience", "600000"});
  const std::string first = one.line();
  const std::string port = last_word(first);
  CHECK(port_of(first) != 0);
  CHECK(lines{first, one.line()} ==
        lines{"worker 1 listens on port " + port, "worker 2 listens on port " + port});
  one.signal(SIGTERM);
  CHECK(one.next_lines(2) == lines{"worker 1 exited with code 0", "worker 2 exited with code 0"});
  one.ends();
}

TEST_CASE("node_fork_timeouts complains of workers whose port is taken, until it is free")
{
  taken_port taken;
  const std::string port = std::to_string(taken.number());
  program one("fork_timeouts", {"--port", port, "--patience", "20"});
  CHECK(one.next_lines(2) == lines{"worker 1 should listen by now, what is wrong?",
                                 "worker 2 should listen by now, what is wrong?"});
  taken.free();
  CHECK(one.next_lines(2) ==
        lines{"worker 1 listens on port " + port, "worker 2 listens on port " + port});
  CHECK(get(static_cast<unsigned short>(std::stoi(port))) == "hello world\n");
  one.ends_on_request();
}

TEST_CASE("node_online says when workers have come up")
{
  program one("online");
  CHECK(one.next_lines(2) == lines{"worker 1 has come up", "worker 2 has come up"});
  CHECK(one.line().starts_with("so has worker 3, process "));
  one.ends();
}

TEST_CASE("node_listening_address says both addresses of a worker")
{
  program one("listening_address", any_port);
  const std::string first = one.line();
  CHECK(first == "the worker has come to listen, first on port " + last_word(first));
  CHECK(one.line() == "worker 1 listens on 127.0.0.1:" + last_word(first));
  const std::string second = one.line();
  CHECK(second.starts_with("worker 1 listens on 127.0.0.1:"));
  CHECK(port_of(second) != port_of(first));
  one.ends();
}

TEST_CASE("node_listening_address fails where its port is taken")
{
  const taken_port taken;
  program one("listening_address", {"--port", std::to_string(taken.number())});
  CHECK(one.line() == "");
  CHECK(one.wait() == 1);
  const std::string errors = one.errors();
  CHECK(errors.find("cohort: supervise: the worker is gone\n") != errors.npos);
}

TEST_CASE("node_disconnected says when channels end, either way")
{
  program one("disconnected");
  CHECK(one.line() == "the channel to worker 1 has ended");
  CHECK(one.line() == "the channel to worker 2 has ended");
  one.ends();
}

TEST_CASE("node_exit_code_watcher tells the three ways to end")
{
  program one("exit_code_watcher");
  CHECK(one.line() == "ended well");
  CHECK(one.line() == "failed with code 3");
  CHECK(one.line() == "ended by signal 9");
  one.ends();
}

TEST_CASE("node_message_counting counts the requests that all workers have answered")
{
  program one("message_counting", any_port);
  const unsigned short port = port_of(one.line());
  for (int i = 0; i != 5; ++i) CHECK(get(port) == "hello world\n");
  // It says so every second, whatever it knows by then.
  std::string said = one.line();
  while (said != "requests so far: 5" && said.starts_with("requests so far: ")) said = one.line();
  CHECK(said == "requests so far: 5");
  one.ends_on_request();
}

TEST_CASE("node_any_worker_messages knows whose each message is")
{
  program one("any_worker_messages", any_port);
  const unsigned short port = port_of(one.line());
  // The workers take turns, by their ids as soon as both ask for connections.
  std::set<std::string> workers;
  for (int i = 0; i != 1000 && workers.size() != 2; ++i) {
    std::string process = last_word(get(port));
    process.pop_back();
    const std::string said = one.line();
    CHECK(said.substr(8) == " has a request: process " + process);
    workers.insert(said.substr(0, 8));
  }
  CHECK(workers == std::set<std::string>{"worker 1", "worker 2"});
  one.ends_on_request();
}

TEST_CASE("node_echo_messages gets back what it sent")
{
  program one("echo_messages");
  CHECK(one.line() == "the worker says: \"is anybody there?\"");
  one.ends();
}

TEST_CASE("node_announcement is heard by all workers")
{
  program one("announcement");
  lines expected = {"3 workers were told"};
  for (const char* worker : {"worker 1", "worker 2", "worker 3"}) {
    expected.insert(worker + std::string(" heard: \"this is for all of you\""));
    expected.insert(worker + std::string(" heard: \"bye\""));
  }
  CHECK(one.next_lines(7) == expected);
  one.ends();
}

TEST_CASE("node_worker_by_id finds a worker by what came over a connection")
{
  program one("worker_by_id", any_port);
  const unsigned short port = port_of(one.line());
  browser asks(port);
  asks.send("2\n");
  CHECK(asks.receive_line().starts_with("I am process "));
  browser errs(port);
  errs.send("7\n");
  CHECK(errs.receive_line() == "there is no worker 7\n");
  one.ends_on_request();
}

TEST_CASE("node_i_am_worker tells who is who")
{
  program one("i_am_worker");
  CHECK(one.line() == "I am primary");
  CHECK(one.next_lines(2) == lines{"I am worker #1", "I am worker #2"});
  one.ends();
}

TEST_CASE("node_is_dead tells the living from the dead")
{
  program one("is_dead", any_port);
  CHECK(one.line() == "worker 1 is dead: false");
  CHECK(one.line() == "worker 2 is dead: false");
  const unsigned short port = port_of(one.line());
  const std::string first = get(port);
  CHECK(first.starts_with("this was process "));
  const std::string dead = one.line();
  CHECK(get(port) != first);
  CHECK(lines{dead, one.line()} == lines{"worker 1 is dead: true", "worker 2 is dead: true"});
  one.ends();
}

TEST_CASE("node_voluntary_exit tells what was wanted from accidents")
{
  program one("voluntary_exit");
  CHECK(one.next_lines(4) == lines{"worker 1: it was meant to end, all is well",
                                 "worker 2: it was meant to end, all is well",
                                 "worker 3: it was meant to end, all is well",
                                 "worker 4: killed by SIGKILL, which nobody wanted"});
  CHECK(one.line() == "also known to the handle: true");
  one.ends();
}

TEST_CASE("node_disconnect_with_timeout ends who does not want to")
{
  program one("disconnect_with_timeout", any_port);
  CHECK(one.line() == "worker 1 exited with code 0");
  CHECK(one.line() == "worker 2 killed by SIGTERM");
  one.ends();
}

TEST_CASE("node_disconnect_all says how all workers have ended")
{
  program one("disconnect_all", any_port);
  const unsigned short port = port_of(one.line());
  CHECK(get(port) == "hello world\n");
  CHECK(get(port, "/shutdown") == "good-bye\n");
  CHECK(one.next_lines(3) == lines{"worker 1 exited with code 0", "worker 2 exited with code 0",
                                 "worker 3 exited with code 0"});
  CHECK(one.line() == "All workers have ended");
  one.ends();
}

TEST_CASE("node_setup_once starts all workers as it was said once")
{
  program one("setup_once");
  CHECK(one.line() == "worker 1 is to use \"https\"");
  CHECK(one.line() == "worker 2 is to use \"https\"");
  one.ends();
}

TEST_CASE("node_two_worker_types serves by both kinds")
{
  // Both on any port share one, and take turns.
  program one("two_worker_types", {"--port", "0", "--https-port", "0"});
  const std::string https = one.line();
  CHECK(https.starts_with("https on port "));
  const std::string http = one.line();
  CHECK(http == "http on port " + last_word(https));
  CHECK(one.line() == "silent: true");
  CHECK(get_all(port_of(https), 2) ==
        std::set<std::string>{"this would be http\n", "this would be https\n"});
  one.ends_on_request();
}

TEST_CASE("node_port_per_worker gives each worker a port of its own")
{
  // The ports that follow one that was free a moment ago may not be.
  for (int tries = 1;; ++tries) {
    taken_port free;
    const unsigned port = free.number();
    free.free();
    program one("port_per_worker", {"--port", std::to_string(port)});
    const std::string first = one.line();
    const std::string second = one.line();
    if (second.empty() && tries != 20) continue;
    CHECK(first == "worker 1 listens on port " + std::to_string(port + 1));
    CHECK(second == "worker 2 listens on port " + std::to_string(port + 2));
    CHECK(get(port_of(first)) == "worker 1\n");
    CHECK(get(port_of(second)) == "worker 2\n");
    one.ends_on_request();
    break;
  }
}

TEST_CASE("node_same_random_port shows two ports, the same for both workers")
{
  program one("same_random_port");
  const std::string first = one.line();
  CHECK(first.starts_with("worker 1 listens on "));
  const std::string ports = first.substr(20);
  CHECK(one.line() == "worker 2 listens on " + ports);
  const std::size_t gap = ports.find(' ');
  REQUIRE(gap != ports.npos);
  CHECK(ports.substr(0, gap) != ports.substr(gap + 1));
  one.ends();
}

TEST_CASE("node_fork_with_environment gives each worker its own variables")
{
  program one("fork_with_environment");
  CHECK(one.line() == "worker 1 does \"the web\"");
  CHECK(one.line() == "worker 2 does \"the mail\"");
  CHECK(one.line() == "worker 3 does \"nothing in particular\"");
  one.ends();
}

TEST_CASE("node_scheduling_policy does what the environment says")
{
  const std::string path = example("node_scheduling_policy");
  program in_turn("scheduling_policy", any_port);
  CHECK(in_turn.line() == "the primary hands out in turn");
  CHECK(get_all(port_of(in_turn.line()), 2) == std::set<std::string>{"worker 1\n", "worker 2\n"});
  in_turn.ends_on_request();

  cohort_test::program kernel(
      {"/usr/bin/env", "COHORT_SCHEDULING_POLICY=none", path, "--port", "0"});
  CHECK(kernel.line() == "the kernel chooses");
  CHECK(get(port_of(kernel.line())).starts_with("worker "));
  kernel.signal(SIGTERM);
  CHECK(kernel.wait() == 0);

  cohort_test::program nonsense({"/usr/bin/env", "COHORT_SCHEDULING_POLICY=all", path});
  CHECK(nonsense.wait() == 2);
  CHECK(nonsense.errors() == "cohort: COHORT_SCHEDULING_POLICY is neither rr nor none: all\n");
}

TEST_CASE("node_pass_socket serves what the primary has accepted, by both workers")
{
  program one("pass_socket", any_port);
  CHECK(get_all(port_of(one.line()), 2) ==
        std::set<std::string>{"hello from worker 1\n", "hello from worker 2\n"});
  one.ends_on_request();
}

TEST_CASE("node_listen_fd serves on a socket of the primary, by both workers")
{
  program one("listen_fd", any_port);
  const std::string said = one.line();
  CHECK(said.find(" listens on descriptor ") != said.npos);
  CHECK(said.find("descriptor -1") == said.npos);
  const auto port = static_cast<unsigned short>(std::stoul(last_word(said)));
  CHECK(last_word(one.line()) == std::to_string(port));
  CHECK(get_all(port, 2).size() == 2);
  one.ends_on_request();
}

TEST_CASE("node_own_handle serves on a socket that was sent, by both workers")
{
  program one("own_handle", any_port);
  CHECK(get_all(port_of(one.line()), 2) ==
        std::set<std::string>{"hello from worker 1\n", "hello from worker 2\n"});
  one.ends_on_request();
}

TEST_CASE("node_hello_cluster with COHORT_DEBUG=cluster writes what becomes of its workers")
{
  cohort_test::program hello(
      {"/usr/bin/env", "COHORT_DEBUG=cluster", example("node_hello_cluster"), "--port", "0"});
  const std::string primary = last_word(hello.line());
  const std::string started = hello.line();
  const std::string worker = started.substr(16, started.find(' ', 16) - 16);
  hello.signal(SIGTERM);
  CHECK(hello.wait() == 0);
  const std::string log = '\n' + hello.errors();
  for (const char* what :
      {" forked", " online", " listening on 127.0.0.1:", " disconnected", " exited with code 0"}) {
    CAPTURE(what);
    CHECK(log.find('\n' + primary + ",Primary Worker " + worker + what) != log.npos);
  }
}

TEST_CASE("node_memory_report warns of workers that use more than they may")
{
  program one("memory_report", {"--limit", "0"});
  const std::string said = one.line();
  CHECK(said.starts_with("worker "));
  CHECK(said.find(", uses too much memory: ") != said.npos);
  CHECK(said.ends_with(" MiB"));
  one.ends_on_request();
}

} // namespace node_examples
