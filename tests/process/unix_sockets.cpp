// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that listen on the path of a unix socket.

#include "support/conversation.hpp"

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <fstream>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace unix_sockets_test {

using namespace cohort_test;
namespace posix = cohort::detail::posix;

TEST_CASE("a unix socket has its mode, serves all workers and is unlinked at the end")
{
  cluster_fixture primary;
  const std::string path = primary.scratch.file("web.sock");
  primary.run([&]() -> awaitable<void> {
    cohort::worker first = co_await primary.start(server("unix:" + path + " mode=660"));
    co_await primary.start(server("unix:" + path));
    const cohort::listening_event event = co_await first.listening();
    CHECK(event.type == cohort::address_type::unix_path);
    CHECK(event.address == path);
    CHECK(event.port == 0);
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK(S_ISSOCK(status.st_mode));
    CHECK((status.st_mode & 0777U) == 0660U);
    std::set<cohort::worker_id> seen;
    auto clients = [&] {
      for (int i = 0; i != 100 && seen.size() != 2; ++i)
        seen.insert(ask(address::local(path)).worker);
    };
    co_await primary.in_thread(clients);
    CHECK(seen == std::set<cohort::worker_id>{1, 2});
    co_await primary.end();
  });
  CHECK(::access(path.c_str(), F_OK) != 0);
}

TEST_CASE("a relative path of a unix socket is the worker's own")
{
  scratch_directory place;
  cluster_fixture primary(cohort::settings().cwd(place.path()));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.start(server("unix:relative.sock"));
    const cohort::listening_event event = co_await worker.listening();
    CHECK(event.address == place.file("relative.sock"));
    struct stat status;
    REQUIRE(::stat(event.address.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600U);
    const answer served = co_await ask_at(primary, address::local(event.address));
    CHECK(served.result == outcome::ok);
    co_await primary.end();
  });
}

TEST_CASE("a stale socket file is replaced, a live one and a plain file are not")
{
  cluster_fixture primary;
  const std::string path = primary.scratch.file("old.sock");
  std::error_code error;
  const auto where = posix::socket_address::from_path(path, error);
  posix::unique_fd live = posix::listen_stream(where, posix::listen_settings(), error);
  REQUIRE(live);
  const std::string plain = primary.scratch.file("plain");
  std::ofstream(plain) << "text\n";
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(primary.controlled(server("")));
    co_await worker.online();
    const std::string refused = co_await primary.command(worker, "listen unix:" + path);
    CHECK(refused == "error system Address already in use");
    CHECK(::access(path.c_str(), F_OK) == 0);
    live.reset();
    const std::string taken = co_await primary.command(worker, "listen unix:" + path);
    CHECK(taken == "ok " + path);
    const answer served = co_await ask_at(primary, address::local(path));
    CHECK(served.result == outcome::ok);
    const std::string over_plain = co_await primary.command(worker, "listen unix:" + plain);
    CHECK(over_plain == "error system Address already in use");
    CHECK(::access(plain.c_str(), F_OK) == 0);
    co_await primary.end();
  });
}

} // namespace unix_sockets_test
