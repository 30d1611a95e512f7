// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Workers that listen on the path of a unix socket, after the tests of Node's cluster: those test
// cases begin with the name of Node's file, as docs/node.md lists them. And on paths that are too
// long for an address, where Node fails or cuts them off.

#include "support/deep_directory.hpp"
#include "support/job_protocol.hpp"
#include "support/listener_worker.hpp"

#include <cohort/scheduling/any_policy.hpp>
#include <cohort/scheduling/reuse_port.hpp>
#include <cohort/scheduling/shared.hpp>
#include <cohort/subscription.hpp>
#include <cohort/this_worker.hpp>
#include <cohort/unix_path.hpp>

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <doctest/doctest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
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

// A command that says where to listen. The worker has to say that it does so there.
awaitable<void> listens(
    cluster_fixture& primary, cohort::worker worker, std::string spec, std::string path)
{
  const std::string reply = co_await primary.command(worker, "listen " + spec);
  CHECK(reply == "ok " + path);
}

// Which worker answers there.
awaitable<cohort::worker_id> served_by(cluster_fixture& primary, std::string where)
{
  answer served;
  auto client = [&] { served = ask(address::local(where)); };
  co_await primary.in_thread(client);
  CHECK(served.result == outcome::ok);
  co_return served.worker;
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

TEST_CASE("a path of any length is served by all workers, and removed when the last one leaves")
{
  const deep_directory deep;
  const std::string path = deep.file("web.sock"), near = deep.short_file("web.sock");
  cluster_fixture primary;
  std::size_t before = 0;
  primary.run([&]() -> awaitable<void> {
    auto events = primary.cluster().subscribe<cohort::listening_event>();
    const auto workers = co_await start_listeners(primary, 2);
    before = count_descriptors();
    const std::string idle = co_await primary.command(workers[0], "descriptors");
    for (const cohort::worker& each : workers) {
      co_await listens(primary, each, "path:" + path + " mode=640", path);
      const cohort::listening_event event = co_await events.next();
      CHECK(event.worker == each.id());
      CHECK(event.type == cohort::address_type::unix_path);
      CHECK(event.address == path);
      CHECK(event.port == 0);
    }
    CHECK(mode_of(path) == mode_t(0640));
    // One socket, and the directory.
    CHECK(count_descriptors() == before + 2);
    const std::string listening = co_await primary.command(workers[0], "descriptors");
    CHECK(listening == idle);
    std::set<cohort::worker_id> seen;
    for (int i = 0; i != 2; ++i) {
      const cohort::worker_id by = co_await served_by(primary, near);
      seen.insert(by);
    }
    CHECK(seen.size() == 2);
    const std::string again = co_await primary.command(workers[0], "listen path:" + path);
    CHECK(again == address_in_use);
    co_await primary.command(workers[0], "close 0");
    const cohort::worker_id other = co_await served_by(primary, near);
    CHECK(other == workers[1].id());
    co_await primary.command(workers[1], "close 0");
    const auto is_gone = [&] { return !mode_of(path) && count_descriptors() == before; };
    const bool gone = co_await primary.eventually(is_gone);
    CHECK(gone);
    // And once more, to be ended with the cluster.
    co_await listens(primary, workers[1], "path:" + path, path);
    co_await primary.end();
  });
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("by every policy a path of any length is served")
{
  for (const cohort::any_policy& policy :
      {cohort::any_policy(cohort::shared()), cohort::any_policy(cohort::reuse_port())}) {
    const deep_directory deep;
    const std::string path = deep.file("web.sock");
    basic_cluster_fixture<cohort::any_policy> primary(cohort::settings(), policy);
    primary.run([&]() -> awaitable<void> {
      cohort::worker worker = co_await start_listener(primary);
      const std::string reply = co_await primary.command(worker, "listen path:" + path);
      CHECK(reply == "ok " + path);
      answer served;
      auto client = [&] { served = ask(address::local(deep.short_file("web.sock"))); };
      co_await primary.in_thread(client);
      CHECK(served.pid == worker.pid());
      co_await primary.end();
    });
    CHECK_FALSE(std::filesystem::exists(path));
  }
}

TEST_CASE("a relative path may be short and its directory's long")
{
  const deep_directory deep;
  const std::string path = deep.file("web.sock");
  cluster_fixture primary(cohort::settings().cwd(deep.path()));
  primary.run([&]() -> awaitable<void> {
    const auto workers = co_await start_listeners(primary, 2);
    // By an endpoint of Asio, and by a path.
    co_await listens(primary, workers[0], "unix:web.sock", path);
    co_await listens(primary, workers[1], "path:web.sock", path);
    std::set<cohort::worker_id> seen;
    for (int i = 0; i != 2; ++i) {
      const cohort::worker_id by = co_await served_by(primary, deep.short_file("web.sock"));
      seen.insert(by);
    }
    CHECK(seen.size() == 2);
    co_await primary.end();
  });
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a path that is closed is listened on anew at once, however long")
{
  const deep_directory deep;
  cluster_fixture primary;
  const std::string near = primary.scratch.file("web.sock");
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    int number = 0;
    for (const std::string& path : {near, deep.file("web.sock")}) {
      co_await listens(primary, worker, "path:" + path, path);
      for (int i = 0; i != 5; ++i) {
        const std::string again =
            co_await primary.command(worker, "reopen " + std::to_string(number) + " path:" + path);
        CHECK(again == "ok " + path);
        ++number;
      }
      ++number;
    }
    const cohort::worker_id by_near = co_await served_by(primary, near);
    CHECK(by_near == worker.id());
    const cohort::worker_id by_far = co_await served_by(primary, deep.short_file("web.sock"));
    CHECK(by_far == worker.id());
    co_await primary.end();
  });
}

TEST_CASE("an abstract name is shared by all workers, told with an @, and no file")
{
  cluster_fixture primary;
  // As unique as the directory, and nowhere in it.
  std::string name = primary.scratch.path() + "/abstract";
  name.front() = '@';
  primary.run([&]() -> awaitable<void> {
    auto events = primary.cluster().subscribe<cohort::listening_event>();
    const auto workers = co_await start_listeners(primary, 2);
    for (const cohort::worker& each : workers) {
      co_await listens(primary, each, "unix:" + name, name);
      const cohort::listening_event event = co_await events.next();
      CHECK(event.type == cohort::address_type::unix_path);
      CHECK(event.address == name);
    }
    asio::io_context elsewhere(1);
    std::error_code error;
    const local::endpoint abstract('\0' + name.substr(1));
    local::acceptor other(elsewhere);
    other.open();
    other.bind(abstract, error);
    CHECK(error == asio::error::address_in_use);
    local::socket client(elsewhere);
    client.connect(abstract);
    client.send(asio::buffer("1 get\n", 6));
    const auto is_taken = [&] { return primary.cluster().counters().taken == 1; };
    const bool taken = co_await primary.eventually(is_taken);
    CHECK(taken);
    client.close();
    co_await primary.end();
    other.bind(abstract, error);
    CHECK_FALSE(error);
  });
}

TEST_CASE("a short path is the same listener by an endpoint and by a path")
{
  cluster_fixture primary;
  const std::string path = primary.scratch.file("web.sock");
  primary.run([&]() -> awaitable<void> {
    const auto workers = co_await start_listeners(primary, 2);
    co_await listens(primary, workers[0], "unix:" + path, path);
    co_await listens(primary, workers[1], "path:" + path, path);
    const std::string again = co_await primary.command(workers[0], "listen path:" + path);
    CHECK(again == address_in_use);
    co_await primary.end();
  });
}

TEST_CASE("at a long path a socket that nobody answers is replaced, anything else is in use")
{
  const deep_directory deep;
  const std::string path = deep.file("web.sock");
  asio::io_context context(1);
  std::optional<local::acceptor> other;
  other.emplace(context, local::endpoint(deep.short_file("web.sock")));
  std::ofstream(deep.file("plain")) << "text";
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::size_t before = count_descriptors();
    for (const char* name : {"web.sock", "plain"}) {
      for (const char* whose : {"", " exclusive"}) {
        CAPTURE(name);
        const std::string reply =
            co_await primary.command(worker, "listen path:" + deep.file(name) + whose);
        CHECK(reply == address_in_use);
        CHECK(std::filesystem::exists(deep.file(name)));
      }
    }
    CHECK(count_descriptors() == before);
    other.reset();
    CHECK(mode_of(path).has_value());
    co_await listens(primary, worker, "path:" + path, path);
    const cohort::worker_id by = co_await served_by(primary, deep.short_file("web.sock"));
    CHECK(by == worker.id());
    co_await primary.end();
  });
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(std::filesystem::exists(deep.file("plain")));
}

TEST_CASE("a worker alone at a long path binds and removes it by itself")
{
  const deep_directory deep;
  const std::string path = deep.file("own.sock");
  cluster_fixture primary(cohort::settings().cwd(deep.path()));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::size_t before = count_descriptors();
    const std::string own = co_await primary.command(worker, "descriptors");
    co_await listens(primary, worker, "unix:own.sock mode=777 exclusive", path);
    CHECK(mode_of(path) == mode_t(0777));
    CHECK(count_descriptors() == before);
    const cohort::worker_id by = co_await served_by(primary, deep.short_file("own.sock"));
    CHECK(by == worker.id());
    co_await primary.command(worker, "close 0");
    CHECK_FALSE(std::filesystem::exists(path));
    const bool as_before = co_await has_descriptors(primary, worker, own);
    CHECK(as_before);
    co_await primary.end();
  });
}

TEST_CASE("without a cluster a long path is listened on as well")
{
  const deep_directory deep;
  const std::string path = deep.file("web.sock");
  asio::io_context context(1);
  cohort::this_worker self(context, cohort::standalone);
  std::string heard;
  const auto serve = [&]() -> awaitable<void> {
    auto acceptor = co_await self.listen(cohort::unix_path(path));
    CHECK(acceptor.path() == path);
    CHECK(acceptor.local_endpoint() == local::endpoint());
    local::socket client(context);
    client.connect(local::endpoint(deep.short_file("web.sock")));
    auto taken = co_await acceptor.async_accept();
    client.send(asio::buffer("hello", 5));
    char text[5];
    const std::size_t size = co_await taken.async_read_some(asio::buffer(text));
    heard.assign(text, size);
  };
  std::exception_ptr failure;
  asio::co_spawn(context, serve(), [&](std::exception_ptr thrown) { failure = thrown; });
  context.run_for(std::chrono::seconds(10) * time_factor());
  CHECK_FALSE(failure);
  CHECK(heard == "hello");
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("what cannot be listened on is an error, and the next listen succeeds")
{
  const deep_directory deep;
  cluster_fixture primary;
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await start_listener(primary);
    const std::size_t before = count_descriptors();
    const auto listen = [&](const std::string& path) {
      return primary.command(worker, "listen path:" + path);
    };
    const std::string name = co_await listen(deep.file(std::string(86, 'n')));
    CHECK(name == "error system File name too long");
    const std::string all = co_await listen(std::string(4096, '/') + "web.sock");
    CHECK(all == "error generic File name too long");
    const std::string folder = co_await listen(deep.file("nowhere/web.sock"));
    CHECK(folder == "error system No such file or directory");
    CHECK(count_descriptors() == before);
    const std::string longest = deep.file(std::string(85, 'n'));
    co_await listens(primary, worker, "path:" + longest, longest);
    co_await primary.end();
  });
}

} // namespace node_unix
