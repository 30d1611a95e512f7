// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/scheduling/sticky.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"
#include "support/policy_walk.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sticky_test {

using namespace std::chrono_literals;
using cohort::candidate;
using cohort::client_key;
using cohort::connection_info;
using cohort::sticky;
using cohort::sticky_by;
using cohort::sticky_by_proxy;
using cohort::wait;
using cohort::worker_id;
using cohort_test::chi_square_per_degree;
using cohort_test::connection_of;
using cohort_test::ready_members;

namespace {

constexpr std::uint32_t clients = 20'000;

// For each client the worker that it gets while nobody has anything to do, 0 for none.
std::vector<worker_id> homes(const sticky& policy, std::span<const candidate> members)
{
  std::vector<worker_id> chosen;
  for (std::uint32_t client = 0; client != clients; ++client) {
    const std::size_t i = policy.select(members, connection_of(client));
    chosen.push_back(i == wait ? 0 : members[i].id);
  }
  return chosen;
}

std::size_t home_of(std::uint32_t client, std::span<const candidate> members)
{
  return sticky().select(members, connection_of(client));
}

std::vector<std::size_t> counts(
    const std::vector<worker_id>& chosen, std::span<const candidate> members)
{
  std::vector<std::size_t> result;
  for (const candidate& member : members)
    result.push_back(static_cast<std::size_t>(std::count(chosen.begin(), chosen.end(), member.id)));
  return result;
}

connection_info overdue(std::uint32_t client)
{
  connection_info connection = connection_of(client);
  connection.set_overdue(true);
  return connection;
}

// Everybody's connections belong together.
struct constant_key {
  std::span<const std::byte> operator()(const connection_info&) const noexcept
  {
    return std::as_bytes(std::span(text));
  }
  std::string_view text = "key";
};

struct needs_argument : constant_key {
  explicit needs_argument(int) {}
};

struct gives_number {
  std::uint64_t operator()(const connection_info&) const noexcept { return 1; }
};

static_assert(client_key<constant_key>);
static_assert(!client_key<needs_argument>);
static_assert(!client_key<gives_number>);
static_assert(!client_key<int>);

template <class Policy>
concept has_enough = requires(const Policy& policy)
{
  policy.enough({});
};

static_assert(cohort::peek_of<sticky> == 0 && !has_enough<sticky>);
static_assert(cohort::peek_of<sticky_by_proxy> == 107 && has_enough<sticky_by_proxy>);
static_assert(cohort::detail::check_hooks<sticky>());

} // namespace

TEST_CASE("in random walks sticky chooses nobody who is not ready, and everybody in the end")
{
  cohort_test::check_walks([] { return sticky(); }, false);
  // An overdue client has no reason to wait, unless all that are ready are full.
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    sticky policy;
    cohort_test::policy_walk walk(policy, seed);
    for (int step = 0; step != 2'000; ++step) {
      walk.change();
      const bool anyone = walk.is_anyone_ready();
      auto connection = walk.someone();
      connection.set_overdue(true);
      if (walk.connect(connection) == wait && anyone)
        for (const candidate& member : walk.members())
          REQUIRE((!member.ready() ||
                   member.connections + member.offers + 1 > sticky::min_load * member.weight));
    }
  }
}

TEST_CASE("the connections of a client go to the same member, whatever its port")
{
  sticky policy;
  const auto members = ready_members(7);
  for (std::uint32_t client = 0; client != 1'000; ++client) {
    const std::size_t home = home_of(client, members);
    REQUIRE(home < 7);
    const auto address = connection_of(client);
    for (std::uint16_t port = 1; port != 5; ++port)
      REQUIRE(policy.select(members, connection_info(address.peer_address(), port, {})) == home);
  }
}

TEST_CASE("all listeners and all times give a client the same member")
{
  const auto members = ready_members(5);
  std::vector<candidate> others = ready_members(5);
  std::reverse(others.begin(), others.end());
  for (std::size_t i = 0; i != 5; ++i) {
    others[i].id += 100;
    others[i].joined = 10 + i;
    others[i].generation = 3;
  }
  for (std::uint32_t client = 0; client != 1'000; ++client)
    REQUIRE(home_of(client, members) + home_of(client, others) == 4);
}

TEST_CASE("clients are spread in proportion to the weights")
{
  auto members = ready_members(10);
  CHECK(chi_square_per_degree(counts(homes(sticky(), members), members)) < 2.5);
  double sum = 0;
  for (std::size_t i = 0; i != 10; ++i)
    sum += members[i].weight = static_cast<std::uint32_t>(1 + i % 4);
  std::vector<double> expected;
  for (const candidate& member : members) expected.push_back(clients * member.weight / sum);
  CHECK(chi_square_per_degree(counts(homes(sticky(), members), members), expected) < 2.5);
  members[4].weight = 0;
  CHECK(counts(homes(sticky(), members), members)[4] == 0);
}

TEST_CASE("when a member leaves only its clients move, at most 1.2/n of all, to all others")
{
  for (const std::size_t count : {2u, 5u, 16u}) {
    CAPTURE(count);
    const auto members = ready_members(count);
    const auto before = homes(sticky(), members);
    for (std::size_t gone = 0; gone < count; gone += 3) {
      auto rest = members;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(gone));
      const auto after = homes(sticky(), rest);
      std::vector<std::size_t> moved_to(rest.size());
      std::size_t moved = 0;
      for (std::size_t i = 0; i != clients; ++i) {
        if (before[i] != members[gone].id) {
          REQUIRE(after[i] == before[i]);
          continue;
        }
        ++moved;
        for (std::size_t m = 0; m != rest.size(); ++m) moved_to[m] += after[i] == rest[m].id;
      }
      CHECK(static_cast<double>(moved) <= 1.2 * clients / static_cast<double>(count));
      if (count > 2) CHECK(chi_square_per_degree(moved_to) < 2.5);
    }
  }
}

TEST_CASE("when a member joins clients move to it only, at most 1.2/n of all")
{
  for (const std::size_t count : {2u, 5u, 16u}) {
    CAPTURE(count);
    const auto members = ready_members(count);
    const auto before = homes(sticky(), {members.data(), count - 1});
    const auto after = homes(sticky(), members);
    std::size_t moved = 0;
    for (std::size_t i = 0; i != clients; ++i) {
      if (after[i] == before[i]) continue;
      REQUIRE(after[i] == members.back().id);
      ++moved;
    }
    CHECK(static_cast<double>(moved) <= 1.2 * clients / static_cast<double>(count));
    CHECK(static_cast<double>(moved) >= 0.8 * clients / static_cast<double>(count));
  }
}

TEST_CASE("a weight that grows takes clients from others and leaves everybody else where they are")
{
  auto members = ready_members(5);
  const auto before = homes(sticky(), members);
  members[2].weight = 2;
  const auto after = homes(sticky(), members);
  for (std::size_t i = 0; i != clients; ++i)
    REQUIRE((after[i] == before[i] || after[i] == members[2].id));
}

TEST_CASE("who replaces a member in its slot has its clients")
{
  auto members = ready_members(6);
  const auto before = homes(sticky(), members);
  candidate later = members[2];
  members.erase(members.begin() + 2);
  const worker_id gone = std::exchange(later.id, 5'000);
  later.joined = 7;
  later.generation = 1;
  members.push_back(later);
  const auto after = homes(sticky(), members);
  for (std::size_t i = 0; i != clients; ++i)
    REQUIRE(after[i] == (before[i] == gone ? later.id : before[i]));
}

TEST_CASE("of two generations in one slot the later one has the clients")
{
  auto members = ready_members(4);
  const auto before = homes(sticky(), members);
  for (std::size_t i = 0; i != 4; ++i) {
    members.push_back(members[i]);
    members.back().id += 5'000;
    members.back().joined = 5 + i;
    members.back().generation = 1;
  }
  const auto after = homes(sticky(), members);
  for (std::size_t i = 0; i != clients; ++i) REQUIRE(after[i] == before[i] + 5'000);
}

TEST_CASE("a client waits for its member, and goes to the next one when it is overdue")
{
  sticky policy;
  auto members = ready_members(6);
  for (std::uint32_t client = 0; client != 500; ++client) {
    const std::size_t home = home_of(client, members);
    auto without = members;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(home));
    const worker_id next = without[home_of(client, without)].id;
    members[home].offers = members[home].window = 1;
    REQUIRE(policy.select(members, connection_of(client)) == wait);
    const std::size_t chosen = policy.select(members, overdue(client));
    REQUIRE(chosen < members.size());
    REQUIRE(members[chosen].id == next);
    // It may be that its channel has no room.
    members[home].offers = 0;
    members[home].open_to_offers = false;
    REQUIRE(policy.select(members, connection_of(client)) == wait);
    members[home].open_to_offers = true;
    REQUIRE(policy.select(members, connection_of(client)) == home);
    REQUIRE(policy.select(members, overdue(client)) == home);
  }
  for (candidate& member : members) member.window = 0;
  CHECK(policy.select(members, overdue(1)) == wait);
  CHECK(policy.select({}, connection_of(1)) == wait);
}

TEST_CASE("a member that is leaving is passed over at once")
{
  sticky policy;
  auto members = ready_members(6);
  for (std::uint32_t client = 0; client != 500; ++client) {
    const std::size_t home = home_of(client, members);
    auto without = members;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(home));
    const worker_id next = without[home_of(client, without)].id;
    members[home].leaving = true;
    members[home].open_to_offers = false;
    const std::size_t chosen = policy.select(members, connection_of(client));
    REQUIRE(chosen < members.size());
    REQUIRE(members[chosen].id == next);
    members[home] = ready_members(6)[home];
  }
  for (candidate& member : members) member.leaving = true, member.open_to_offers = false;
  CHECK(policy.select(members, connection_of(1)) == wait);
}

TEST_CASE("what a member that is leaving still has is nobody's share")
{
  auto members = ready_members(4);
  const std::size_t home = home_of(7, members);
  members[(home + 1) % 4].leaving = true;
  members[(home + 1) % 4].open_to_offers = false;
  members[(home + 1) % 4].connections = 10'000;
  members[home].connections = 40;
  CHECK(home_of(7, members) != home);
  members[home].connections = 31;
  CHECK(home_of(7, members) == home);
}

TEST_CASE("nobody gets more than its share, whatever clients there are")
{
  for (const double max_load : {1.0, 1.25, 2.0}) {
    CAPTURE(max_load);
    const auto policy = sticky().max_load(max_load);
    auto members = ready_members(8);
    members[5].weight = 3;
    // One client has nine in ten connections.
    std::mt19937 random(2);
    for (std::uint32_t total = 1; total <= 4'000; ++total) {
      const auto client = random() % 10 == 0 ? static_cast<std::uint32_t>(random()) : 7;
      const std::size_t chosen = policy.select(members, connection_of(client));
      REQUIRE(chosen < members.size());
      auto& to = total % 2 == 0 ? members[chosen].offers : members[chosen].connections;
      ++to;
      const double average = total / 10.0;
      for (const candidate& member : members)
        REQUIRE(member.connections + member.offers <=
                member.weight * std::max(32.0, max_load * average + 1));
    }
  }
}

TEST_CASE("a client's first connections stay together, up to the load that is full for nobody")
{
  auto members = ready_members(4);
  const std::size_t home = home_of(7, members);
  for (int i = 0; i != 32; ++i) {
    REQUIRE(home_of(7, members) == home);
    ++members[home].connections;
  }
  const std::size_t next = home_of(7, members);
  CHECK(next != home);
  CHECK(next < 4);
  // As soon as there is room again, it comes back.
  --members[home].connections;
  CHECK(home_of(7, members) == home);
  // Twice as much has room for twice as many.
  members[home].weight = 2;
  members[home].connections = 63;
  CHECK(home_of(7, members) == home);
  members[home].connections = 64;
  CHECK(home_of(7, members) == next);
}

TEST_CASE("an overdue client does not go to a member that is full")
{
  auto members = ready_members(3);
  const std::size_t home = home_of(1, members);
  members[home].window = 0;
  const std::size_t next = sticky().select(members, overdue(1));
  members[next].connections = 60;
  const std::size_t last = sticky().select(members, overdue(1));
  CHECK(last != next);
  CHECK(last != home);
  CHECK(last < 3);
}

TEST_CASE("a connection of an unknown client goes to the least busy member")
{
  sticky policy;
  auto members = ready_members(4);
  for (std::size_t i = 0; i != 4; ++i) members[i].connections = 10;
  members[2].connections = 8;
  CHECK(policy.select(members, connection_info()) == 2);
  members[2].offers = 3;
  members[3].weight = 2;
  CHECK(policy.select(members, connection_info()) == 3);
  members[3].window = 0;
  members[1].connections = 9;
  CHECK(policy.select(members, connection_info()) == 1);
  for (candidate& member : members) member.window = 0;
  CHECK(policy.select(members, connection_info()) == wait);
}

TEST_CASE("addresses of both families and other keys are as good")
{
  const auto members = ready_members(8);
  std::vector<std::size_t> chosen(8);
  std::array<std::byte, 16> address{};
  for (unsigned i = 0; i != 8'000; ++i) {
    address[6] = static_cast<std::byte>(i);
    address[7] = static_cast<std::byte>(i >> 8);
    ++chosen.at(sticky().select(members, connection_info(address, 1, {})));
  }
  CHECK(chi_square_per_degree(chosen) < 2.5);
  sticky_by<constant_key> policy(constant_key{"another key"});
  const std::size_t home = policy.select(members, connection_of(1));
  CHECK(policy.select(members, connection_of(2)) == home);
  CHECK(policy.select(members, connection_info()) == home);
}

TEST_CASE("behind a balancer the client that it names is the one that counts")
{
  sticky_by_proxy policy;
  const auto members = ready_members(8);
  const auto home = [&](std::uint32_t peer, std::string_view text) {
    auto connection = connection_of(peer);
    connection.set_first_bytes(std::as_bytes(std::span(text)));
    return policy.select(members, connection);
  };
  std::vector<std::size_t> chosen(8);
  for (unsigned client = 0; client != 4'000; ++client) {
    const std::string named = "PROXY TCP4 10.1." + std::to_string(client / 250) + '.' +
                              std::to_string(client % 250) + " 10.0.0.1 ";
    const std::size_t found = home(1, named + "1 80\r\n");
    ++chosen.at(found);
    REQUIRE(home(2, named + "2 80\r\nGET /") == found);
  }
  CHECK(chi_square_per_degree(chosen) < 2.5);
  // Without a name the peer counts.
  for (std::uint32_t peer = 0; peer != 100; ++peer) {
    REQUIRE(home(peer, "PROXY UNKNOWN\r\n") == home_of(peer, members));
    REQUIRE(home(peer, "GET / HTTP/1.1\r\n") == home_of(peer, members));
    REQUIRE(home(peer, "") == home_of(peer, members));
  }
}

TEST_CASE("a header is enough when it is complete")
{
  const sticky_by_proxy policy;
  const auto enough = [&](std::string_view text) {
    return policy.enough(std::as_bytes(std::span(text)));
  };
  CHECK_FALSE(enough(""));
  CHECK_FALSE(enough("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r"));
  CHECK(enough("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"));
  CHECK(enough("GET /"));
}

TEST_CASE("sticky has the settings that it is given")
{
  const sticky by_default;
  CHECK(by_default.patience() == 500ms);
  CHECK(by_default.max_load() == 1.25);
  sticky policy = sticky().patience(2s).max_load(1.5);
  CHECK(policy.patience() == 2s);
  CHECK(policy.max_load() == 1.5);
  policy.patience(3s).max_load(0.5);
  CHECK(policy.patience() == 3s);
  CHECK(policy.max_load() == 1);
}

TEST_CASE("sticky never allocates")
{
  const sticky_by_proxy policy;
  const auto members = ready_members(50);
  auto connection = overdue(3);
  const std::string_view text = "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n";
  connection.set_first_bytes(std::as_bytes(std::span(text)));
  const auto allocated = cohort_test::allocations_of([&] {
    for (int i = 0; i != 100; ++i) {
      policy.select(members, connection);
      policy.select(members, connection_info());
    }
  });
  CHECK(allocated.count == 0);
}

} // namespace sticky_test
