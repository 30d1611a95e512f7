// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/shared_listener.hpp>

#include <cohort/scheduling/round_robin.hpp>

#include <doctest/doctest.h>

#include <asio/steady_timer.hpp>

#include "support/noted_host.hpp"
#include "support/scratch.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace shared_listener_test {

using namespace cohort::detail;
using cohort::candidate;
using cohort::worker_id;
using counts = std::vector<int>;
using words = std::vector<std::string>;

namespace {

using listener_type = shared_listener<cohort::round_robin, cohort_test::noted_host>;

// A socket, and a listener that has its ownership.
struct listener_test {
  explicit listener_test(bool hold_when_empty = false) : listener_test(loopback(), hold_when_empty)
  {
  }

  listener_test(const posix::socket_address& where, bool hold_when_empty,
      wire::sharing how = wire::sharing::offers)
  {
    std::error_code error;
    posix::listen_settings settings;
    settings.reuse_port = how == wire::sharing::own_socket;
    auto socket = posix::listen_stream(where, settings, error);
    REQUIRE_MESSAGE(!error, error.message());
    const auto bound = posix::local_address(socket.get(), error);
    listening_sockets sockets(
        context.get_executor(), std::move(socket), bound, settings, how, error);
    REQUIRE_FALSE(error);
    listener = std::make_shared<listener_type>(
        host, 1, std::move(sockets), hold_when_empty, cohort::round_robin(), error);
  }

  ~listener_test() { CHECK_FALSE(host.wrong); }

  // Another process listens in its place from now on.
  void let_go()
  {
    std::error_code error;
    listener->pass({}, {}, error);
    CHECK_FALSE(error);
    listener->let_go();
  }

  static posix::socket_address loopback()
  {
    std::error_code error;
    return posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  }

  void member(worker_id worker, std::uint32_t credit)
  {
    CHECK(listener->join(candidate(worker)));
    CHECK(listener->credit(worker, credit));
  }

  void connect(int count) { clients.connect(listener->bound(), count); }

  // The member answers its first open offers.
  bool take(worker_id worker, std::uint64_t first, std::uint16_t count, std::uint16_t released = 0)
  {
    wire::taken message;
    message.listener = 1;
    message.first = first;
    message.count = count;
    message.released = released;
    const bool fits = listener->taken(worker, message);
    // What answers make room for is accepted when all that came with them are read.
    run();
    return fits;
  }
  bool refuse(worker_id worker, std::uint64_t first, std::uint16_t count,
      wire::refuse_reason reason = wire::refuse_reason::no_room)
  {
    wire::refused message;
    message.listener = 1;
    message.first = first;
    message.count = count;
    message.reason = reason;
    return listener->refused(worker, message);
  }

  bool accepted(worker_id worker, std::uint16_t count, std::uint16_t left = 0)
  {
    wire::accepted message;
    message.listener = 1;
    message.count = count;
    message.left = left;
    return listener->accepted(worker, message);
  }
  words take_turns() { return std::exchange(host.turns, {}); }

  void run()
  {
    context.restart();
    context.poll();
  }
  template <class Done>
  bool run_until(Done done)
  {
    return cohort_test::run_bounded(context, done);
  }

  asio::io_context context;
  cohort_test::noted_host host;
  cohort_test::test_clients clients{context};
  std::shared_ptr<listener_type> listener;
};

} // namespace

TEST_CASE("nothing is accepted without credit")
{
  listener_test test;
  CHECK(test.listener->join(candidate(1)));
  test.connect(3);
  test.run();
  CHECK(test.listener->counters().accepted == 0);
  CHECK(test.host.offers.empty());
}

TEST_CASE("a member that wants it is offered less when its offers have waited")
{
  listener_test test;
  CHECK(test.listener->join(candidate(1), true));
  CHECK(test.listener->credit(1, 100));
  test.connect(30);
  CHECK(test.run_until([&] { return test.host.offered(1) == 16; }));
  // Longer than it may be busy.
  asio::steady_timer busy(test.context, std::chrono::milliseconds(6));
  bool over = false;
  busy.async_wait([&](std::error_code) { over = true; });
  CHECK(test.run_until([&] { return over; }));
  CHECK(test.take(1, 1, 16));
  CHECK(test.run_until([&] { return test.host.offered(1) == 24; }));
  test.run();
  CHECK(test.host.offered(1) == 24);
}

TEST_CASE("no more is accepted than there is credit for, and goes out as one offer")
{
  listener_test test;
  test.connect(5);
  test.member(1, 3);
  CHECK(test.host.runs(1) == counts{3});
  test.run();
  CHECK(test.listener->counters().accepted == 3);
  CHECK(test.take(1, test.host.offers[0].first, 2));
  CHECK(test.host.runs(1) == counts{3, 2});
  CHECK(test.listener->counters().accepted == 5);
  CHECK(test.listener->counters().taken == 2);
}

TEST_CASE("a connection that comes later is offered at once")
{
  listener_test test;
  test.member(1, 4);
  test.run();
  CHECK(test.host.offers.empty());
  test.connect(1);
  CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
}

TEST_CASE("what waits is spread over the members as the policy says")
{
  listener_test test;
  test.member(1, 2);
  test.member(2, 2);
  test.connect(4);
  CHECK(test.run_until([&] { return test.host.offered(1) + test.host.offered(2) == 4; }));
  CHECK(test.host.offered(1) == 2);
  CHECK(test.host.offered(2) == 2);
}

TEST_CASE("an answer that fits nothing is a violation and changes nothing")
{
  listener_test test;
  test.connect(1);
  test.member(1, 1);
  const auto first = test.host.offers.at(0).first;
  CHECK_FALSE(test.take(1, first + 1, 1));
  CHECK_FALSE(test.take(1, first, 2));
  CHECK_FALSE(test.take(2, first, 1));
  CHECK_FALSE(test.take(1, first, 1, 2)); // more ended than it has
  CHECK_FALSE(test.refuse(2, first, 1));
  wire::released released;
  released.count = 1;
  CHECK_FALSE(test.listener->released(1, released));
  CHECK(test.listener->counters().taken == 0);
  CHECK(test.take(1, first, 1));
  CHECK(test.listener->released(1, released));
}

TEST_CASE("a grant of one who is no member is ignored: it crossed the news")
{
  listener_test test;
  CHECK(test.listener->credit(9, 5));
  CHECK_FALSE(test.listener->is_member(9));
}

TEST_CASE("of those who share a socket, who is ahead lets the others go first")
{
  listener_test test(listener_test::loopback(), false, wire::sharing::one_socket);
  test.member(1, 16);
  test.member(2, 16);
  CHECK(test.accepted(1, 8));
  CHECK(test.take_turns() == words{"1 waits"});
  CHECK(test.accepted(2, 4));
  CHECK(test.take_turns() == words{"1 goes"});
  CHECK(test.accepted(1, 4));
  CHECK(test.take_turns() == words{"1 waits"});
  SUBCASE("one without credit is not waited for")
  {
    CHECK(test.listener->credit(2, 0));
    CHECK(test.take_turns() == words{"1 goes"});
    CHECK(test.listener->credit(2, 1));
    CHECK(test.take_turns() == words{"1 waits"});
  }
  SUBCASE("nor one that leaves")
  {
    test.listener->retire(2);
    CHECK(test.take_turns() == words{"1 goes"});
    CHECK(test.accepted(2, 1));
  }
  SUBCASE("nor one that is gone")
  {
    test.listener->gone(2);
    CHECK(test.take_turns() == words{"1 goes"});
    CHECK_FALSE(test.accepted(2, 1));
  }
  SUBCASE("nor one that does not come though it may")
  {
    CHECK(test.accepted(1, 15, 15));
    CHECK(test.take_turns().empty());
    CHECK(test.accepted(1, 1, 1));
    CHECK(test.take_turns() == words{"1 goes"});
  }
  SUBCASE("one that has no room for the news gets it later")
  {
    test.host.full = {1};
    CHECK(test.accepted(2, 4));
    CHECK(test.take_turns().empty());
    test.host.full.clear();
    test.listener->writable(1);
    CHECK(test.take_turns() == words{"1 goes"});
  }
  SUBCASE("when all is closed nobody is told anything")
  {
    test.listener->shut();
    CHECK(test.accepted(2, 4));
    CHECK(test.take_turns().empty());
  }
}

TEST_CASE("who has a socket alone, or is offered connections, need not let anybody go first")
{
  for (const auto how : {wire::sharing::own_socket, wire::sharing::offers}) {
    listener_test test(listener_test::loopback(), false, how);
    test.member(1, 16);
    test.member(2, 16);
    CHECK(test.accepted(1, 100));
    CHECK(test.take_turns().empty());
  }
}

TEST_CASE("a refusal for lack of room counts as having none, for who shares a socket as well")
{
  listener_test test(listener_test::loopback(), false, wire::sharing::one_socket);
  test.member(1, 16);
  CHECK(test.accepted(1, 8));
  test.connect(1);
  // The one that it accepts from is gone.
  test.member(2, 16);
  CHECK(test.accepted(1, 8));
  CHECK(test.take_turns() == words{"1 waits"});
  CHECK_FALSE(test.refuse(2, 1, 1));
  CHECK(test.take_turns() == words{"1 goes"});
}

TEST_CASE("nobody joins twice")
{
  listener_test test;
  CHECK(test.listener->join(candidate(1)));
  CHECK_FALSE(test.listener->join(candidate(1)));
}

TEST_CASE("a refusal for lack of room takes the credit, and the connection goes elsewhere")
{
  listener_test test;
  test.connect(1);
  test.member(1, 4);
  CHECK(test.listener->join(candidate(2)));
  CHECK(test.refuse(1, test.host.offers.at(0).first, 1));
  test.run();
  CHECK(test.host.runs(1) == counts{1});
  CHECK(test.listener->credit(2, 4));
  CHECK(test.host.runs(2) == counts{1});
  test.connect(1);
  CHECK(test.run_until([&] { return test.host.offered(2) == 2; }));
  CHECK(test.host.offered(1) == 1);
  CHECK(test.listener->credit(1, 4));
  test.connect(1);
  CHECK(test.run_until([&] { return test.host.offered(1) == 2; }));
}

TEST_CASE("a raised limit does not give back the credit that a refusal took")
{
  listener_test test;
  test.connect(1);
  test.member(1, 4);
  test.listener->limit_credit(1, 2);
  CHECK(test.refuse(1, test.host.offers.at(0).first, 1));
  test.listener->limit_credit(1, 8);
  test.run();
  CHECK(test.host.runs(1) == counts{1});
}

TEST_CASE("a limit caps the credit, and what was asked for counts again when it is raised")
{
  listener_test test;
  test.connect(8);
  CHECK(test.listener->join(candidate(1)));
  test.listener->limit_credit(1, 2);
  CHECK(test.listener->credit(1, 6));
  CHECK(test.host.runs(1) == counts{2});
  test.listener->limit_credit(1, 100);
  CHECK(test.host.runs(1) == counts{2, 4});
}

TEST_CASE("a member whose channel is full is passed over until it has room")
{
  listener_test test;
  test.host.full.insert(1);
  test.connect(2);
  CHECK(test.listener->join(candidate(2)));
  test.member(1, 4);
  CHECK(test.host.offers.empty());
  CHECK(test.listener->credit(2, 1));
  CHECK(test.host.runs(2) == counts{1});
  test.host.full.clear();
  test.run();
  CHECK(test.host.offered(1) == 0);
  test.listener->writable(1);
  CHECK(test.host.runs(1) == counts{1});
}

TEST_CASE("a member that could not be sent to is tried again though nothing tells of room")
{
  listener_test test;
  test.host.full.insert(1);
  test.connect(2);
  test.member(1, 4);
  test.run();
  CHECK(test.host.offers.empty());
  // Still not, when it is tried again.
  const auto tries = test.host.tries;
  CHECK(test.run_until([&] { return test.host.tries > tries; }));
  CHECK(test.host.offers.empty());
  test.host.full.clear();
  CHECK(test.run_until([&] { return test.host.offered(1) == 2; }));
}

TEST_CASE("nobody is sent to again when the last member has gone")
{
  listener_test test(true);
  test.host.full.insert(1);
  test.connect(1);
  test.member(1, 4);
  test.listener->gone(1);
  test.connect(1);
  CHECK(test.run_until([&] { return test.context.stopped(); }));
  CHECK(test.host.tries == 1);
}

TEST_CASE("a connection that every try found unusable is closed")
{
  listener_test test;
  test.connect(1);
  test.member(1, 1);
  for (std::size_t tried = 1; tried <= 3; ++tried) {
    REQUIRE(test.host.offers.size() == tried);
    CHECK_FALSE(test.clients.closed(0));
    const auto first = test.host.offers.back().first;
    CHECK(test.refuse(1, first, 1, wire::refuse_reason::unusable));
  }
  CHECK(test.host.offers.size() == 3);
  CHECK(test.listener->counters().closed == 1);
  CHECK(test.run_until([&] { return test.clients.closed(0) || test.context.stopped(); }));
  CHECK(test.clients.closed(0));
}

TEST_CASE("what the dead had not answered goes to others, in its old order")
{
  listener_test test;
  test.connect(3);
  test.member(1, 3);
  CHECK(test.take(1, test.host.offers.at(0).first, 1));
  test.member(2, 8);
  test.listener->gone(1);
  CHECK(test.host.runs(2) == counts{2});
  CHECK(test.listener->counters().redispatched == 2);
  CHECK(test.listener->counters().lost == 1);
  CHECK_FALSE(test.listener->is_member(1));
  test.listener->gone(1);
  CHECK(test.listener->counters().lost == 1);
}

TEST_CASE("one of several leaves without a last call and is offered nothing more")
{
  listener_test test;
  test.member(1, 8);
  test.member(2, 8);
  CHECK(test.listener->leave(1));
  CHECK(test.host.called.empty());
  test.connect(3);
  CHECK(test.run_until([&] { return test.host.offered(2) == 3; }));
  CHECK(test.host.offered(1) == 0);
}

TEST_CASE("who is no member has left already")
{
  listener_test test;
  CHECK(test.listener->leave(5));
  CHECK(test.listener->is_open());
}

TEST_CASE("the last one leaves at once when nothing waits, and the socket closes")
{
  listener_test test;
  test.member(1, 8);
  CHECK(test.listener->leave(1));
  CHECK(test.host.called.empty());
  CHECK_FALSE(test.listener->is_open());
  test.listener->gone(1);
  CHECK(test.listener->is_finished());
  CHECK(test.run_until([&] { return test.context.stopped(); }));
}

TEST_CASE("the last one is handed what waits in the kernel before it leaves")
{
  listener_test test;
  test.member(1, 2);
  test.run();
  test.connect(5);
  CHECK_FALSE(test.listener->leave(1));
  CHECK(test.listener->is_member(1));
  std::size_t answered = 0;
  while (test.host.called.empty() && answered != test.host.offers.size()) {
    const auto offer = test.host.offers[answered++];
    CHECK(test.take(1, offer.first, offer.count));
  }
  CHECK(test.host.offered(1) == 5);
  CHECK(test.host.called == std::vector<worker_id>{1});
  CHECK_FALSE(test.listener->is_open());
  CHECK(test.listener->counters().taken == 5);
  CHECK(test.listener->counters().closed == 0);
}

TEST_CASE("a last call to one without credit ends in bounded time, what waits is closed")
{
  listener_test test;
  CHECK(test.listener->join(candidate(1)));
  test.connect(2);
  CHECK_FALSE(test.listener->leave(1));
  CHECK(test.run_until([&] { return !test.host.called.empty(); }));
  CHECK(test.host.called == std::vector<worker_id>{1});
  CHECK(test.host.offered(1) == 0);
  CHECK_FALSE(test.listener->is_open());
  CHECK(test.clients.closed(0));
  CHECK(test.clients.closed(1));
}

TEST_CASE("one who closes during its last call ends it, and the host is told")
{
  listener_test test;
  test.member(1, 1);
  test.run();
  test.connect(3);
  CHECK_FALSE(test.listener->leave(1));
  CHECK(test.refuse(1, test.host.offers.at(0).first, 1, wire::refuse_reason::draining));
  CHECK(test.host.called.empty());
  test.listener->left(1);
  CHECK(test.host.called == std::vector<worker_id>{1});
  CHECK(test.listener->is_finished());
  CHECK(test.run_until([&] { return test.context.stopped(); }));
  CHECK(test.host.called.size() == 1);
}

TEST_CASE("one who closes without a last call is not told of one")
{
  listener_test test;
  test.member(1, 1);
  test.member(2, 1);
  test.run();
  test.connect(3);
  CHECK(test.listener->leave(1));
  CHECK_FALSE(test.listener->leave(2));
  test.listener->left(1);
  CHECK(test.host.called.empty());
}

TEST_CASE("one who joins during a last call takes it over")
{
  listener_test test;
  test.member(1, 1);
  test.run();
  test.connect(3);
  CHECK_FALSE(test.listener->leave(1));
  CHECK(test.listener->join(candidate(2)));
  CHECK(test.host.called == std::vector<worker_id>{1});
  CHECK_FALSE(test.listener->is_member(1));
  CHECK(test.listener->is_open());
  CHECK(test.listener->credit(2, 8));
  CHECK(test.run_until([&] { return test.host.offered(2) == 2; }));
  CHECK(test.host.offered(1) == 1);
}

TEST_CASE("one who dies during its last call ends it, and what it had not answered is closed")
{
  listener_test test;
  test.member(1, 1);
  test.run();
  test.connect(3);
  CHECK_FALSE(test.listener->leave(1));
  test.listener->gone(1);
  CHECK(test.listener->is_finished());
  CHECK(test.host.called.empty());
  for (std::size_t i = 0; i != 3; ++i) CHECK(test.clients.closed(i));
}

TEST_CASE("a held listener outlives its last member, and the next one gets what waited")
{
  listener_test test(true);
  test.connect(2);
  test.member(1, 1);
  test.listener->gone(1);
  CHECK(test.listener->is_open());
  test.connect(1);
  test.run();
  CHECK_FALSE(test.clients.closed(0));
  test.member(2, 8);
  CHECK(test.run_until([&] { return test.host.offered(2) == 3; }));
}

TEST_CASE("a held listener keeps the context going for its members only, and serves the next one")
{
  listener_test test(true);
  test.member(1, 8);
  test.run();
  CHECK_FALSE(test.context.stopped());
  SUBCASE("its last member has died") { test.listener->gone(1); }
  SUBCASE("its last member has closed") { test.listener->left(1); }
  SUBCASE("it dies after it had closed")
  {
    test.connect(1);
    CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
    test.listener->left(1);
    test.listener->gone(1);
  }
  CHECK(test.run_until([&] { return test.context.stopped(); }));
  CHECK(test.listener->is_open());
  const int before = test.host.offered(1);
  test.connect(2);
  test.run();
  CHECK(test.context.stopped());
  test.member(2, 8);
  CHECK(test.run_until([&] { return test.host.offered(2) == 2 + before; }));
  test.connect(1);
  CHECK(test.run_until([&] { return test.host.offered(2) == 3 + before; }));
}

TEST_CASE("a held listener is left without a last call")
{
  listener_test test(true);
  test.member(1, 1);
  test.run();
  test.connect(3);
  CHECK(test.listener->leave(1));
  CHECK(test.listener->is_open());
}

TEST_CASE("while the cluster ends no listener is held")
{
  listener_test test(true);
  test.member(1, 1);
  test.host.is_ending = true;
  CHECK(test.listener->leave(1));
  CHECK_FALSE(test.listener->is_open());
}

TEST_CASE("a held listener without members closes when it is told")
{
  listener_test test(true);
  test.member(1, 1);
  test.listener->close_if_empty();
  CHECK(test.listener->is_open());
  test.listener->gone(1);
  test.listener->close_if_empty();
  CHECK(test.listener->is_finished());
}

TEST_CASE("shutting closes the socket and asks nothing of the host any more")
{
  listener_test test;
  test.member(1, 1);
  test.run();
  test.connect(3);
  CHECK_FALSE(test.listener->leave(1));
  const auto offers = test.host.offers.size();
  test.listener->shut();
  CHECK_FALSE(test.listener->is_open());
  CHECK(test.run_until([&] { return test.context.stopped(); }));
  CHECK(test.host.offers.size() == offers);
  CHECK(test.host.called.empty());
}

TEST_CASE("a path that somebody else has bound meanwhile stays with the other one")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  std::error_code error;
  const auto where = posix::socket_address::from_path(path, error);
  listener_test first(where, false);
  std::filesystem::remove(path);
  listener_test second(where, false);
  first.listener->shut();
  CHECK(std::filesystem::exists(path));
  second.listener->shut();
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("the path of a unix socket goes with the listener")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  std::error_code error;
  listener_test test(posix::socket_address::from_path(path, error), false);
  CHECK(std::filesystem::exists(path));
  test.member(1, 1);
  test.listener->gone(1);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("where the primary listens itself, the socket stays whatever workers do")
{
  listener_test test;
  CHECK_FALSE(test.listener->is_held());
  test.listener->hold();
  CHECK(test.listener->is_held());
  test.connect(1);
  test.run();
  CHECK(test.listener->counters().accepted == 0);
  test.member(1, 1);
  CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
  test.listener->gone(1);
  CHECK(test.listener->is_open());
  // It is no last call: the next one serves who waits.
  test.member(2, 0);
  CHECK(test.listener->leave(2));
  // Not even the cluster's end changes that.
  test.host.is_ending = true;
  test.member(3, 0);
  test.listener->retire(3);
  test.listener->gone(3);
  test.listener->close_if_empty();
  CHECK(test.listener->is_open());
  CHECK_FALSE(test.listener->is_finished());
  test.member(4, 1);
  CHECK(test.host.offered(4) == 1);
  CHECK(test.host.called.empty());
}

TEST_CASE("when the primary does not listen any more, the last worker's end is that of the socket")
{
  listener_test test;
  test.listener->hold();
  SUBCASE("at once when none is there")
  {
    test.listener->release();
    CHECK_FALSE(test.listener->is_open());
    CHECK(test.listener->is_finished());
  }
  SUBCASE("at once also where workers wanted it to be held")
  {
    listener_test other(true);
    other.listener->hold();
    other.listener->release();
    CHECK_FALSE(other.listener->is_open());
  }
  SUBCASE("with the last one, which empties it")
  {
    test.member(1, 1);
    test.listener->release();
    CHECK(test.listener->is_open());
    test.connect(1);
    CHECK_FALSE(test.listener->leave(1));
    CHECK(test.host.offered(1) == 1);
    CHECK(test.take(1, test.host.offers[0].first, 1, 1));
    CHECK(test.host.called == std::vector<worker_id>{1});
    CHECK_FALSE(test.listener->is_open());
  }
  SUBCASE("and nobody is answered then, but served")
  {
    std::error_code error;
    test.listener->set_unserved(cohort::overflow::reset().after(std::chrono::seconds(0)), error);
    test.member(1, 1);
    test.listener->release();
    test.connect(1);
    CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
    test.listener->gone(1);
    CHECK_FALSE(test.listener->is_open());
    CHECK(test.listener->counters().unserved == 0);
    CHECK(test.listener->counters().closed == 1);
  }
  SUBCASE("also where workers want it to be held: then everybody waits")
  {
    listener_test other(true);
    std::error_code error;
    other.listener->hold();
    other.listener->set_unserved(cohort::overflow::reset().after(std::chrono::seconds(0)), error);
    other.member(1, 1);
    other.listener->release();
    other.listener->gone(1);
    other.connect(1);
    other.run();
    CHECK(other.listener->counters().accepted == 0);
    other.member(2, 1);
    CHECK(other.run_until([&] { return other.host.offered(2) == 1; }));
  }
}

TEST_CASE("the primary's wish to listen ends a last call: the socket lives on")
{
  listener_test test;
  test.connect(1);
  test.member(1, 0);
  CHECK_FALSE(test.listener->leave(1));
  test.listener->hold();
  CHECK(test.host.called == std::vector<worker_id>{1});
  CHECK(test.listener->is_open());
  test.run();
  test.connect(1);
  test.member(2, 2);
  CHECK(test.run_until([&] { return test.host.offered(2) == 2; }));
}

TEST_CASE("who waits in the primary for a worker is answered when it does not listen any more")
{
  listener_test test;
  std::error_code error;
  test.listener->hold();
  const auto gone = cohort::overflow::refuse("gone").after(std::chrono::hours(1));
  test.listener->set_unserved(gone, error);
  REQUIRE_FALSE(error);
  test.connect(2);
  CHECK(test.run_until([&] { return test.listener->counters().accepted == 2; }));
  test.listener->release();
  CHECK_FALSE(test.listener->is_open());
  CHECK(test.listener->counters().unserved == 2);
  // The answers are on their way still.
  CHECK_FALSE(test.listener->is_finished());
  for (auto& client : test.clients.sockets) {
    char text[5] = {};
    CHECK(client.read_some(asio::buffer(text), error) == 4);
    CHECK(std::string(text) == "gone");
  }
  SUBCASE("until they have ended")
  {
    test.clients.sockets.clear();
    CHECK(test.run_until([&] { return test.listener->is_finished(); }));
  }
  SUBCASE("or everything is shut")
  {
    test.listener->shut();
    CHECK(test.listener->is_finished());
  }
}

TEST_CASE("where workers accept themselves, the primary answers only while there is none")
{
  for (const auto how : {wire::sharing::one_socket, wire::sharing::own_socket}) {
    listener_test test(listener_test::loopback(), false, how);
    std::error_code error;
    test.listener->hold();
    test.connect(1);
    test.run();
    CHECK(test.listener->counters().accepted == 0);
    const auto unserved = [&](std::uint64_t count) {
      return test.run_until([&] { return test.listener->counters().unserved == count; });
    };
    test.listener->set_unserved(
        cohort::overflow::refuse("gone").after(std::chrono::seconds(0)), error);
    REQUIRE_FALSE(error);
    CHECK(unserved(1));
    const auto socket = test.listener->share(candidate(1), error);
    REQUIRE(socket);
    CHECK(test.listener->join(candidate(1)));
    test.connect(1);
    test.run();
    CHECK(test.listener->counters().accepted == 1);
    CHECK(test.listener->credit(1, 1));
    test.run();
    // It is there for the worker.
    CHECK(test.listener->counters().accepted == 1);
    posix::socket_address peer;
    CHECK(posix::accept_stream(socket.get(), &peer, error));
    test.connect(1);
    test.listener->gone(1);
    CHECK(unserved(2));
    // Or is not, when it is to wait.
    test.listener->set_unserved(cohort::overflow::queue(), error);
    test.connect(1);
    test.run();
    CHECK(test.listener->counters().accepted == 2);
    CHECK(test.host.offers.empty());
  }
}

TEST_CASE("where workers accept themselves, one that comes is offered who waits in the primary")
{
  for (const auto how : {wire::sharing::one_socket, wire::sharing::own_socket}) {
    listener_test test(listener_test::loopback(), false, how);
    std::error_code error;
    test.listener->hold();
    test.listener->set_unserved(cohort::overflow::refuse("gone"), error);
    test.connect(2);
    CHECK(test.run_until([&] { return test.listener->counters().accepted == 2; }));
    const auto socket = test.listener->share(candidate(1), error);
    test.member(1, 4);
    CHECK(test.host.offered(1) == 2);
    CHECK(test.listener->counters().unserved == 0);
  }
}

TEST_CASE("when another process goes on, who was offered and who waits here is still served here")
{
  listener_test test;
  test.member(1, 2);
  test.member(2, 1);
  test.connect(5);
  CHECK(test.run_until([&] { return test.host.offers.size() == 2; }));
  const auto offer = test.host.offers.front();
  const worker_id first = offer.worker, second = first == 1 ? 2 : 1;
  test.let_go();
  CHECK_FALSE(test.listener->is_open());
  // One comes back, and goes to the other one.
  CHECK(test.refuse(first, offer.first, offer.count));
  CHECK(test.take(second, test.host.offers[1].first, test.host.offers[1].count, 1));
  CHECK(test.listener->credit(second, 4));
  test.run();
  for (std::size_t each = 2; each != test.host.offers.size(); ++each) {
    const auto again = test.host.offers[each];
    CHECK(again.worker == second);
    CHECK(test.take(second, again.first, again.count));
  }
  CHECK(test.listener->counters().accepted == 3);
  CHECK(test.listener->counters().taken == 3);
  CHECK(test.listener->counters().closed == 0);
  CHECK_FALSE(test.listener->is_finished());
  test.listener->gone(1);
  test.listener->gone(2);
  CHECK(test.listener->is_finished());
  CHECK(test.run_until([&] { return test.context.stopped(); }));
}

TEST_CASE("who came back when nobody was left is served by the other process, which counts him")
{
  listener_test test, next;
  test.member(1, 3);
  test.connect(3);
  CHECK(test.run_until([&] { return test.host.offered(1) == 3; }));
  CHECK(test.take(1, test.host.offers[0].first, 1));
  std::error_code error;
  test.listener->pass({}, {}, error);
  CHECK(test.listener->take_stranded().empty());
  SUBCASE("before that was known")
  {
    test.listener->gone(1);
    CHECK(test.listener->is_open());
    test.let_go();
  }
  SUBCASE("after it")
  {
    test.let_go();
    CHECK(test.listener->take_stranded().empty());
    test.listener->gone(1);
  }
  CHECK_FALSE(test.listener->is_finished());
  auto stranded = test.listener->take_stranded();
  REQUIRE(stranded.size() == 2);
  CHECK(test.listener->is_finished());
  CHECK(test.listener->counters().accepted == 1);
  CHECK(test.listener->counters().closed == 0);
  next.member(1, 8);
  for (auto& each : stranded) next.listener->adopt(std::move(each));
  CHECK(next.run_until([&] { return next.host.offered(1) == 2; }));
  CHECK(next.listener->counters().accepted == 2);
}

TEST_CASE("who waits in the kernel is the other process's")
{
  listener_test test;
  std::error_code error;
  const auto passed = test.listener->copy({}, {}, error);
  const std::vector<posix::unique_fd>& copies = passed.sockets;
  REQUIRE(copies.size() == 1);
  test.member(1, 1);
  test.connect(3);
  CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
  test.let_go();
  CHECK(test.listener->credit(1, 8));
  test.run();
  CHECK(test.host.offered(1) == 1);
  CHECK(posix::accept_stream(copies.front().get(), nullptr, error));
  CHECK(posix::accept_stream(copies.front().get(), nullptr, error));
  CHECK_FALSE(posix::accept_stream(copies.front().get(), nullptr, error));
}

TEST_CASE("when another process goes on, the last one is handed what waits here before it leaves")
{
  listener_test test;
  test.member(1, 2);
  test.connect(2);
  CHECK(test.run_until([&] { return test.host.offered(1) == 2; }));
  const auto offers = std::exchange(test.host.offers, {});
  for (const auto& each : offers) REQUIRE(test.refuse(1, each.first, each.count));
  REQUIRE(test.host.offers.empty());
  test.let_go();
  CHECK_FALSE(test.listener->leave(1));
  CHECK(test.host.called.empty());
  CHECK(test.listener->is_member(1));
  CHECK(test.listener->credit(1, 4));
  CHECK(test.run_until([&] { return test.host.offered(1) == 2; }));
  for (std::size_t each = 0; each != test.host.offers.size(); ++each) {
    const auto offer = test.host.offers[each];
    CHECK(test.take(1, offer.first, offer.count));
  }
  CHECK(test.run_until([&] { return test.host.called == std::vector<worker_id>{1}; }));
  CHECK(test.listener->counters().taken == 2);
  CHECK(test.listener->counters().closed == 0);
  test.listener->gone(1);
  CHECK(test.listener->is_finished());
}

TEST_CASE("when another process goes on, a last one that takes nobody leaves after a while")
{
  listener_test test;
  test.member(1, 1);
  test.connect(1);
  CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
  test.let_go();
  CHECK_FALSE(test.listener->leave(1));
  CHECK(test.run_until([&] { return test.host.called == std::vector<worker_id>{1}; }));
  CHECK(test.listener->take_stranded().empty());
  CHECK(test.refuse(1, test.host.offers[0].first, 1));
  CHECK(test.listener->take_stranded().size() == 1);
  test.listener->gone(1);
  CHECK(test.listener->is_finished());
}

TEST_CASE("when another process goes on and nobody waits, the last one leaves at once")
{
  listener_test test;
  test.member(1, 2);
  test.run();
  test.let_go();
  CHECK(test.listener->leave(1));
  CHECK(test.host.called.empty());
  test.listener->gone(1);
  CHECK(test.listener->is_finished());
  CHECK(test.run_until([&] { return test.context.stopped(); }));
}

TEST_CASE("a last call that has begun goes on when another process listens")
{
  listener_test test;
  test.member(1, 1);
  test.connect(1);
  CHECK(test.run_until([&] { return test.host.offered(1) == 1; }));
  CHECK_FALSE(test.listener->leave(1));
  // It is closed already, and so was not passed.
  test.listener->let_go();
  CHECK(test.take(1, test.host.offers[0].first, 1));
  CHECK(test.run_until([&] { return test.host.called == std::vector<worker_id>{1}; }));
  CHECK(test.listener->counters().taken == 1);
}

TEST_CASE("the path of a unix socket stays for the process that goes on")
{
  const cohort_test::scratch_directory folder;
  const std::string path = folder.file("socket");
  std::error_code error;
  listener_test test(posix::socket_address::from_path(path, error), false);
  test.member(1, 1);
  test.let_go();
  test.listener->gone(1);
  CHECK(test.listener->is_finished());
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("where workers accept themselves, they are let go as well")
{
  for (const auto how : {wire::sharing::one_socket, wire::sharing::own_socket}) {
    listener_test test(listener_test::loopback(), false, how);
    std::error_code error;
    test.member(1, 4);
    test.member(2, 4);
    const auto first = test.listener->share(candidate(1), error);
    const auto second = test.listener->share(candidate(2), error);
    CHECK_FALSE(error);
    test.run();
    test.let_go();
    CHECK(test.listener->credit(1, 8));
    test.listener->left(2);
    test.run();
    test.listener->leave(1);
    test.listener->left(1);
    test.run();
    test.listener->gone(1);
    test.listener->gone(2);
    CHECK(test.listener->is_finished());
    CHECK(test.run_until([&] { return test.context.stopped(); }));
  }
}

} // namespace shared_listener_test
