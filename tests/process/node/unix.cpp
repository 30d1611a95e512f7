// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that listen on the path of a unix socket, after the tests of Node's cluster: each test
// case begins with the name of Node's file, as docs/node.md lists them.

#include "support/job_protocol.hpp"
#include "support/listener_worker.hpp"

#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/subscription.hpp>

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <doctest/doctest.h>

#include <cerrno>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace node_unix {

using namespace cohort_test;
using local = asio::local::stream_protocol;

namespace {

// Of this process, and those it starts, as long as this lives.
class process_umask {
public:
  explicit process_umask(mode_t mask) : before_(::umask(mask)) {}
  ~process_umask() { ::umask(before_); }
  process_umask(const process_umask&) = delete;
  process_umask& operator=(const process_umask&) = delete;

private:
  mode_t before_;
};

// The permissions of the socket there.
std::optional<mode_t> mode_of(const std::string& path)
{
  struct stat status;
  if (::stat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return std::nullopt;
  return status.st_mode & 0777U;
}

} // namespace

TEST_CASE("eaccess: that a path is taken reaches the primary as a message of the worker")
{
  const scratch_directory place;
  const std::string path = place.file("taken.sock");
  asio::io_context context(1);
  const local::acceptor other(context, local::endpoint(path));
  jobs::with_cluster([&](jobs::cluster_type& cluster) -> awaitable<void> {
    auto errors = cluster.subscribe<cohort::error_event>();
    jobs::worker_type worker = co_await cluster.co_fork(jobs::job_role("listening_at_path"));
    worker.send(jobs::make_task(path));
    const auto answer = co_await worker.receive<jobs::result>();
    const std::error_code taken(EADDRINUSE, std::system_category());
    CHECK(answer.message.what == taken.category().name());
    CHECK(answer.message.number == static_cast<std::uint64_t>(taken.value()));
    const cohort::error_event event = co_await errors.next();
    CHECK(event.worker == worker.id());
    CHECK(event.what == "listen");
    CHECK(event.code == taken);
    const cohort::exit_status status = co_await worker.disconnect();
    CHECK(status.success());
  });
  // It was not touched.
  CHECK(mode_of(path).has_value());
}

TEST_CASE("http_pipe: a worker serves on a path, and the primary is told which")
{
  for (const cohort::any_policy& policy :
      {cohort::any_policy(), cohort::any_policy(cohort::shared())}) {
    const scratch_directory place;
    basic_cluster_fixture<cohort::any_policy> primary(cohort::settings().cwd(place.path()), policy);
    const std::string path = place.file("web.sock");
    primary.run([&]() -> awaitable<void> {
      auto events = primary.cluster().subscribe<cohort::listening_event>();
      cohort::worker worker = co_await start_listener(primary);
      const std::string listens = co_await primary.command(worker, "listen unix:web.sock");
      CHECK(listens == "ok " + path);
      const cohort::listening_event event = co_await events.next();
      CHECK(event.worker == worker.id());
      CHECK(event.type == cohort::address_type::unix_path);
      CHECK(event.address == path);
      answer served;
      auto client = [&] { served = ask(address::local(path)); };
      co_await primary.in_thread(client);
      CHECK(served.result == outcome::ok);
      CHECK(served.pid == worker.pid());
      co_await primary.end();
    });
    CHECK(::access(path.c_str(), F_OK) != 0);
  }
}

TEST_CASE("listen_pipe_readable_writable: a path may be everybody's, whatever the umask says")
{
  const process_umask strict(0077);
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    for (const char* whose : {"", " exclusive"}) {
      CAPTURE(whose);
      const std::string path = primary.scratch.file("open.sock");
      const std::string listens =
          co_await primary.command(worker, "listen unix:" + path + " mode=777" + whose);
      CHECK(listens == "ok " + path);
      CHECK(mode_of(path) == mode_t(0777));
      const std::string index = *whose ? "1" : "0";
      co_await primary.command(worker, "close " + index);
      const auto is_gone = [&] { return !mode_of(path); };
      const bool gone = co_await primary.eventually(is_gone);
      CHECK(gone);
    }
    co_await primary.end();
  });
}

} // namespace node_unix
