// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/listening_primary.hpp>

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <doctest/doctest.h>

#include "support/event_loop.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>
#include <asio/read.hpp>

#include <chrono>
#include <concepts>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>

namespace listening_primary_test {

using asio::ip::tcp;
using local = asio::local::stream_protocol;
using cohort::any_host;
using cohort::listen_options;
using cohort::overflow;
using namespace std::chrono_literals;

namespace {

static_assert(!std::is_copy_constructible_v<cohort::listening_primary<cohort::round_robin>>);
static_assert(std::derived_from<cohort::cluster<>, cohort::listening_primary<cohort::round_robin>>);

const tcp::endpoint any_port(asio::ip::address_v4::loopback(), 0);

struct fixture {
  template <class Endpoint>
  std::error_code connect(const Endpoint& where)
  {
    typename Endpoint::protocol_type::socket client(context);
    std::error_code error;
    client.connect(where, error);
    return error;
  }

  asio::io_context context{1};
  std::optional<cohort::cluster<>> primary{std::in_place, context};
};

} // namespace

TEST_CASE("the primary listens from now to the end, without a worker and without work to do")
{
  fixture test;
  const tcp::endpoint bound = test.primary->listen(any_port);
  CHECK(bound.address() == any_port.address());
  CHECK(bound.port() != 0);
  CHECK(test.context.run() == 0);
  CHECK_FALSE(test.connect(bound));
  SUBCASE("until it is told")
  {
    test.primary->stop_listening(bound);
    test.primary->stop_listening(bound);
  }
  SUBCASE("until the cluster goes away") { test.primary.reset(); }
  CHECK(test.connect(bound) == asio::error::connection_refused);
}

TEST_CASE("a place that is in use is an error, as value or exception")
{
  fixture test;
  const tcp::endpoint bound = test.primary->listen(any_port);
  std::error_code error;
  CHECK(test.primary->listen(bound, listen_options(), error) == tcp::endpoint());
  CHECK(error == std::errc::address_in_use);
  CHECK_THROWS_AS(test.primary->listen(bound), std::system_error);
  CHECK(test.primary->listen(any_port, listen_options(), error) != bound);
  CHECK_FALSE(error);
}

TEST_CASE("every address of the machine, and paths of Unix sockets")
{
  const cohort_test::scratch_directory folder;
  fixture test;
  const tcp::endpoint everywhere = test.primary->listen(any_host());
  CHECK_FALSE(test.connect(tcp::endpoint(asio::ip::address_v4::loopback(), everywhere.port())));
  test.primary->stop_listening(any_host(everywhere.port()));
  CHECK(test.connect(tcp::endpoint(asio::ip::address_v4::loopback(), everywhere.port())));
  const std::string path = folder.file("socket");
  const local::endpoint where(path);
  CHECK(test.primary->listen(where, listen_options().mode(0640)) == where);
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::all) ==
        static_cast<std::filesystem::perms>(0640));
  CHECK_FALSE(test.connect(where));
  CHECK_THROWS_AS(test.primary->listen(cohort::unix_path(path)), std::system_error);
  const std::string deep = folder.file(std::string(100, 'd'));
  std::filesystem::create_directory(deep);
  const cohort::unix_path long_path(deep + "/socket");
  const cohort::unix_path bound = test.primary->listen(long_path);
  CHECK(bound.value() == long_path.value());
  CHECK(std::filesystem::exists(bound.value()));
  test.primary->hold(bound);
  std::error_code error;
  CHECK(test.primary->listen(bound, listen_options(), error).value().empty());
  CHECK(error == std::errc::address_in_use);
  test.primary->stop_listening(long_path);
  CHECK_FALSE(std::filesystem::exists(bound.value()));
  CHECK(test.primary->listen(cohort::unix_path(folder.file("short"))).value() ==
        folder.file("short"));
  test.primary.reset();
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK_FALSE(std::filesystem::exists(folder.file("short")));
}

TEST_CASE("what a service manager has given is listened on by its name, and stays its own")
{
  namespace posix = cohort::detail::posix;
  auto& given = cohort::detail::service_sockets::of_this_process();
  fixture test;
  std::error_code error;
  const cohort::inherited_socket web("listening_primary_test");
  test.primary->listen(web, listen_options(), error);
  CHECK(error == cohort::error::not_inherited);
  CHECK_THROWS_AS(test.primary->listen(web), std::system_error);
  tcp::acceptor made(test.context, any_port);
  const tcp::endpoint where = made.local_endpoint();
  given.add(web.name(), posix::unique_fd(made.release()));
  CHECK(test.primary->listen(web).name() == web.name());
  // It is one listener, whatever it is called.
  for (const bool by_name : {true, false}) {
    if (by_name) test.primary->listen(web, listen_options(), error);
    else test.primary->listen(where, listen_options(), error);
    CHECK(error == std::errc::address_in_use);
  }
  test.primary->answer(web, overflow::refuse("nobody\n").after(0s));
  test.primary->hold(web);
  test.primary->stop_listening(web);
  CHECK_FALSE(test.connect(where));
  test.primary->hold(web, error);
  CHECK(error == std::errc::address_not_available);
  // Again, and until nobody has it any more.
  test.primary->listen(web);
  test.primary.reset();
  CHECK_FALSE(test.connect(where));
  CHECK(given.take_unclaimed(error).empty());
  given.close_all();
  CHECK(test.connect(where) == asio::error::connection_refused);
}

TEST_CASE("what is no address is an error, and nothing listens there")
{
  fixture test;
  std::error_code error;
  test.primary->listen(local::endpoint(""), listen_options(), error);
  CHECK(error == std::errc::invalid_argument);
  test.primary->stop_listening(local::endpoint(""));
}

TEST_CASE("clients are answered while no worker is there, and wait again when told to")
{
  fixture test;
  const tcp::endpoint bound = test.primary->listen(any_port);
  const auto ask = [&](const std::string& expected) {
    tcp::socket client(test.context);
    client.connect(bound);
    std::string text;
    std::error_code ended;
    bool done = false;
    asio::async_read(client, asio::dynamic_buffer(text), [&](std::error_code error, std::size_t) {
      ended = error;
      done = true;
    });
    CHECK(cohort_test::run_until(test.context, [&] { return done; }));
    CHECK(text == expected);
    std::error_code end = asio::error::eof;
    if (expected.empty()) end = asio::error::connection_reset;
    CHECK(ended == end);
  };
  test.primary->answer(bound, overflow::refuse("gone").after(0s));
  ask("gone");
  test.primary->answer(bound, overflow::reset().after(0s));
  ask("");
  test.primary->hold(bound);
  test.context.restart();
  test.context.run();
  CHECK_FALSE(test.connect(bound));
  CHECK(test.primary->counters().accepted == 2);
  CHECK(test.primary->counters().unserved == 2);
}

TEST_CASE("nobody is answered where the primary does not listen")
{
  fixture test;
  std::error_code error;
  test.primary->answer(any_port, overflow::reset(), error);
  CHECK(error == std::errc::address_not_available);
  CHECK_THROWS_AS(test.primary->answer(any_port, overflow::reset()), std::system_error);
  error.clear();
  test.primary->hold(any_port, error);
  CHECK(error == std::errc::address_not_available);
  CHECK_THROWS_AS(test.primary->hold(any_port), std::system_error);
  test.primary->listen(any_port);
  test.primary->hold(any_port, error);
  CHECK_FALSE(error);
}

TEST_CASE("the primary goes on listening when all workers have ended, and not while they do")
{
  fixture test;
  const tcp::endpoint bound = test.primary->listen(any_port);
  std::error_code error;
  std::optional<std::error_code> ended;
  test.primary->disconnect([&](std::error_code result, auto) { ended = result; });
  test.primary->listen(any_port, listen_options(), error);
  CHECK(error == cohort::error::shutting_down);
  CHECK(cohort_test::run_until(test.context, [&] { return ended.has_value(); }));
  CHECK_FALSE(test.connect(bound));
  test.primary->listen(any_port, listen_options(), error);
  CHECK_FALSE(error);
}

TEST_CASE("with an end after which nothing is forked any more it ends as well")
{
  fixture test;
  const tcp::endpoint bound = test.primary->listen(any_port);
  test.primary->answer(bound, overflow::refuse("gone"));
  bool ended = false;
  test.primary->disconnect(
      1s, cohort::detail::last_end([&](std::error_code, const auto&) { ended = true; }));
  CHECK(test.connect(bound) == asio::error::connection_refused);
  CHECK(cohort_test::run_until(test.context, [&] { return ended; }));
  std::error_code error;
  test.primary->listen(any_port, listen_options(), error);
  CHECK(error == cohort::error::shutting_down);
}

} // namespace listening_primary_test
