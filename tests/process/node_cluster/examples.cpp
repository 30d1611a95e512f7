// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The programs of examples/node-cluster, as their users run them.

#include "support/browser.hpp"
#include "support/kept_port.hpp"
#include "support/program.hpp"

#include <asio/error.hpp>

#include <csignal>
#include <doctest/doctest.h>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <vector>

namespace node_cluster_examples {

using namespace cohort_test;

/// nc_master on ports that are free, its workers ready.
class master {
public:
  master()
  {
    for (const char* each : {"http", "http", "echo", "both", "both"}) missing_.insert(each);
    wait_until_ready();
  }

  program& process() { return process_; }
  unsigned short port(int index) const { return ports_[index].number(); }
  const std::set<int>& workers(const std::string& group) { return workers_[group]; }

  /// Waits for new workers of these groups.
  void wait_for(std::vector<std::string> groups)
  {
    missing_.insert(groups.begin(), groups.end());
    wait_until_ready();
  }

private:
  void wait_until_ready()
  {
    while (!missing_.empty()) {
      const std::string said = process_.line();
      REQUIRE_MESSAGE(said.ends_with(" serves"), said);
      const std::string group = said.substr(0, said.find(':'));
      const auto found = missing_.find(group);
      REQUIRE_MESSAGE(found != missing_.end(), said);
      missing_.erase(found);
      workers_[group].insert(std::stoi(said.substr(said.find(' '))));
    }
  }

  kept_port ports_[4];
  program process_{
      {example("nc_master"), std::to_string(ports_[0].number()), std::to_string(ports_[1].number()),
          std::to_string(ports_[2].number()), std::to_string(ports_[3].number())}};
  std::multiset<std::string> missing_;
  std::map<std::string, std::set<int>> workers_;
};

std::string get(unsigned short port, const std::string& path = "/")
{
  browser client(port);
  client.send("GET " + path + " HTTP/1.0\r\n\r\n");
  const std::string answer = client.receive_all();
  CHECK(answer.starts_with("HTTP/1.0 200 OK\r\n"));
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

TEST_CASE("nc_master serves HTTP, an echo and two ports by one program, and ends with its workers")
{
  master one;
  CHECK(get(one.port(0), "/some/where").ends_with(": /some/where\n"));
  browser client(one.port(1));
  for (const char* each : {"one\n", "two\n"}) {
    client.send(each);
    CHECK(client.receive_line() == each);
  }
  for (const int each : {2, 3})
    CHECK(get(one.port(each)) == "you came by port " + std::to_string(one.port(each)) + '\n');
  one.process().signal(SIGTERM);
  client.receive_all();
  CHECK(one.process().wait() == 0);
  CHECK(one.process().errors() == "");
}

TEST_CASE("nc_master replaces workers that die, and all of them when it is told to")
{
  master one;
  const std::set<int> before = one.workers("both");
  const int echo = *one.workers("echo").begin();
  ::kill(echo, SIGKILL);
  one.wait_for({"echo"});
  browser client(one.port(1));
  client.send("again\n");
  CHECK(client.receive_line() == "again\n");
  one.process().signal(SIGUSR1);
  one.wait_for({"http", "http", "echo", "both", "both"});
  CHECK(one.workers("both").size() == 2 * before.size());
  // The old one has told it that it ends.
  CHECK(client.receive_all() == "");
  CHECK(get(one.port(2)) == "you came by port " + std::to_string(one.port(2)) + '\n');
  one.process().signal(SIGTERM);
  CHECK(one.process().wait() == 0);
  CHECK(one.process().errors() == "");
}

TEST_CASE("nc_http, nc_echo and nc_two_ports are clusters of one worker by themselves")
{
  const kept_port first, second;
  for (const char* name : {"nc_http", "nc_echo", "nc_two_ports"}) {
    program alone({example(name), std::to_string(first.number()), std::to_string(second.number())});
    bool answered = false;
    // Until it listens.
    while (!answered) {
      try {
        browser client(first.number());
        client.send("GET / HTTP/1.0\r\n\r\n");
        answered = client.receive_line() != "";
      } catch (const std::system_error& error) {
        REQUIRE(error.code() == asio::error::connection_refused);
      }
    }
    alone.signal(SIGTERM);
    CHECK(alone.wait() == 0);
    CHECK(alone.errors() == "");
  }
}

} // namespace node_cluster_examples
