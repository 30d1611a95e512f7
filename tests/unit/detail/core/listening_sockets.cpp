// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/core/listening_sockets.hpp>

#include <doctest/doctest.h>

#include "support/noted_host.hpp"
#include "support/upgrade_channel.hpp"

#include <array>
#include <set>
#include <utility>
#include <vector>

namespace listening_sockets_test {

using namespace cohort::detail;
using cohort::candidate;
using cohort_test::inode_of;

namespace {

struct fixture {
  explicit fixture(wire::sharing how)
  {
    posix::listen_settings settings;
    settings.reuse_port = how == wire::sharing::own_socket;
    const auto any = posix::socket_address::from_endpoint(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
    auto first = posix::listen_stream(any, settings, error);
    REQUIRE_FALSE(error);
    const auto bound = posix::local_address(first.get(), error);
    sockets.emplace(context.get_executor(), std::move(first), bound, settings, how, error);
    REQUIRE_FALSE(error);
  }

  candidate member(cohort::worker_id id, std::uint32_t slot, std::uint32_t window = 1)
  {
    candidate made(id);
    made.slot = slot;
    made.window = window;
    return made;
  }
  void update(const std::vector<candidate>& members, bool all = false)
  {
    sockets->update(members, all, error);
    CHECK_FALSE(error);
  }

  // How many connections the primary finds.
  std::size_t accept(std::size_t limit = 100)
  {
    std::size_t found = 0;
    result = sockets->accept(
        limit, true, [&](posix::unique_fd, const posix::socket_address&) { ++found; });
    return found;
  }

  // How many there are at a worker's own socket.
  static std::size_t waiting_at(const posix::unique_fd& socket)
  {
    std::size_t found = 0;
    for (std::error_code error; posix::accept_stream(socket.get(), nullptr, error); ++found) {
    }
    return found;
  }

  std::error_code error;
  std::error_code result;
  asio::io_context context{1};
  cohort_test::test_clients clients{context};
  std::optional<listening_sockets> sockets;
};

} // namespace

TEST_CASE("a socket of which the primary offers is shared with nobody")
{
  fixture test(wire::sharing::offers);
  CHECK_FALSE(test.sockets->share(candidate(1), test.error));
  CHECK_FALSE(test.error);
  test.clients.connect(test.sockets->bound(), 3);
  test.update({test.member(1, 0)});
  CHECK(test.accept(2) == 2);
  CHECK_FALSE(test.result);
  CHECK(test.accept() == 1);
  CHECK(posix::would_block(test.result));
  CHECK(test.sockets->is_empty());
}

TEST_CASE("one socket is the same for all workers, and the primary's for a last call")
{
  fixture test(wire::sharing::one_socket);
  const auto first = test.sockets->share(candidate(1), test.error);
  const auto second = test.sockets->share(candidate(2), test.error);
  test.clients.connect(test.sockets->bound(), 4);
  test.update({test.member(1, 0), test.member(2, 1)});
  CHECK(test.accept() == 0);
  CHECK(test.sockets->is_waiting());
  std::error_code error;
  CHECK(posix::accept_stream(first.get(), nullptr, error));
  CHECK(posix::accept_stream(second.get(), nullptr, error));
  test.update({test.member(1, 0)}, true);
  CHECK(test.accept() == 2);
}

TEST_CASE("of sockets of their own those are the primary's whose workers do not accept")
{
  fixture test(wire::sharing::own_socket);
  const auto first = test.sockets->share(test.member(1, 0), test.error);
  const auto second = test.sockets->share(test.member(2, 1), test.error);
  REQUIRE(first);
  REQUIRE(second);
  // All to the first one.
  auto only = test.member(2, 1);
  only.weight = 0;
  test.update({test.member(1, 0), only});
  test.clients.connect(test.sockets->bound(), 20);
  CHECK(test.accept() == 0);
  CHECK(test.waiting_at(second) == 0);
  // It accepts no more: what waits there is the primary's, and nothing more comes.
  auto leaving = test.member(1, 0);
  leaving.leaving = true;
  test.update({leaving, test.member(2, 1)});
  CHECK(test.accept() == 20);
  test.clients.connect(test.sockets->bound(), 20);
  CHECK(test.accept() == 0);
  CHECK(test.waiting_at(second) == 20);
  // Without credit as well.
  test.update({leaving, test.member(2, 1, 0)});
  test.clients.connect(test.sockets->bound(), 5);
  CHECK(test.accept() == 5);
}

TEST_CASE("who joins gets the socket it had, or that of its slot, or a free one, or a new one")
{
  fixture test(wire::sharing::own_socket);
  const auto inode = [](const posix::unique_fd& fd) {
    struct stat status;
    REQUIRE(::fstat(fd.get(), &status) == 0);
    return status.st_ino;
  };
  const auto first = inode(test.sockets->share(test.member(1, 0), test.error));
  const auto second = inode(test.sockets->share(test.member(2, 1), test.error));
  const auto third = inode(test.sockets->share(test.member(3, 2), test.error));
  CHECK(first != second);
  CHECK(second != third);
  CHECK(inode(test.sockets->share(test.member(2, 1), test.error)) == second);
  // 1 and 2 are gone.
  test.update({test.member(3, 2)});
  CHECK(inode(test.sockets->share(test.member(4, 1), test.error)) == second);
  CHECK(inode(test.sockets->share(test.member(5, 9), test.error)) == first);
}

TEST_CASE("waiting ends for a socket whose worker accepts again")
{
  fixture test(wire::sharing::own_socket);
  const auto own = test.sockets->share(test.member(1, 0), test.error);
  int woken = 0;
  test.update({test.member(1, 0, 0)});
  CHECK(test.accept() == 0);
  test.sockets->wait([&] { ++woken; });
  CHECK(test.sockets->is_waiting());
  test.update({test.member(1, 0)});
  test.clients.connect(test.sockets->bound(), 1);
  test.context.poll();
  CHECK(woken == 0);
  test.update({test.member(1, 0, 0)});
  test.sockets->wait([&] { ++woken; });
  CHECK(cohort_test::run_bounded(test.context, [&] { return woken == 1; }));
  CHECK(test.accept() == 1);
}

TEST_CASE("what has several sockets under a policy of one has the primary accept from the others")
{
  for (const auto how : {wire::sharing::one_socket, wire::sharing::offers}) {
    fixture test(wire::sharing::own_socket);
    const auto first = test.sockets->share(test.member(1, 0), test.error);
    const auto second = test.sockets->share(test.member(2, 1), test.error);
    std::vector<posix::unique_fd> passed;
    test.sockets->copy_to(passed, test.error);
    REQUIRE(passed.size() == 2);
    // Some at each.
    test.update({test.member(1, 0), test.member(2, 1)});
    test.clients.connect(test.sockets->bound(), 60);
    const auto bound = test.sockets->bound();
    test.sockets.emplace(test.context.get_executor(), std::move(passed[0]), bound,
        posix::listen_settings(), how, test.error);
    test.sockets->add(std::move(passed[1]), test.error);
    CHECK_FALSE(test.error);
    test.update({test.member(1, 0), test.member(2, 1)});
    const std::size_t by_primary = test.accept();
    const std::size_t by_workers = test.waiting_at(first) + test.waiting_at(second);
    CHECK(by_primary + by_workers == 60);
    CHECK(by_primary > 0);
    CHECK((by_workers > 0) == (how == wire::sharing::one_socket));
    CHECK_FALSE(test.sockets->share(test.member(1, 0), test.error).get() == second.get());
    CHECK_FALSE(test.error);
  }
}

TEST_CASE("sockets of a process that went before are used again, each by one worker")
{
  fixture test(wire::sharing::own_socket);
  for (cohort::worker_id id = 1; id != 4; ++id)
    CHECK(test.sockets->share(test.member(id, id), test.error));
  std::vector<posix::unique_fd> passed;
  test.sockets->copy_to(passed, test.error);
  REQUIRE(passed.size() == 3);
  std::set<ino_t> before, after;
  for (const auto& each : passed) before.insert(inode_of(each.get()));
  CHECK(before.size() == 3);
  posix::listen_settings settings;
  settings.reuse_port = true;
  listening_sockets next(test.context.get_executor(), std::move(passed[0]), test.sockets->bound(),
      settings, wire::sharing::own_socket, test.error);
  next.add(std::move(passed[1]), test.error);
  next.add(std::move(passed[2]), test.error);
  REQUIRE_FALSE(test.error);
  for (cohort::worker_id id = 1; id != 4; ++id)
    after.insert(inode_of(next.share(test.member(id, 0), test.error).get()));
  CHECK(after == before);
  // One more has one of its own.
  CHECK_FALSE(before.contains(inode_of(next.share(test.member(4, 0), test.error).get())));
  CHECK_FALSE(test.error);
}

TEST_CASE("sockets that are more than the workers have the primary accept from the rest")
{
  fixture test(wire::sharing::own_socket);
  CHECK(test.sockets->share(test.member(1, 0), test.error));
  CHECK(test.sockets->share(test.member(2, 1), test.error));
  std::vector<posix::unique_fd> passed;
  test.sockets->copy_to(passed, test.error);
  test.update({test.member(1, 0), test.member(2, 1)});
  test.clients.connect(test.sockets->bound(), 60);
  posix::listen_settings settings;
  settings.reuse_port = true;
  listening_sockets next(test.context.get_executor(), std::move(passed[0]), test.sockets->bound(),
      settings, wire::sharing::own_socket, test.error);
  next.add(std::move(passed[1]), test.error);
  const auto own = next.share(test.member(1, 0), test.error);
  const std::array<candidate, 1> one = {test.member(1, 0)};
  next.update(one, false, test.error);
  CHECK_FALSE(test.error);
  std::size_t by_primary = 0;
  next.accept(100, true, [&](posix::unique_fd, const posix::socket_address&) { ++by_primary; });
  CHECK(by_primary > 0);
  CHECK(by_primary + test.waiting_at(own) == 60);
}

TEST_CASE("when there are to be no more sockets, who comes later shares one, and has it in the end")
{
  fixture test(wire::sharing::own_socket);
  const auto first = test.sockets->share(test.member(1, 0), test.error);
  const auto second = test.sockets->share(test.member(2, 1), test.error);
  test.sockets->set_complete(true);
  const auto third = test.sockets->share(test.member(3, 2), test.error);
  CHECK_FALSE(test.error);
  CHECK(inode_of(third.get()) == inode_of(first.get()));
  test.update({test.member(1, 0), test.member(2, 1), test.member(3, 2)});
  test.clients.connect(test.sockets->bound(), 20);
  CHECK(test.accept() == 0);
  CHECK(test.waiting_at(third) + test.waiting_at(second) == 20);
  // Its first owner is gone: it is the third one's alone, and nobody else accepts from it.
  test.update({test.member(2, 1), test.member(3, 2)});
  test.clients.connect(test.sockets->bound(), 60);
  CHECK(test.accept() == 0);
  const std::size_t at_third = test.waiting_at(third);
  CHECK(at_third > 0);
  CHECK(at_third + test.waiting_at(second) == 60);
  test.sockets->set_complete(false);
  const auto fourth = test.sockets->share(test.member(4, 0), test.error);
  CHECK(inode_of(fourth.get()) != inode_of(first.get()));
  CHECK(inode_of(fourth.get()) != inode_of(second.get()));
}

TEST_CASE("who has left a socket that he shared is not taken for its owner")
{
  fixture test(wire::sharing::own_socket);
  const auto first = test.sockets->share(test.member(1, 0), test.error);
  test.sockets->set_complete(true);
  const auto second = test.sockets->share(test.member(2, 1), test.error);
  CHECK(inode_of(second.get()) == inode_of(first.get()));
  test.sockets->set_complete(false);
  SUBCASE("when he comes again he has the same one")
  {
    const auto again = test.sockets->share(test.member(2, 1), test.error);
    CHECK(inode_of(again.get()) == inode_of(first.get()));
  }
  SUBCASE("when he is gone the primary accepts there in the end")
  {
    test.update({test.member(1, 0)});
    const auto other = test.sockets->share(test.member(2, 1), test.error);
    CHECK(inode_of(other.get()) != inode_of(first.get()));
    // Some at each, while both are there.
    test.update({test.member(1, 0), test.member(2, 1)});
    test.clients.connect(test.sockets->bound(), 60);
    test.update({test.member(2, 1)});
    CHECK(test.accept() > 0);
  }
}

TEST_CASE("what another program has said of where clients go is said anew")
{
  fixture test(wire::sharing::own_socket);
  const auto first = test.sockets->share(test.member(1, 0), test.error);
  const auto second = test.sockets->share(test.member(2, 1), test.error);
  test.update({test.member(1, 0), test.member(2, 1)});
  std::vector<posix::unique_fd> passed;
  test.sockets->copy_to(passed, test.error);
  {
    posix::listen_settings settings;
    settings.reuse_port = true;
    listening_sockets other(test.context.get_executor(), std::move(passed[0]),
        test.sockets->bound(), settings, wire::sharing::own_socket, test.error,
        io::listener::owner::elsewhere);
    other.add(std::move(passed[1]), test.error);
    other.share(test.member(7, 0), test.error);
    const std::array<candidate, 1> one = {test.member(7, 0)};
    other.update(one, false, test.error);
  }
  REQUIRE_FALSE(test.error);
  test.clients.connect(test.sockets->bound(), 40);
  CHECK(test.waiting_at(first) == 40);
  CHECK(test.waiting_at(second) == 0);
  test.sockets->forget_weights();
  test.update({test.member(1, 0), test.member(2, 1)});
  test.clients.connect(test.sockets->bound(), 60);
  CHECK(test.waiting_at(first) > 0);
  CHECK(test.waiting_at(second) > 0);
}

TEST_CASE("sockets that are let go are closed here, and live on elsewhere")
{
  fixture test(wire::sharing::own_socket);
  test.sockets->share(test.member(1, 0), test.error);
  test.sockets->share(test.member(2, 1), test.error);
  std::vector<posix::unique_fd> copies;
  test.sockets->copy_to(copies, test.error);
  const auto bound = test.sockets->bound();
  const std::size_t before = cohort_test::count_descriptors();
  CHECK(test.sockets->held() == 0);
  test.sockets->let_go();
  CHECK_FALSE(test.sockets->is_open());
  CHECK(cohort_test::count_descriptors() == before - 2);
  test.clients.connect(bound, 20);
  CHECK(test.waiting_at(copies[0]) + test.waiting_at(copies[1]) == 20);
}

} // namespace listening_sockets_test
