// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/peeked_connections.hpp>

#include <cohort/scheduling/round_robin.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"
#include "support/socket_pairs.hpp"

#include <asio/write.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace peeked_connections_test {

using namespace cohort::detail;
using namespace std::chrono_literals;
using cohort_test::text_of;

namespace {

// A line of up to eight bytes.
struct by_line : cohort::round_robin {
  static constexpr std::size_t peek = 8;
  bool enough(std::span<const std::byte> first_bytes) const
  {
    return text_of(first_bytes).find('\n') != std::string::npos;
  }
  std::chrono::milliseconds peek_time() const { return time; }
  std::chrono::milliseconds time = 1h;
};

struct any_bytes : cohort::round_robin {
  static constexpr std::size_t peek = 8;
};

template <class Policy = by_line>
struct fixture {
  explicit fixture(Policy policy = Policy(), std::size_t most = 100) : calls(std::move(policy))
  {
    const auto any = posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
    auto bare = posix::listen_stream(any, posix::listen_settings(), error);
    REQUIRE_FALSE(error);
    const auto bound = posix::local_address(bare.get(), error);
    listening_sockets accepting(context.get_executor(), std::move(bare), bound,
        posix::listen_settings(), wire::sharing::offers, error);
    sockets.emplace(std::move(accepting), calls, error, most);
    REQUIRE_FALSE(error);
  }

  void connect(int count = 1) { clients.connect(sockets->bound(), count); }
  void send(std::size_t client, const std::string& text)
  {
    asio::write(clients.sockets[client], asio::buffer(text));
  }

  // What those begin with who come now.
  std::vector<std::string> accept(std::size_t limit = 10'000, bool thorough = false)
  {
    std::vector<std::string> all;
    result = sockets->accept(
        limit, thorough, [&](peeked_connection connection, const posix::socket_address& peer) {
          CHECK(peer.port() != 0);
          all.push_back(text_of(connection.first_bytes()));
          accepted.push_back(std::move(connection));
        });
    return all;
  }
  bool wait()
  {
    called = false;
    sockets->wait([this] { called = true; });
    return cohort_test::run_bounded(context, [this] { return called; });
  }

  asio::io_context context;
  std::error_code error, result;
  policy_calls<Policy> calls;
  std::optional<peeked_connections<Policy>> sockets;
  cohort_test::test_clients clients{context};
  std::vector<peeked_connection> accepted;
  bool called = false;
};

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("a policy without peek has the bare sockets")
{
  CHECK(std::is_same_v<sockets_for<cohort::round_robin>, listening_sockets>);
  CHECK(std::is_same_v<sockets_for<by_line>, peeked_connections<by_line>>);
}

TEST_CASE("who has sent enough already is not waited for")
{
  fixture test;
  test.connect();
  test.send(0, "ab\ncd");
  CHECK(test.accept() == texts{"ab\ncd"});
  CHECK(posix::would_block(test.result));
  CHECK(test.sockets->is_empty());
}

TEST_CASE("a client is waited for until it has sent enough, and others pass it meanwhile")
{
  fixture test;
  test.connect(2);
  test.send(1, "b\n");
  CHECK(test.accept() == texts{"b\n"});
  CHECK_FALSE(test.sockets->is_empty());
  test.send(0, "a");
  CHECK(test.wait());
  CHECK(test.accept().empty());
  CHECK_FALSE(test.sockets->is_waiting());
  test.send(0, "a\n");
  CHECK(test.wait());
  CHECK(test.accept() == texts{"aa\n"});
  CHECK(test.sockets->is_empty());
}

TEST_CASE("as many bytes as the policy asks for are enough, and so is the client's end")
{
  fixture test;
  test.connect(2);
  CHECK(test.accept().empty());
  test.send(0, "12345678901");
  CHECK(test.wait());
  CHECK(test.accept() == texts{"12345678"});
  test.send(1, "x");
  test.clients.sockets[1].shutdown(asio::ip::tcp::socket::shutdown_send);
  const auto arrives = [&] { return test.wait() && test.accept() == texts{"x"}; };
  // The byte and the end may be two news.
  CHECK((arrives() || arrives()));
}

TEST_CASE("when its time is over a client goes on with what it has sent")
{
  fixture test(by_line{{}, 20ms});
  test.connect(2);
  test.send(1, "b");
  CHECK(test.accept().empty());
  texts all;
  while (all.size() != 2 && test.wait())
    for (const std::string& each : test.accept()) all.push_back(each);
  CHECK(all == texts{"", "b"});
}

TEST_CASE("without a rule of its own, whatever comes first is enough")
{
  fixture<any_bytes> test;
  test.connect();
  CHECK(test.accept().empty());
  test.send(0, "a");
  CHECK(test.wait());
  CHECK(test.accept() == texts{"a"});
}

TEST_CASE("no more come than are asked for, and the others later")
{
  fixture test;
  test.connect(3);
  CHECK(test.accept().empty());
  for (std::size_t i = 0; i != 3; ++i) test.send(i, "a\n");
  CHECK(test.wait());
  CHECK(test.accept(2) == texts(2, "a\n"));
  CHECK_FALSE(test.result);
  CHECK_FALSE(test.sockets->is_waiting());
  CHECK(test.accept(1) == texts(1, "a\n"));
}

TEST_CASE("at a last call nobody is waited for")
{
  fixture test;
  test.connect(2);
  CHECK(test.accept().empty());
  test.send(1, "b");
  test.connect();
  CHECK(test.accept(1, true).size() == 1);
  CHECK(test.accept(10, true).size() == 2);
  CHECK(posix::would_block(test.result));
  CHECK(test.sockets->is_empty());
}

TEST_CASE("what has come is looked at, also at a last call")
{
  fixture test;
  test.connect();
  test.send(0, "a");
  CHECK(test.accept(10, true) == texts{"a"});
}

TEST_CASE("when too many wait, the first goes on")
{
  fixture test(by_line(), 3);
  test.connect(5);
  test.send(0, "a");
  CHECK(test.accept() == texts{"a", ""});
  CHECK(test.sockets->close() == 3);
  CHECK(test.clients.closed(4));
}

TEST_CASE("closing closes those who wait")
{
  fixture test;
  test.connect(2);
  CHECK(test.accept().empty());
  CHECK(test.sockets->close() == 2);
  CHECK_FALSE(test.sockets->is_open());
  CHECK(test.clients.closed(0));
  test.context.run();
}

TEST_CASE("who was accepted and has said nothing is still here when another process goes on")
{
  fixture<> test;
  test.connect(3);
  test.send(0, "a\n");
  CHECK(test.accept().size() <= 1);
  test.wait();
  test.accept();
  const std::size_t held = test.sockets->held();
  CHECK(held + test.accepted.size() == 3);
  CHECK(held >= 2);
  std::vector<posix::unique_fd> copies;
  test.sockets->copy_to(copies, test.error);
  CHECK(copies.size() == 1);
  test.sockets->let_go();
  CHECK_FALSE(test.sockets->is_open());
  CHECK(test.sockets->held() == held);
}

} // namespace peeked_connections_test
