// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// The examples, as their users run them; http_server has a file of its own.

#include "support/browser.hpp"
#include "support/foster_parent.hpp"
#include "support/kept_port.hpp"
#include "support/notify_listener.hpp"
#include "support/program.hpp"
#include "support/scratch.hpp"
#include "support/skip.hpp"
#include "support/started_service.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace cohort_test;

namespace examples_test {

// As whom a process runs.
inline uid_t owner_of(const std::string& process)
{
  struct stat found {};
  REQUIRE(::stat(("/proc/" + process).c_str(), &found) == 0);
  return found.st_uid;
}

// The processes that a program has started, by their numbers.
inline std::vector<std::string> children_of(const program& parent)
{
  const std::string self = std::to_string(parent.pid());
  std::ifstream children("/proc/" + self + "/task/" + self + "/children");
  std::vector<std::string> all;
  for (std::string child; children >> child;) all.push_back(child);
  REQUIRE_FALSE(all.empty());
  return all;
}

} // namespace examples_test

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

TEST_CASE("09_supervised_server replaces a worker that is killed, and reloads")
{
  const kept_port port;
  program server({example("09_supervised_server"), std::to_string(port.number())});
  const auto serves = [&] { CHECK(server.line().ends_with(" serves")); };
  const auto echoes = [](browser& client) {
    client.send("hello\n");
    return client.receive_line() == "hello\n";
  };
  serves();
  serves();
  ::kill(std::stoi(examples_test::children_of(server).front()), SIGKILL);
  serves();
  browser client(port.number());
  CHECK(echoes(client));
  server.signal(SIGHUP);
  serves();
  serves();
  browser other(port.number());
  CHECK(echoes(other));
  client.receive_all();
  server.signal(SIGTERM);
  other.receive_all();
  CHECK(server.wait() == 0);
  CHECK(server.errors() == "");
}

TEST_CASE(
    "10_rolling_reload brings versions into service, and keeps the old one when one is broken")
{
  const scratch_directory place;
  const kept_port port;
  REQUIRE(::mkfifo(place.file("versions").c_str(), 0600) == 0);
  // Neither side waits for the other to open it.
  const cohort::detail::posix::unique_fd versions(
      ::open(place.file("versions").c_str(), O_RDWR | O_CLOEXEC));
  program server({"/bin/sh", "-c", "exec \"$0\" \"$1\" < \"$2\"", example("10_rolling_reload"),
      std::to_string(port.number()), place.file("versions")});
  const auto tell = [&](const std::string& line) {
    CHECK(::write(versions.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  };
  const auto version = [&] {
    browser client(port.number());
    const std::string said = client.receive_line();
    client.receive_all();
    return said;
  };
  CHECK(server.line() == "version 1 serves on port " + std::to_string(port.number()));
  CHECK(version() == "version 1\n");
  tell("two\n");
  CHECK(server.line() == "reload of web: generation 1 runs");
  CHECK(version() == "version two\n");
  tell("broken\n");
  const std::string broken = server.line();
  CHECK(broken.starts_with("reload of web: worker "));
  CHECK(broken.ends_with(" died: exited with code 1"));
  CHECK(version() == "version two\n");
  tell("short\n");
  CHECK(server.line().ends_with(" died: exited with code 1"));
  CHECK(version() == "version two\n");
  tell("three\n");
  CHECK(server.line().ends_with(" runs"));
  CHECK(version() == "version three\n");
  server.signal(SIGHUP);
  CHECK(server.line().ends_with(" runs"));
  CHECK(version() == "version three\n");
  server.signal(SIGTERM);
  CHECK(server.wait() == 0);
  CHECK(server.errors() == "cohort: serve: this version is broken\n"
                           "cohort: serve: this version does not last\n");
}

TEST_CASE("11_two_groups counts in one group who came to the other")
{
  const kept_port port;
  program server({example("11_two_groups"), std::to_string(port.number())});
  std::multiset<std::string> ready;
  while (ready.size() != 3) ready.insert(server.line());
  CHECK(ready == std::multiset<std::string>{"counter is ready", "web is ready", "web is ready"});
  for (int visits = 1; visits != 10; ++visits) {
    browser client(port.number());
    CHECK(client.receive_line().starts_with("welcome, says worker "));
    client.receive_all();
    CHECK(server.line().starts_with(std::to_string(visits) + " visits, the last one at worker "));
  }
  server.signal(SIGTERM);
  CHECK(server.wait() == 0);
  CHECK(server.errors() == "");
}

TEST_CASE("11_two_groups has those who serve clients run as the user it is told, and nobody else")
{
  if (::geteuid() != 0) return skip("needs root");
  namespace fs = std::filesystem;
  constexpr uid_t user = 12345;
  // Where that user may find it.
  const scratch_directory folder;
  fs::permissions(folder.path(), fs::perms(0755));
  fs::copy_file(example("11_two_groups"), folder.file("11_two_groups"));
  const kept_port port;
  program server(
      {folder.file("11_two_groups"), std::to_string(port.number()), std::to_string(user)});
  for (int ready = 0; ready != 3; ++ready) CHECK(server.line().ends_with(" is ready"));
  std::multiset<uid_t> users;
  for (const std::string& each : examples_test::children_of(server))
    users.insert(examples_test::owner_of(each));
  CHECK(users == std::multiset<uid_t>{0, user, user});
  browser client(port.number());
  CHECK(client.receive_line().starts_with("welcome, says worker "));
  server.signal(SIGTERM);
  CHECK(server.wait() == 0);
  CHECK(server.errors() == "");
}

TEST_CASE("12_binary_upgrade replaces itself while it serves")
{
  const foster_parent parent;
  const kept_port port;
  program server({example("12_binary_upgrade"), std::to_string(port.number())});
  const auto ask = [&] {
    browser client(port.number());
    return client.receive_line();
  };
  const std::string old_one = "program " + std::to_string(server.pid());
  CHECK(server.line() == old_one + " begins");
  CHECK(ask() == old_one + " serves\n");
  server.signal(SIGUSR2);
  const std::string begins = server.line();
  const std::string new_one = begins.substr(0, begins.rfind(' '));
  CHECK(begins == new_one + " begins");
  CHECK(server.line() == old_one + " has ended");
  CHECK(server.wait() == 0);
  CHECK(ask() == new_one + " serves\n");
  const pid_t pid = std::stoi(new_one.substr(new_one.rfind(' ')));
  CHECK(pid != server.pid());
  ::kill(pid, SIGTERM);
  CHECK(server.line() == new_one + " has ended");
  CHECK(program::wait_for(pid) == 0);
  CHECK(server.errors() == "");
}

TEST_CASE("13_systemd serves the sockets of its units, and tells the service manager how it is")
{
  const kept_port http, admin;
  const foster_parent parent;
  notify_listener listener;
  const std::string sockets =
      "http=tcp:" + std::to_string(http.number()) + " admin=tcp:" + std::to_string(admin.number());
  program server(
      as_service(sockets, {"NOTIFY_SOCKET=" + listener.address()}, {example("13_systemd")}));
  CHECK(listener.next_with("READY=1") == "READY=1\nSTATUS=http 2/2, admin 1/1\n");
  const auto ask_at = [](const kept_port& port) {
    browser client(port.number());
    return client.receive_line();
  };
  CHECK(ask_at(http) == "hello from http\n");
  CHECK(ask_at(admin) == "hello from admin\n");
  server.signal(SIGHUP);
  CHECK(listener.next_with("RELOADING=1").find("\nMONOTONIC_USEC=") != std::string::npos);
  CHECK(listener.next_with("READY=1").starts_with("READY=1\n"));
  CHECK(ask_at(http) == "hello from http\n");
  // A newer program has the sockets by the same names.
  server.signal(SIGUSR2);
  const std::string said = listener.next();
  REQUIRE_MESSAGE(said.starts_with("MAINPID="), said);
  const pid_t successor = std::stoi(said.substr(8));
  CHECK(listener.next_with("READY=1") == "READY=1\nSTATUS=http 2/2, admin 1/1\n");
  CHECK(server.wait() == 0);
  CHECK(ask_at(http) == "hello from http\n");
  CHECK(ask_at(admin) == "hello from admin\n");
  ::kill(successor, SIGTERM);
  listener.next_with("STOPPING=1");
  CHECK(program::wait_for(successor) == 0);
  CHECK(server.errors() == "");

  program lonely({example("13_systemd")});
  CHECK(lonely.wait() == 1);
  CHECK(lonely.errors() == "cohort: supervise: no socket of that name was inherited\n");
}

TEST_CASE("14_autoscaling has a worker for every two clients, and counts on in its next run")
{
  const kept_port port;
  const scratch_directory place;
  const std::vector<std::string> command{
      example("14_autoscaling"), std::to_string(port.number()), "200", place.file("totals")};
  const auto wait_for = [](program& server, const std::string& line) {
    std::string said = server.line();
    while (!said.empty() && said != line) said = server.line();
    CHECK(said == line);
  };
  for (int run = 1; run != 3; ++run) {
    CAPTURE(run);
    program server(command);
    wait_for(server, "1 of 1 workers are ready");
    std::vector<std::unique_ptr<browser>> clients;
    for (int i = 0; i != 8; ++i) {
      clients.push_back(std::make_unique<browser>(port.number()));
      clients.back()->send("hello\n");
      CHECK(clients.back()->receive_line() == "hello\n");
    }
    wait_for(server, "4 of 4 workers are ready");
    clients.clear();
    wait_for(server, "1 of 1 workers are ready");
    server.signal(SIGTERM);
    wait_for(server, "0 of 0 workers are ready");
    CHECK(server.line().starts_with(std::to_string(8 * run) + " connections, "));
    CHECK(server.wait() == 0);
    CHECK(server.errors() == "");
  }
}
