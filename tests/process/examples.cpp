// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The examples, as their users run them; http_server has a file of its own.

#include "support/browser.hpp"
#include "support/program.hpp"
#include "support/scratch.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace cohort_test;

TEST_CASE("02_existing_server greets from all workers and ends by itself")
{
  for (const char* threads : {"1", "4"}) {
    CAPTURE(threads);
    program server(
        {example("02_existing_server"), "--port", "0", "--requests", "8", "--threads", threads});
    CHECK(server.line().starts_with("listening on port "));
    std::map<std::string, int> greetings;
    for (std::string said = server.line(); !said.empty(); said = server.line()) ++greetings[said];
    // A worker is asked as soon as it has asked itself, which may be a little later.
    int total = 0;
    for (const auto& [said, times] : greetings) total += times;
    CHECK(total == 8);
    CHECK(greetings.size() > 1);
    CHECK(server.wait() == 0);
    CHECK(server.errors() == "");
  }
}

TEST_CASE("03_policies serves all it asks for, whichever policy it is told")
{
  for (const char* name : {"round_robin", "weighted", "least_connections", "power_of_two", "random",
           "sticky", "slow_start", "when_full", "shared", "reuse_port", "environment"}) {
    CAPTURE(name);
    program server({example("03_policies"), name, "--requests", "40"});
    int total = 0;
    for (std::string said = server.line(); !said.empty(); said = server.line())
      total += std::stoi(said);
    CHECK(total == 40);
    CHECK(server.wait() == 0);
    CHECK(server.errors() == "");
  }
  program server({example("03_policies"), "nonsense"});
  CHECK(server.wait() == 2);
  CHECK(server.errors().starts_with("03_policies does not know 'nonsense'; it knows: environment"));
}

TEST_CASE("04_own_scheduler keeps each tenant at one worker")
{
  program server({example("04_own_scheduler"), "--requests", "12"});
  std::map<std::string, std::string> homes;
  for (int i = 0; i != 12; ++i) {
    const std::string said = server.line();
    const std::string tenant = said.substr(0, said.find(':'));
    CHECK(said.starts_with(tenant + ": visit " + std::to_string(i / 3 + 1) + ", worker "));
    const auto [home, is_new] = homes.emplace(tenant, said.substr(said.find(',')));
    CHECK(home->second == said.substr(said.find(',')));
  }
  CHECK(homes.size() == 3);
  CHECK(server.wait() == 0);
  CHECK(server.errors() == "");
}

TEST_CASE("05_request_counter counts what it asked its workers")
{
  program counter({example("05_request_counter"), "--requests", "20"});
  CHECK(counter.line() == "requests: 20");
  CHECK(counter.wait() == 0);
  CHECK(counter.errors() == "");
}

TEST_CASE("06_work_queue does all its work although a worker crashes")
{
  program queue({example("06_work_queue")});
  CHECK(queue.line() == "50000 to 60000: the channel is disconnected");
  CHECK(queue.line() == "9592 primes");
  CHECK(queue.wait() == 0);
}

TEST_CASE("07_passing_files counts the lines of a file and gets a filled buffer")
{
  const scratch_directory place;
  std::ofstream(place.file("lines")) << "one\ntwo\nthree\n";
  program passing({example("07_passing_files"), place.file("lines")});
  CHECK(passing.line() == place.file("lines") + " has 3 lines");
  CHECK(passing.line() == "67108864 of 67108864 bytes in a memfd are 42");
  CHECK(passing.wait() == 0);
  CHECK(passing.errors() == "");
}

TEST_CASE("08_chat tells everybody what one says, whatever worker they are at")
{
  program chat({example("08_chat"), "0"});
  const std::string where = chat.line();
  REQUIRE(where.starts_with("listening on port "));
  const auto port = static_cast<unsigned short>(std::stoi(where.substr(18)));
  std::vector<std::unique_ptr<browser>> users;
  for (int i = 0; i != 4; ++i) users.push_back(std::make_unique<browser>(port));
  // Each is heard by itself first, so that its worker knows of it.
  for (const auto& each : users) {
    each->send("here\n");
    CHECK(each->receive_line() == "here\n");
  }
  users.front()->send("hello all\n");
  for (const auto& each : users) {
    std::string heard = "here\n";
    while (heard == "here\n") heard = each->receive_line();
    CHECK(heard == "hello all\n");
  }
  chat.signal(SIGTERM);
  CHECK(chat.wait() == 0);
}
