// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Programs that replace themselves, role "upgraded". Its environment, beside that of `load_server`:
//
//   COHORT_TEST_POLICY    rr, shared or reuse_port
//   COHORT_TEST_PID_FILE  its pid file
//   COHORT_TEST_PROGRAM   what SIGUSR2 starts
//   COHORT_TEST_DEADLINE  how long that may take, in milliseconds
//   COHORT_TEST_FATE      file that says what becomes of a new program before it is ready: nothing,
//                         or exit, crash, hang, babble; deaf: it hangs, and does not end on
//                         SIGTERM, but on SIGUSR1; half: a second group of it is never ready
//
// It writes "started PID" ("deaf PID" where it is that), "failed TEXT" for each upgrade that does,
// and at its end "counted WORKERS CONNECTIONS", all that were started and taken, and "over PID".

#include <cohort/upgrade.hpp>

#include <cohort/message/json.hpp>
#include <cohort/run.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/supervisor.hpp>

#include "support/client.hpp"
#include "support/context_fixture.hpp"
#include "support/deep_directory.hpp"
#include "support/fated_program.hpp"
#include "support/footprint.hpp"
#include "support/foster_parent.hpp"
#include "support/kept_port.hpp"
#include "support/load_client.hpp"
#include "support/load_server.hpp"
#include "support/notify_listener.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"
#include "support/soon.hpp"

#include <asio/detached.hpp>
#include <asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <unistd.h>
#include <vector>

namespace upgrade_test {

using namespace cohort_test;
using namespace std::chrono_literals;
using asio::ip::tcp;

namespace {

// The program.

// Ends when it is told in another way than usual.
[[noreturn]] void be_deaf()
{
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGTERM);
  sigaddset(&both, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &both, nullptr);
  std::cout << "deaf " << ::getpid() << std::endl;
  for (int heard = 0; heard != SIGUSR1; ::sigwait(&both, &heard))
    if (heard == SIGTERM) std::cout << "heard SIGTERM" << std::endl;
  std::cout << "ends" << std::endl;
  ::_exit(0);
}

// Whether this program is to replace another one.
bool is_new = false;

awaitable<void> tell_failures(cohort::subscription<cohort::error_event> errors)
{
  for (;;) {
    const cohort::error_event event = co_await errors.next();
    std::cout << "failed " << event.what << ": " << event.code.message() << std::endl;
  }
}

void tell_start() { std::cout << "started " << ::getpid() << std::endl; }

template <class Policy>
awaitable<void> supervise(cohort::supervisor<Policy>& master)
{
  const listen_spec where(variable("COHORT_TEST_LISTEN"));
  cohort::group web("web");
  web.workers(2);
  if (where.is_unix_path) web.listen(cohort::unix_path(where.host));
  else if (where.is_path) web.listen(asio::local::stream_protocol::endpoint(where.host));
  else web.listen(tcp::endpoint(asio::ip::make_address(where.host), where.port));
  master.add(web);
  if (is_new && first_word(variable("COHORT_TEST_FATE")) == "half")
    master.add(cohort::group("never").workers(1).program("/bin/sleep", {"1000"}));
  asio::co_spawn(master.get_executor(),
      tell_failures(master.template subscribe<cohort::error_event>()), asio::detached);
  // When it runs, and so acts on signals.
  asio::post(master.get_executor(), tell_start);
  co_await master.run();
  const cohort::totals all = master.totals();
  std::cout << "counted " << all.groups.front().counters.started << ' '
            << all.listeners.front().counters.taken << std::endl;
  std::cout << "over " << ::getpid() << std::endl;
}

template <class Policy>
int run_as(int argc, char** argv)
{
  const auto upgrade =
      cohort::upgrade_options()
          .program(variable("COHORT_TEST_PROGRAM"))
          .ready_deadline(std::chrono::milliseconds(std::stoi(variable("COHORT_TEST_DEADLINE"))));
  const auto how =
      cohort::supervisor_options().upgrade(upgrade).pid_file(variable("COHORT_TEST_PID_FILE"));
  return cohort::run(argc, argv, supervise<Policy>, serve_load, how);
}

COHORT_TEST_WORKER_ROLE(upgraded)
{
  is_new = cohort::is_primary() && is_new_program();
  const std::string fate = is_new ? first_word(variable("COHORT_TEST_FATE")) : "";
  if (fate == "deaf") be_deaf();
  meet_fate(fate);
  const std::string policy = variable("COHORT_TEST_POLICY");
  if (policy == "shared") return run_as<cohort::shared>(argc, argv);
  if (policy == "reuse_port") return run_as<cohort::reuse_port>(argc, argv);
  return run_as<cohort::round_robin>(argc, argv);
}

// The tests.

// 20, or more for who has the time.
int upgrades_in_a_row()
{
  const char* const said = std::getenv("COHORT_TEST_UPGRADES");
  return said ? std::atoi(said) : 20;
}

struct fixture : context_fixture {
  explicit fixture(const std::string& policy = "rr", const std::vector<std::string>& more = {},
      const std::string& listen = "", std::chrono::milliseconds deadline = 20s)
      : program("upgraded", variables(policy, more, listen, deadline))
  {
    serving = started();
  }
  ~fixture()
  {
    // A failed test leaves one.
    if (serving != 0 && serving != program.pid()) ::kill(serving, SIGKILL);
    while (::waitpid(serving, nullptr, WNOHANG) > 0) continue;
  }

  std::vector<std::string> variables(const std::string& policy, std::vector<std::string> all,
      const std::string& listen, std::chrono::milliseconds deadline)
  {
    std::filesystem::create_symlink(cohort::detail::posix::executable_path(), next());
    all.push_back("COHORT_TEST_POLICY=" + policy);
    all.push_back("COHORT_TEST_DEADLINE=" + std::to_string(deadline.count()));
    all.push_back("COHORT_TEST_LISTEN=" + (listen.empty() ? port.text() : listen));
    all.push_back("COHORT_TEST_LOG=" + scratch.file("log"));
    all.push_back("COHORT_TEST_STEPS=200 1000 600000");
    all.push_back("COHORT_TEST_PID_FILE=" + scratch.file("pid"));
    all.push_back("COHORT_TEST_PROGRAM=" + next());
    all.push_back("COHORT_TEST_FATE=" + scratch.file("fate"));
    return all;
  }

  /// The path of the next program.
  std::string next() const { return scratch.file("next"); }
  void set_fate(const std::string& fate) { std::ofstream(scratch.file("fate")) << fate; }

  /// The next line has to begin like this; the rest of it.
  std::string told(const std::string& begin)
  {
    const std::string said = program.line();
    REQUIRE_MESSAGE(said.starts_with(begin), said);
    return said.substr(begin.size());
  }
  pid_t started() { return std::stoi(told("started ")); }

  /// Replaces the program that serves, and waits until it has ended.
  void upgrade()
  {
    const pid_t before = serving;
    ::kill(before, SIGUSR2);
    serving = started();
    told("counted ");
    CHECK(told("over ") == std::to_string(before));
    CHECK(wait(before) == 0);
    until_known();
  }
  /// It does not let itself be replaced before it has heard that it counts.
  void until_known() const
  {
    const auto knows = [&] { return first_word(scratch.file("pid")) == std::to_string(serving); };
    REQUIRE(soon(knows));
  }
  void fail_to_upgrade(const std::string& why)
  {
    ::kill(serving, SIGUSR2);
    const std::string said = told("failed upgrade: ");
    CHECK_MESSAGE(said.find(why) != said.npos, said);
  }
  void end()
  {
    ::kill(serving, SIGTERM);
    counted = told("counted ");
    CHECK(told("over ") == std::to_string(serving));
    CHECK(wait(serving) == 0);
    serving = 0;
    CHECK(program.line() == "");
    CHECK(program.errors() == "");
    CHECK_FALSE(std::filesystem::exists(scratch.file("pid")));
  }
  int wait(pid_t pid) { return pid == program.pid() ? program.wait() : program::wait_for(pid); }

  /// Lets `change()` happen under the load of these clients, and until so many more requests are
  /// answered.
  template <class Change>
  void under_load(connections kind, Change change, const address& where)
  {
    load_report report;
    run(
        [&]() -> awaitable<void> {
          load_client load(context, where, 6, kind);
          load.start();
          co_await load.finished(200);
          co_await in_thread(change);
          co_await load.finished(200);
          co_await load.stop();
          report = load.report();
        },
        120s * std::max(1, upgrades_in_a_row() / 20));
    report.compare(served_requests(scratch.file("log")));
    CHECK_MESSAGE(report.not_ok() == 0, report.text());
  }
  template <class Change>
  void under_load(connections kind, Change change)
  {
    under_load(kind, change, address::tcp4(port.number()));
  }

  foster_parent parent;
  kept_port port;
  scratch_directory scratch;
  role_program program;
  pid_t serving = 0;
  // What the last program has counted in the end.
  std::string counted;
};

TEST_CASE("20 upgrades in a row under load lose no request, and nothing grows")
{
  for (const connections kind : {connections::of_one_request, connections::kept}) {
    fixture test;
    // After one, so that all workers are there, and when that is over for the new program as well.
    test.upgrade();
    const auto is_alone = [&] { return !has_packet_socket(test.serving); };
    REQUIRE(soon(is_alone));
    const footprint before(test.serving);
    const auto upgrade = [&] {
      for (int each = 0; each != upgrades_in_a_row(); ++each) test.upgrade();
    };
    test.under_load(kind, upgrade);
    const auto is_as_before = [&] { return footprint(test.serving).is_like(before); };
    CHECK_MESSAGE(soon(is_as_before), before.text(), ", now ", footprint(test.serving).text());
    test.end();
  }
}

TEST_CASE("failed upgrades of each kind change nothing, and a good one works after them")
{
  for (const connections kind : {connections::of_one_request, connections::kept}) {
    fixture test;
    const auto upgrade = [&] {
      for (int each = 0; each != 5; ++each) {
        std::filesystem::rename(test.next(), test.next() + ".away");
        test.fail_to_upgrade("could not be started: No such file");
        std::filesystem::rename(test.next() + ".away", test.next());
        test.set_fate("exit");
        test.fail_to_upgrade("ended before it was ready: exited with code 3");
        test.set_fate("crash");
        test.fail_to_upgrade("ended before it was ready: killed by SIGKILL");
        test.set_fate("babble");
        test.fail_to_upgrade("did not speak as a new program does");
      }
      test.set_fate("");
      test.upgrade();
    };
    test.under_load(kind, upgrade);
    test.end();
  }
}

TEST_CASE("upgrades of workers that accept from the sockets themselves lose no request")
{
  for (const char* const policy : {"shared", "reuse_port"}) {
    CAPTURE(policy);
    fixture test(policy);
    const auto upgrade = [&] {
      for (int each = 0; each != 5; ++each) test.upgrade();
    };
    test.under_load(connections::of_one_request, upgrade);
    test.end();
  }
}

TEST_CASE("a Unix socket keeps its path through an upgrade, and loses it at the end")
{
  // One that an address holds, and one that is too long for it.
  const scratch_directory folder;
  const deep_directory deep;
  for (const bool is_long : {false, true}) {
    const std::string path = is_long ? deep.file("socket") : folder.file("socket");
    const std::string near = is_long ? deep.short_file("socket") : path;
    fixture test("rr", {}, (is_long ? "path:" : "unix:") + path);
    const auto upgrade = [&] {
      test.upgrade();
      test.upgrade();
    };
    test.under_load(connections::of_one_request, upgrade, address::local(near));
    CHECK(std::filesystem::exists(path));
    test.end();
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("what was counted goes on from one program to the next")
{
  fixture test;
  std::size_t requests = 0;
  const auto ask = [&] {
    load_report report;
    test.run([&]() -> awaitable<void> {
      load_client load(test.context, address::tcp4(test.port.number()), 2);
      load.start();
      co_await load.finished(100);
      co_await load.stop();
      report = load.report();
    });
    CHECK(report.not_ok() == 0);
    requests += report.total();
  };
  ask();
  test.upgrade();
  ask();
  test.upgrade();
  ask();
  test.end();
  // Two workers in each of three programs.
  CHECK(test.counted == "6 " + std::to_string(requests));
}

TEST_CASE("nothing that was counted is lost when a program ends later than the one after it")
{
  fixture test;
  const address where = address::tcp4(test.port.number());
  client slow(where);
  CHECK(slow.ask("keep").result == outcome::ok);
  // A request that has begun is waited for.
  CHECK(slow.send("1 ke") == outcome::ok);
  const pid_t first = test.serving;
  const auto replace = [&] {
    ::kill(test.serving, SIGUSR2);
    test.serving = test.started();
    test.until_known();
  };
  replace();
  CHECK(ask(where).result == outcome::ok);
  const pid_t second = test.serving;
  replace();
  CHECK(test.told("counted ") == "2 1");
  CHECK(test.told("over ") == std::to_string(second));
  CHECK(test.wait(second) == 0);
  CHECK(slow.send("ep\n") == outcome::ok);
  std::string line;
  CHECK(slow.receive(line) == outcome::ok);
  CHECK_MESSAGE(line.ends_with("close"), line);
  CHECK(test.told("counted ") == "2 1");
  CHECK(test.told("over ") == std::to_string(first));
  CHECK(test.wait(first) == 0);
  CHECK(ask(where).result == outcome::ok);
  test.end();
  CHECK(test.counted == "6 3");
}

TEST_CASE("a new program that serves in part is let go without a loss, and its path stays")
{
  for (const bool is_path : {false, true}) {
    const scratch_directory folder;
    const std::string path = folder.file("socket");
    fixture test("rr", {}, is_path ? "unix:" + path : "", 300ms);
    const address where = is_path ? address::local(path) : address::tcp4(test.port.number());
    test.set_fate("half");
    const auto fail = [&] {
      for (int each = 0; each != 3; ++each) {
        ::kill(test.serving, SIGUSR2);
        // Of the new one: it begins, and ends as others do.
        test.told("started ");
        test.told("counted ");
        test.told("over ");
        const std::string said = test.told("failed upgrade: ");
        CHECK_MESSAGE(said.find("was not ready in time") != said.npos, said);
      }
    };
    test.under_load(connections::of_one_request, fail, where);
    test.end();
  }
}

TEST_CASE("a signal for an upgrade that all processes get harms no worker")
{
  fixture test;
  const auto upgrade = [&] {
    for (const pid_t each : children_of(test.serving)) ::kill(each, SIGUSR2);
    test.upgrade();
  };
  test.under_load(connections::kept, upgrade);
  test.end();
}

TEST_CASE("a program that is ended while it upgrades takes the new one along")
{
  fixture test;
  test.set_fate("hang");
  ::kill(test.serving, SIGUSR2);
  // Signals are acted on one after the other.
  ::kill(test.serving, SIGTERM);
  test.told("counted ");
  CHECK(test.told("over ") == std::to_string(test.serving));
  CHECK(test.program.wait() == 0);
  test.serving = 0;
  // The new one has this end of the pipe as well.
  CHECK(test.program.line() == "");
}

TEST_CASE("a program that is ended waits for the new one, which may serve, or ends it at once")
{
  for (const bool at_once : {false, true}) {
    fixture test;
    test.set_fate("deaf");
    ::kill(test.serving, SIGUSR2);
    const pid_t other = std::stoi(test.told("deaf "));
    ::kill(test.serving, SIGTERM);
    test.told("heard SIGTERM");
    ::kill(at_once ? test.serving : other, at_once ? SIGTERM : SIGUSR1);
    if (!at_once) {
      test.told("ends");
      test.told("counted ");
      test.told("over ");
    }
    CHECK(test.program.wait() == (at_once ? 128 + SIGTERM : 0));
    test.serving = 0;
    // The new one has this end of the pipe as well.
    CHECK(test.program.line() == "");
  }
}

TEST_CASE("the service manager hears which process the service is, and that it is ready")
{
  notify_listener listener;
  fixture test("rr", {"NOTIFY_SOCKET=" + listener.address()});
  CHECK(listener.next_with("READY=1") == "READY=1\nSTATUS=web 2/2\n");
  test.upgrade();
  const std::string said = "MAINPID=" + std::to_string(test.serving);
  CHECK(listener.next_with(said) == said + '\n');
  CHECK(listener.next_with("READY=1") == "READY=1\nSTATUS=web 2/2\n");
  test.end();
}

} // namespace

} // namespace upgrade_test
