// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// What the descriptors of workers are, and this side of their pipes. Where Node has such a test, a
// name begins with that of its file.

#include "support/cluster_fixture.hpp"
#include "support/scratch.hpp"
#include "support/worker_facts.hpp"

#include <cohort/detail/posix/unique_fd.hpp>
#include <cohort/stdio.hpp>
#include <cohort/worker_process.hpp>

#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/write.hpp>
#include <boost/json.hpp>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace node_streams {

using namespace cohort_test;
using cohort::stdio;
namespace json = boost::json;

namespace {

cohort::environment speaking_role() { return facts_role().set("COHORT_TEST_SPEAK", "1"); }

cohort::settings with_streams(std::vector<stdio> streams)
{
  return cohort::settings().stdio(std::move(streams));
}

// Everything up to the end of the stream.
template <class Stream>
awaitable<std::string> read_all(Stream stream)
{
  std::string text;
  std::error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  auto buffer = asio::dynamic_buffer(text);
  co_await asio::async_read(stream, buffer, token);
  CHECK(error == asio::error::eof);
  co_return text;
}

} // namespace

TEST_CASE("fork_stdio: an extra pipe goes both ways, and ends with the worker")
{
  cluster_fixture primary(
      with_streams({stdio::inherit(), stdio::null(), stdio::null(), stdio::pipe()}));
  primary.run([&]() -> awaitable<void> {
    const auto variables = facts_role().set("COHORT_TEST_ECHO", "3");
    cohort::worker worker = co_await primary.cluster().co_fork(variables);
    auto pipe = worker.process().extra(3);
    const std::string sent = "there and back\n";
    std::string received;
    auto buffer = asio::dynamic_buffer(received);
    co_await asio::async_write(pipe, asio::buffer(sent), asio::use_awaitable);
    co_await asio::async_read_until(pipe, buffer, '\n', asio::use_awaitable);
    CHECK(received == sent);
    // Streams, extra and two channels; one more to look at them.
    const json::value all = co_await facts_of(worker);
    CHECK(all.at("descriptors") == 6);
    co_await primary.end();
    const std::string rest = co_await read_all(std::move(pipe));
    CHECK(rest.empty());
  });
}

TEST_CASE("fork_stdio: the standard streams are pipes, and each is taken once")
{
  const std::vector<stdio> pipes(3, stdio::pipe());
  // Where the streams say something, being silent does not count.
  cluster_fixture primary(with_streams(pipes).silent(true));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(speaking_role());
    auto process = worker.process();
    CHECK(process.pid() == worker.pid());
    auto output = process.standard_output();
    auto errors = process.standard_error();
    const auto input = process.standard_input();
    CHECK(input.is_open());
    std::error_code error;
    CHECK_FALSE(process.standard_output(error).is_open());
    CHECK(error == std::errc::bad_file_descriptor);
    co_await facts_of(worker);
    co_await primary.end();
    const std::string said = co_await read_all(std::move(output));
    CHECK(said == "out\nleft\n");
    const std::string complained = co_await read_all(std::move(errors));
    CHECK(complained == "err\n");
  });
}

TEST_CASE("fork_stdio: a descriptor of the primary is the worker's, and stays open here")
{
  const scratch_directory place;
  const cohort::detail::posix::unique_fd file(
      ::open(place.file("output").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  cluster_fixture primary(
      with_streams({stdio::null(), stdio::descriptor(file.get()), stdio::descriptor(file.get())}));
  primary.run([&]() -> awaitable<void> {
    const json::value all = co_await new_facts(primary, speaking_role());
    const std::string name = place.file("output");
    CHECK(words_of(all.at("streams")) == std::vector<std::string>{"/dev/null", name, name});
    co_await primary.end();
  });
  std::string text(64, '\0');
  text.resize(static_cast<std::size_t>(::pread(file.get(), text.data(), text.size(), 0)));
  CHECK(text == "out\nerr\nleft\n");
}

TEST_CASE("child_process_fork_close: messages, then disconnect, then exit, and the output ends")
{
  const std::vector<stdio> streams{stdio::null(), stdio::pipe(), stdio::null()};
  cluster_fixture primary(with_streams(streams));
  primary.run([&]() -> awaitable<void> {
    cohort::worker worker = co_await primary.cluster().co_fork(speaking_role());
    auto output = worker.process().standard_output();
    std::string order;
    worker.disconnected([&](std::error_code) { order += 'd'; });
    worker.exited([&](std::error_code, cohort::exit_status) { order += 'e'; });
    worker.receive([&](std::error_code error, const auto&) { order += error ? '?' : 'm'; });
    co_await worker.online();
    primary.cluster().disconnect([](std::error_code, const auto&) {});
    co_await worker.exited();
    CHECK(order == "mde");
    // What it said is still there.
    const std::string said = co_await read_all(std::move(output));
    CHECK(said == "out\nleft\n");
  });
}

} // namespace node_streams
