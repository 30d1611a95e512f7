// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/dispatcher.hpp>

#include <cohort/scheduling/round_robin.hpp>

#include <doctest/doctest.h>

#include "support/deep_directory.hpp"
#include "support/noted_host.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace dispatcher_test {

using namespace cohort::detail;
using cohort::candidate;
using cohort::worker_id;

namespace {

struct dispatcher_test {
  ~dispatcher_test()
  {
    connections.close();
    CHECK_FALSE(host.wrong);
  }

  static posix::socket_address loopback(std::uint16_t port = 0)
  {
    std::error_code error;
    return posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port), error);
  }

  wire::listen_reply listen(worker_id worker, const posix::socket_address& where,
      std::uint16_t index = 0, std::uint8_t flags = 0)
  {
    wire::listen message;
    message.request = ++requests;
    message.index = index;
    message.flags = flags;
    message.backlog = 16;
    message.mode = 0600;
    message.address = wire::address_bytes(where.bytes());
    if (where.family() == AF_UNIX) message.kind = wire::listen_kind::unix_stream;
    const wire::listen_reply reply = connections.listen(candidate(worker), message);
    CHECK(reply.request == message.request);
    CHECK(reply.valid());
    return reply;
  }

  // A listen that succeeds: the number of the listener.
  std::uint32_t joined(worker_id worker, const posix::socket_address& where,
      std::uint16_t index = 0, std::uint8_t flags = 0)
  {
    const auto reply = listen(worker, where, index, flags);
    REQUIRE(reply.category == wire::error_kind::none);
    CHECK(reply.listener != 0);
    bound = address_of(reply);
    return reply.listener;
  }

  static posix::socket_address address_of(const wire::listen_reply& reply)
  {
    std::error_code error;
    return posix::socket_address::from_bytes(reply.address.bytes(), error);
  }

  bool grant(worker_id worker, std::uint32_t listener, std::uint16_t window)
  {
    wire::credit message;
    message.listener = listener;
    message.window = window;
    return connections.received(worker, message);
  }
  bool close(worker_id worker, std::uint32_t listener)
  {
    wire::close message;
    message.listener = listener;
    return connections.received(worker, message);
  }

  asio::io_context context;
  cohort_test::noted_host host;
  cohort_test::test_clients clients{context};
  dispatcher<cohort::round_robin, cohort_test::noted_host> connections{
      context.get_executor(), host, cohort::round_robin()};
  std::uint32_t requests = 0;
  posix::socket_address bound;
};

} // namespace

TEST_CASE("the first listen creates the listener, later ones join it")
{
  dispatcher_test test;
  const auto first = test.joined(1, test.loopback());
  const auto port = test.bound.port();
  CHECK(port != 0);
  CHECK(test.joined(2, test.loopback()) == first);
  CHECK(test.bound.port() == port);
}

TEST_CASE("each further listen on port 0 has a port of its own, which all workers share")
{
  dispatcher_test test;
  const auto first = test.joined(1, test.loopback(), 0);
  const auto first_port = test.bound.port();
  const auto second = test.joined(1, test.loopback(), 1);
  CHECK(second != first);
  CHECK(test.bound.port() != first_port);
  CHECK(test.joined(2, test.loopback(), 1) == second);
  CHECK(test.joined(2, test.loopback(), 0) == first);
}

TEST_CASE("the port that came out of port 0 is another name of that listener")
{
  dispatcher_test test;
  const auto first = test.joined(1, test.loopback());
  CHECK(test.joined(2, test.bound) == first);
}

TEST_CASE("datagrams and connections of one port have nothing to do with each other")
{
  dispatcher_test test;
  const auto stream = test.joined(1, test.loopback());
  wire::listen message;
  message.kind = wire::listen_kind::udp;
  message.address = wire::address_bytes(test.bound.bytes());
  auto answer = test.connections.listen(candidate(1), message);
  CHECK(answer.category == wire::error_kind::none);
  CHECK(answer.listener != stream);
  CHECK(answer.socket);
  CHECK(answer.how == wire::sharing::one_socket);
  CHECK(test.connections.size() == 2);
  CHECK(test.connections.listen(candidate(2), message).listener == answer.listener);
  CHECK(test.connections.listen(candidate(1), message).value == EADDRINUSE);
  // What is said of it as of a listener that has ended is ignored.
  CHECK(test.grant(1, answer.listener, 1));
  // No last call is made for it.
  CHECK(test.close(1, stream));
  CHECK(test.connections.leave(1));
  CHECK(test.connections.size() == 1);
  CHECK(test.close(2, answer.listener));
  CHECK(test.connections.size() == 0);
}

TEST_CASE(
    "a bound on listeners counts datagram sockets as well, and each end of a worker ends them")
{
  dispatcher_test test;
  wire::listen message;
  message.kind = wire::listen_kind::udp;
  message.address = wire::address_bytes(test.loopback().bytes());
  const auto fill = [&] {
    for (message.index = 0; message.index != 255; ++message.index)
      REQUIRE(test.connections.listen(candidate(1), message).value == 0);
  };
  fill();
  test.joined(1, test.loopback());
  CHECK(test.connections.listen(candidate(1), message).value == EMFILE);
  CHECK(test.listen(1, test.loopback(), 1).value == EMFILE);
  CHECK(test.connections.size() == 256);
  test.connections.gone(1);
  CHECK(test.connections.size() == 0);
  fill();
  test.connections.retire(1);
  CHECK(test.connections.size() == 0);
  message.flags = wire::listen_hold_when_empty;
  REQUIRE(test.connections.listen(candidate(1), message).value == 0);
  test.connections.gone(1);
  CHECK(test.connections.size() == 1);
  test.connections.close_unused();
  CHECK(test.connections.size() == 0);
  test.connections.listen(candidate(1), message);
  test.connections.close();
  CHECK(test.connections.size() == 0);
}

TEST_CASE("a worker that listens on an address already is told that it is in use")
{
  dispatcher_test test;
  test.joined(1, test.loopback());
  const auto reply = test.listen(1, test.bound);
  CHECK(reply.category == wire::error_kind::system);
  CHECK(reply.value == EADDRINUSE);
}

TEST_CASE("an error of binding is the answer, and a later listen tries anew")
{
  dispatcher_test test;
  std::error_code error;
  auto other = posix::listen_stream(test.loopback(), posix::listen_settings(), error);
  const auto taken = posix::local_address(other.get(), error);
  const auto reply = test.listen(1, taken);
  CHECK(reply.category == wire::error_kind::system);
  CHECK(reply.value == EADDRINUSE);
  other.reset();
  test.joined(1, taken);
  CHECK(test.bound == taken);
}

TEST_CASE("an address that is none, or of another kind than announced, is an error")
{
  dispatcher_test test;
  wire::listen message;
  message.request = 1;
  message.backlog = 1;
  CHECK(test.connections.listen(candidate(1), message).value == EINVAL);
  message.address = wire::address_bytes(test.loopback().bytes());
  message.kind = wire::listen_kind::unix_stream;
  CHECK(test.connections.listen(candidate(1), message).value == EINVAL);
}

TEST_CASE("a path can be listened on by all workers")
{
  const cohort_test::scratch_directory folder;
  dispatcher_test test;
  std::error_code error;
  const auto path = posix::socket_address::from_path(folder.file("socket"), error);
  const auto first = test.joined(1, path);
  CHECK(test.joined(2, path) == first);
}

TEST_CASE("a path that is too long for an address is told as it is, and is one place for all")
{
  const cohort_test::deep_directory deep;
  const std::string path = deep.file("socket");
  dispatcher_test test;
  const auto listen = [&](worker_id worker, const std::string& where) {
    wire::listen message;
    message.kind = wire::listen_kind::unix_stream;
    message.backlog = 16;
    message.mode = 0640;
    message.path = wire::path_text(where);
    return test.connections.listen(candidate(worker), message);
  };
  const auto before = cohort_test::count_descriptors();
  const auto first = listen(1, path);
  REQUIRE(first.value == 0);
  const auto descriptors = cohort_test::count_descriptors() - before;
  CHECK(first.path.text() == path);
  CHECK(first.place.path == path);
  // How the primary reaches it is of no use to others.
  CHECK(test.address_of(first).to_string() == "unnamed");
  CHECK(describe_listening(first.place).address == path);
  CHECK(std::filesystem::is_socket(path));
  const auto mode = std::filesystem::status(path).permissions();
  CHECK(mode == std::filesystem::perms(0640));
  const auto second = listen(2, path);
  CHECK(second.listener == first.listener);
  CHECK(second.path == first.path);
  CHECK(listen(2, path).value == EADDRINUSE);
  CHECK(cohort_test::count_descriptors() == before + descriptors);
  const auto other = listen(2, deep.file("other"));
  CHECK(other.listener != first.listener);
  // Not even who guesses how it is reached joins it by that.
  std::error_code error;
  const auto guessed = posix::socket_address::from_path(deep.short_file("socket"), error);
  CHECK(test.listen(3, guessed).value == EADDRINUSE);
  CHECK(test.close(1, first.listener));
  CHECK(std::filesystem::exists(path));
  CHECK(test.close(2, first.listener));
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(test.close(2, other.listener));
  // The reactor's may stay.
  CHECK(cohort_test::count_descriptors() <= before + descriptors - 2);
  for (const std::string& wrong :
      {deep.path() + "/nowhere/socket", "relative/" + deep.path(), deep.file(std::string(86, 'n'))})
    CHECK(listen(1, wrong).category == wire::error_kind::system);
  CHECK(test.connections.size() == 0);
}

TEST_CASE("a message about a listener that existed is ignored, one that never did is a violation")
{
  dispatcher_test test;
  const auto id = test.joined(1, test.loopback());
  CHECK(test.close(1, id));
  test.connections.gone(1);
  CHECK(test.grant(1, id, 5));
  CHECK(test.close(1, id));
  wire::taken taken;
  taken.listener = id;
  taken.count = 1;
  CHECK(test.connections.received(1, taken));
  CHECK_FALSE(test.grant(1, id + 1, 5));
  CHECK_FALSE(test.grant(1, 0, 5));
  CHECK_FALSE(test.close(1, id + 1));
  taken.listener = id + 1;
  CHECK_FALSE(test.connections.received(1, taken));
  wire::refused refused;
  refused.listener = id + 1;
  CHECK_FALSE(test.connections.received(1, refused));
  wire::released released;
  released.listener = 0;
  CHECK_FALSE(test.connections.received(1, released));
}

TEST_CASE("an answer that fits no offer of its listener is a violation")
{
  dispatcher_test test;
  wire::taken taken;
  taken.listener = test.joined(1, test.loopback());
  taken.first = 1;
  taken.count = 1;
  CHECK_FALSE(test.connections.received(1, taken));
}

TEST_CASE("an address is free again when the last member has closed")
{
  dispatcher_test test;
  const auto first = test.joined(1, test.loopback());
  const auto address = test.bound;
  CHECK(test.close(1, first));
  std::error_code error;
  const auto other = posix::listen_stream(address, posix::listen_settings(), error);
  CHECK(!error);
  const auto second = test.joined(2, test.loopback());
  CHECK(second != first);
}

TEST_CASE("a worker's credit is shared among its listeners: at most 128 in all")
{
  dispatcher_test test;
  const auto first = test.joined(1, test.loopback(), 0);
  const auto first_address = test.bound;
  const auto second = test.joined(1, test.loopback(), 1);
  CHECK(test.grant(1, first, 128));
  CHECK(test.grant(1, second, 128));
  test.clients.connect(first_address, 16);
  CHECK(cohort_test::run_bounded(test.context, [&] { return test.host.offered(1) == 16; }));
  // As many as a backlog holds at a time.
  for (int offered = 16; offered != 64; offered += 16) {
    test.clients.connect(first_address, 16);
    CHECK(cohort_test::run_bounded(
        test.context, [&] { return test.host.offered(1) == offered + 16; }));
  }
  test.clients.connect(first_address, 1);
  test.context.restart();
  test.context.poll();
  CHECK(test.host.offered(1) == 64);
  // One listener less: the other one may have all.
  CHECK(test.close(1, second));
  CHECK(cohort_test::run_bounded(test.context, [&] { return test.host.offered(1) == 65; }));
}

TEST_CASE("a worker's weight and load count on all its listeners, and from its join on")
{
  dispatcher_test test;
  candidate described(1);
  described.weight = 0;
  wire::listen message;
  message.backlog = 16;
  message.address = wire::address_bytes(test.loopback().bytes());
  const auto reply = test.connections.listen(described, message);
  CHECK(test.grant(1, reply.listener, 16));
  test.clients.connect(test.address_of(reply), 1);
  test.context.poll();
  CHECK(test.host.offered(1) == 0);
  test.connections.set_weight(1, 1);
  CHECK(cohort_test::run_bounded(test.context, [&] { return test.host.offered(1) == 1; }));
  test.connections.set_weight(1, 0);
  test.clients.connect(test.address_of(reply), 1);
  test.context.restart();
  test.context.poll();
  CHECK(test.host.offered(1) == 1);
  wire::load load;
  load.value = 5;
  CHECK(test.connections.received(1, load));
  // Also of one that listens nowhere.
  CHECK(test.connections.received(2, load));
}

TEST_CASE("a worker leaves all its listeners, and a last call is one of any of them")
{
  dispatcher_test test;
  const auto first = test.joined(1, test.loopback(), 0);
  test.joined(1, test.loopback(), 1);
  const auto second_address = test.bound;
  test.grant(1, first, 1);
  test.clients.connect(second_address, 1);
  CHECK_FALSE(test.connections.leave(1));
  CHECK(test.connections.is_member(1));
  test.connections.retire(1);
  CHECK_FALSE(test.connections.is_member(1));
}

TEST_CASE("a worker that closes during its last call has been called")
{
  dispatcher_test test;
  const auto id = test.joined(1, test.loopback());
  test.clients.connect(test.bound, 1);
  CHECK_FALSE(test.connections.leave(1));
  CHECK(test.close(1, id));
  CHECK(test.host.called == std::vector<worker_id>{1});
  CHECK_FALSE(test.connections.is_member(1));
}

TEST_CASE("a worker that listens nowhere leaves at once")
{
  dispatcher_test test;
  CHECK(test.connections.leave(1));
  CHECK_FALSE(test.connections.is_member(1));
}

TEST_CASE("what a listener counted is not forgotten with it")
{
  dispatcher_test test;
  const auto id = test.joined(1, test.loopback());
  test.clients.connect(test.bound, 2);
  test.grant(1, id, 2);
  test.connections.gone(1);
  const auto counters = test.connections.counters();
  CHECK(counters.accepted == 2);
  CHECK(counters.offered == 2);
  CHECK(counters.redispatched == 2);
  CHECK(counters.closed == 2);
  test.joined(2, test.loopback());
  CHECK(test.connections.counters().accepted == 2);
}

TEST_CASE("a worker may listen and close for ever: nothing of it stays")
{
  dispatcher_test test;
  // Others stay on the second one.
  test.joined(2, test.loopback(), 1);
  for (int i = 0; i != 1000; ++i) {
    CHECK(test.close(1, test.joined(1, test.loopback(), 0)));
    CHECK(test.close(1, test.joined(1, test.loopback(), 1)));
    REQUIRE(test.connections.size() == 1);
  }
  // One that is held is the same one each time.
  for (int i = 0; i != 10; ++i)
    CHECK(test.close(1, test.joined(1, test.loopback(), 2, wire::listen_hold_when_empty)));
  CHECK(test.connections.size() == 2);
}

TEST_CASE("the listeners of one worker are limited, and of another one not by that")
{
  dispatcher_test test;
  const auto all = static_cast<std::uint16_t>(test.connections.max_listeners);
  std::uint8_t flags = 0;
  SUBCASE("open ones") {}
  SUBCASE("closed ones that are held") { flags = wire::listen_hold_when_empty; }
  const auto first = test.joined(1, test.loopback(), 0, flags);
  for (std::uint16_t i = 1; i != all; ++i) {
    const auto id = test.joined(1, test.loopback(), i, flags);
    if (flags != 0) CHECK(test.close(1, id));
  }
  const auto reply = test.listen(1, test.loopback(), all);
  CHECK(reply.category == wire::error_kind::system);
  CHECK(reply.value == EMFILE);
  CHECK(test.connections.size() == all);
  // What it listens on is no new one.
  CHECK(test.listen(1, test.loopback(), 0).value == EADDRINUSE);
  CHECK(test.joined(2, test.loopback(), 0) == first);
  if (flags != 0) CHECK(test.joined(1, test.loopback(), 5, flags) != 0);
  test.connections.gone(1);
  CHECK(test.joined(3, test.loopback(), all) != first);
  test.joined(1, test.loopback(), 9);
}

TEST_CASE("held listeners that nobody uses close when they are told")
{
  dispatcher_test test;
  test.joined(1, test.loopback(), 0, wire::listen_hold_when_empty);
  const auto address = test.bound;
  test.connections.gone(1);
  const auto kept = test.joined(2, address);
  CHECK(kept != 0);
  test.connections.gone(2);
  test.connections.close_unused();
  std::error_code error;
  const auto other = posix::listen_stream(address, posix::listen_settings(), error);
  CHECK(!error);
}

} // namespace dispatcher_test
