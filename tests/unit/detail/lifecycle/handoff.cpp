// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/handoff.hpp>

#include <doctest/doctest.h>

#include <cohort/scheduling/round_robin.hpp>
#include <cohort/scheduling/when_full.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace handoff_test {

using namespace std::chrono_literals;
using cohort::candidate;
using cohort::connection_info;
using cohort::worker_id;
using cohort::detail::wire::refuse_reason;

namespace {

using clock = connection_info::clock;

// Move-only, as a descriptor is; the count tells when one is lost or doubled.
class counted {
public:
  counted() = default;
  explicit counted(int id) : id_(new int(id)) { ++alive; }

  int id() const { return id_ ? *id_ : 0; }

  static inline int alive = 0;

private:
  struct release {
    void operator()(int* p) const
    {
      --alive;
      delete p;
    }
  };
  std::unique_ptr<int, release> id_;
};

struct sent_run {
  worker_id worker;
  std::uint64_t first;
  std::vector<int> ids;

  friend bool operator==(const sent_run&, const sent_run&) = default;
};

// A handoff with what a caller has around it.
template <class Policy = cohort::round_robin>
struct bench {
  using handoff = cohort::detail::handoff<counted, Policy>;

  explicit bench(Policy policy = Policy(), clock::duration patience = 5s)
      : machine(std::move(policy), patience)
  {
  }

  void member(worker_id worker, std::uint32_t window)
  {
    CHECK(machine.join(candidate(worker)));
    CHECK(machine.grant(worker, window));
  }

  void accept(int count, clock::time_point arrival = {})
  {
    for (; count != 0; --count) {
      const int id = ++accepted;
      machine.enqueue(counted(id), connection_info({}, static_cast<std::uint16_t>(id), arrival));
    }
  }

  std::vector<sent_run> dispatch(clock::time_point now = {})
  {
    std::vector<sent_run> runs;
    machine.dispatch(now, [&](worker_id worker, std::span<const typename handoff::offer_type> run) {
      for (const worker_id b : blocked)
        if (b == worker) return false;
      runs.push_back({worker, run.front().sequence, {}});
      for (std::size_t i = 0; i != run.size(); ++i) {
        CHECK(run[i].sequence == run.front().sequence + i);
        runs.back().ids.push_back(run[i].connection.id());
      }
      return true;
    });
    return runs;
  }

  bool taken(worker_id worker, std::uint64_t first, std::size_t count = 1, std::uint32_t leases = 0)
  {
    return machine.taken(worker, first, count, leases, [&](counted c) { out.push_back(c.id()); });
  }

  bool refused(worker_id worker, std::uint64_t first, std::size_t count = 1,
      refuse_reason reason = refuse_reason::no_room)
  {
    return machine.refused(worker, first, count, reason, [&](counted c) { out.push_back(c.id()); });
  }

  std::vector<int> queued() const
  {
    std::vector<int> ids;
    for (const auto& waiting : machine.queued()) ids.push_back(waiting.connection.id());
    return ids;
  }

  handoff machine;
  int accepted = 0;
  std::vector<worker_id> blocked;
  std::vector<int> out;
};

using runs = std::vector<sent_run>;
using ids = std::vector<int>;

// Odd ports to the first member, even ones to the second, whatever the others would do.
struct by_port {
  std::size_t select(std::span<const candidate> members, const connection_info& connection) noexcept
  {
    const std::size_t wanted = connection.peer_port() % 2 ? 0 : 1;
    return wanted < members.size() && members[wanted].ready() ? wanted : cohort::wait;
  }
};

struct recording : cohort::round_robin {
  void on_join(const candidate& member) { note("join", member); }
  void on_leave(const candidate& member) { note("leave", member); }
  void on_taken(const candidate& member) { note("taken", member); }
  void on_released(const candidate& member) { note("released", member); }
  void note(const char* what, const candidate& member)
  {
    notes.push_back(std::string(what) + ' ' + std::to_string(member.id) + ' ' +
                    std::to_string(member.connections));
  }

  std::vector<std::string> notes;
};

} // namespace

TEST_CASE("connections go to members with credit, and the room left is the accept budget")
{
  bench b;
  CHECK(b.machine.capacity() == 0);
  CHECK(b.machine.join(candidate(1)));
  CHECK(b.machine.capacity() == 0);
  CHECK(b.machine.grant(1, 2));
  b.member(2, 1);
  CHECK(b.machine.capacity() == 3);
  b.accept(2);
  CHECK(b.machine.capacity() == 1);
  b.accept(3);
  CHECK(b.machine.capacity() == 0);

  CHECK(b.dispatch() == runs{{1, 1, {1, 3}}, {2, 1, {2}}});
  CHECK(b.queued() == ids{4, 5});
  CHECK(b.dispatch().empty());
  CHECK(b.machine.open_offers(1).size() == 2);

  CHECK(b.taken(2, 1));
  CHECK(b.out == ids{2});
  CHECK(b.dispatch() == runs{{2, 2, {4}}});
  CHECK(b.machine.members()[1].connections == 1);
  CHECK(b.machine.counters().accepted == 5);
  CHECK(b.machine.counters().offered == 4);
  CHECK(b.machine.counters().taken == 1);
}

TEST_CASE("a run has at most 64 offers and a window at most 128")
{
  bench b;
  b.member(1, 100'000);
  CHECK(b.machine.capacity() == 128);
  b.accept(200);
  const runs sent = b.dispatch();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].ids.size() == 64);
  CHECK(sent[1].ids.size() == 64);
  CHECK(sent[1].first == 65);
  CHECK(b.taken(1, 30, 70));
  CHECK(b.dispatch().front().first == 129);
  CHECK(b.machine.queue_size() == 2);
}

TEST_CASE("what a full channel does not take goes to others at once, else back in order")
{
  bench b;
  b.member(1, 3);
  b.member(2, 1);
  b.blocked = {1};
  b.accept(3);
  CHECK(b.dispatch() == runs{{2, 1, {2}}});
  CHECK(b.queued() == ids{1, 3});
  CHECK(b.taken(2, 1));
  CHECK(b.dispatch() == runs{{2, 2, {1}}});
  CHECK(b.machine.capacity() == 0);
  CHECK(b.machine.counters().redispatched == 0);

  b.blocked.clear();
  CHECK(b.dispatch().empty());
  CHECK(b.machine.set_open(1, true));
  CHECK(b.dispatch() == runs{{1, 1, {3}}});
}

TEST_CASE("a channel that fills up between two runs keeps the first")
{
  bench b;
  b.member(1, 100);
  b.accept(100);
  int calls = 0;
  const auto sent = b.machine.dispatch({}, [&](worker_id, auto) { return ++calls == 1; });
  CHECK(calls == 2);
  CHECK(sent == 64);
  CHECK(b.machine.open_offers(1).size() == 64);
  CHECK(b.queued().front() == 65);
  CHECK(b.machine.set_open(1, true));
  const auto rest = b.queued();
  CHECK(b.dispatch() == runs{{1, 65, rest}});
}

TEST_CASE("for lack of room nothing is offered until the worker grants again")
{
  for (const auto reason : {refuse_reason::no_room, refuse_reason::draining}) {
    bench b;
    b.member(1, 4);
    b.accept(3);
    b.dispatch();
    CHECK(b.refused(1, 2, 2, reason));
    CHECK(b.queued() == ids{2, 3});
    CHECK(b.machine.capacity() == 0);
    CHECK(b.dispatch().empty());
    CHECK(b.machine.grant(1, 4));
    CHECK(b.dispatch() == runs{{1, 4, {2, 3}}});
    for (int i = 0; i != 10; ++i) {
      CHECK(b.refused(1, b.machine.open_offers(1)[1].sequence, 1, reason));
      CHECK(b.machine.grant(1, 4));
      b.dispatch();
    }
    CHECK(b.machine.counters().closed == 0);
    CHECK(b.machine.counters().refused == 12);
    CHECK(b.machine.counters().redispatched == 12);
  }
}

TEST_CASE("what three offers found unusable is closed")
{
  bench b;
  b.member(1, 4);
  b.accept(2);
  for (std::uint64_t i = 0; i != 3; ++i) {
    CHECK(b.out.empty());
    CHECK(b.dispatch().size() == 1);
    CHECK(b.refused(1, 1 + 2 * i, 2, refuse_reason::unusable));
  }
  CHECK(b.out == ids{1, 2});
  CHECK(b.machine.queue_size() == 0);
  CHECK(b.machine.capacity() == 4);
  CHECK(b.machine.counters().closed == 2);
  CHECK(b.machine.counters().refused == 6);
  CHECK(b.machine.counters().redispatched == 4);
}

TEST_CASE("a dead worker's offers come back in order of arrival, its connections are lost")
{
  bench b;
  b.member(1, 3);
  b.member(2, 3);
  b.accept(7);
  b.dispatch();
  CHECK(b.taken(1, 1));
  CHECK(b.machine.gone(2) == 3);
  CHECK(b.queued() == ids{2, 4, 6, 7});
  CHECK(b.machine.gone(1) == 2);
  CHECK(b.queued() == ids{2, 3, 4, 5, 6, 7});
  CHECK(b.machine.gone(1) == 0);
  CHECK(b.machine.counters().lost == 1);
  CHECK(b.machine.counters().redispatched == 5);
  CHECK(b.machine.members().empty());
  CHECK(b.machine.capacity() == 0);

  b.member(3, 10);
  CHECK(b.dispatch() == runs{{3, 4, {2, 3, 4, 5, 6, 7}}});
}

TEST_CASE("an answer to what is not open changes nothing")
{
  bench b;
  b.member(1, 4);
  b.accept(4);
  b.dispatch();
  CHECK(b.taken(1, 2));
  const std::uint64_t most = ~std::uint64_t(0);
  struct {
    std::uint64_t first;
    std::size_t count;
  } wrong[] = {{0, 1}, {2, 1}, {1, 2}, {1, 4}, {1, 3}, {3, 3}, {5, 1}, {most, 1}, {most, 2},
      {most, 3}, {3, 0}, {1, static_cast<std::size_t>(-1)}, {3, static_cast<std::size_t>(-2)}};
  for (const auto& w : wrong) {
    CHECK_FALSE(b.taken(1, w.first, w.count));
    CHECK_FALSE(b.refused(1, w.first, w.count));
    CHECK_FALSE(b.refused(1, w.first, w.count, refuse_reason::unusable));
  }
  CHECK_FALSE(b.taken(2, 1));
  CHECK_FALSE(b.refused(2, 1));
  CHECK_FALSE(b.taken(1, 1, 1, 3));
  CHECK_FALSE(b.machine.released(1, 2));
  CHECK_FALSE(b.machine.released(2, 0));
  CHECK_FALSE(b.machine.grant(2, 1));
  CHECK(b.out == ids{2});
  CHECK(b.machine.open_offers(1).size() == 3);

  CHECK(b.taken(1, 3, 2, 3));
  CHECK(b.machine.members()[0].connections == 0);
  CHECK(b.taken(1, 1));
  CHECK(b.machine.released(1, 1));
}

TEST_CASE("a retired worker answers what it has and gets nothing more")
{
  bench b;
  b.member(1, 4);
  b.accept(2);
  b.dispatch();
  CHECK(b.machine.active() == 1);
  CHECK(b.machine.retire(1));
  CHECK(b.machine.active() == 0);
  CHECK(b.machine.capacity() == 0);
  CHECK(b.machine.grant(1, 4));
  CHECK(b.machine.set_open(1, true));
  b.accept(1);
  CHECK(b.dispatch().empty());
  CHECK(b.taken(1, 1));
  CHECK(b.refused(1, 2));
  CHECK(b.queued() == ids{2, 3});

  SUBCASE("it may join again and then has to grant")
  {
    CHECK(b.machine.join(candidate(1)));
    CHECK_FALSE(b.machine.join(candidate(1)));
    CHECK(b.dispatch().empty());
    CHECK(b.machine.grant(1, 1));
    CHECK(b.dispatch() == runs{{1, 3, {2}}});
    CHECK(b.machine.members()[0].connections == 1);
  }
  SUBCASE("when nobody is left the queue is taken away, and forgotten")
  {
    CHECK(b.machine.take_queue([&](counted c) { b.out.push_back(c.id()); }) == 2);
    CHECK(b.out == ids{1, 2, 3});
    CHECK(b.machine.queue_size() == 0);
    CHECK(b.machine.counters().accepted == 1);
    b.machine.count_closed(2);
    CHECK(b.machine.counters().accepted == 3);
    CHECK(b.machine.counters().closed == 2);
  }
}

TEST_CASE("an answer to an offer of an earlier membership fits no later one")
{
  bench b;
  b.member(1, 1);
  b.accept(1);
  b.dispatch();
  CHECK(b.machine.gone(1) == 1);
  b.member(1, 1);
  b.dispatch();
  CHECK_FALSE(b.taken(1, 1));
  CHECK(b.taken(1, 2));
}

TEST_CASE("a connection that waits does not hold up the others, and not for ever")
{
  bench<by_port> b(by_port(), 5s);
  const clock::time_point start = clock::time_point() + 1h;
  b.member(1, 1);
  b.member(2, 4);
  b.accept(3, start);
  b.accept(1, start + 1s);
  CHECK_FALSE(bench<by_port>().machine.next_deadline());
  CHECK(b.dispatch(start + 1s) == runs{{1, 1, {1}}, {2, 1, {2, 4}}});
  CHECK(b.queued() == ids{3});
  CHECK(b.machine.capacity() == 1);
  CHECK(b.machine.next_deadline() == start + 5s);
  CHECK(b.dispatch(start + 5s - 1ns).empty());

  SUBCASE("its member has room again")
  {
    CHECK(b.taken(1, 1));
    CHECK(b.dispatch(start + 5s - 1ns) == runs{{1, 2, {3}}});
    CHECK_FALSE(b.machine.next_deadline());
  }
  SUBCASE("its patience ends")
  {
    CHECK(b.dispatch(start + 5s) == runs{{2, 3, {3}}});
    CHECK_FALSE(b.machine.next_deadline());
  }
  SUBCASE("its patience ends while nobody is ready")
  {
    CHECK(b.machine.set_open(2, false));
    CHECK_FALSE(b.machine.next_deadline());
    CHECK(b.dispatch(start + 1h).empty());
    CHECK(b.machine.set_open(2, true));
    CHECK(b.dispatch(start + 1h) == runs{{2, 3, {3}}});
  }
}

TEST_CASE("who has waited for room for too long has overflowed")
{
  using busy = cohort::when_full<cohort::round_robin>;
  bench<busy> b(busy(cohort::overflow::reset().after(2s).limit(3)), 5s);
  const clock::time_point start = clock::time_point() + 1h;
  const auto overflowed = [&](clock::time_point now) {
    return b.machine.overflowed(now, [&](counted c) { b.out.push_back(c.id()); });
  };
  CHECK(b.machine.capacity() == 0);
  b.member(1, 1);
  CHECK(b.machine.capacity() == 4);
  b.accept(3, start);
  b.accept(1, start + 1s);
  CHECK(b.machine.capacity() == 0);
  // As long as somebody is ready, it is the policy that lets wait.
  CHECK(overflowed(start + 2s) == 0);
  CHECK(b.machine.next_deadline() == start + 5s);
  CHECK(b.dispatch(start) == runs{{1, 1, {1}}});
  CHECK(b.machine.next_deadline() == start + 2s);
  CHECK(overflowed(start + 2s - 1ns) == 0);
  CHECK(overflowed(start + 2s) == 2);
  CHECK(b.out == ids{2, 3});
  CHECK(b.machine.next_deadline() == start + 3s);
  CHECK(b.machine.capacity() == 2);
  // What comes back has its place, and waits anew.
  CHECK(b.refused(1, 1));
  CHECK(b.queued() == ids{1, 4});
  CHECK(overflowed(start + 3s) == 0);
  CHECK(b.machine.next_deadline() == start + 5s);
  CHECK(overflowed(start + 5s) == 2);
  CHECK(b.machine.retire(1));
  CHECK(b.machine.capacity() == 0);
  CHECK(b.machine.counters().overflowed == 4);
}

TEST_CASE("without any member nobody overflows, and with the first one all wait anew")
{
  using busy = cohort::when_full<cohort::round_robin>;
  bench<busy> b(busy(cohort::overflow::reset().after(2s)), 5s);
  const clock::time_point start = clock::time_point() + 1h;
  const auto overflowed = [&](clock::time_point now) {
    return b.machine.overflowed(now, [&](counted c) { b.out.push_back(c.id()); });
  };
  b.member(1, 1);
  b.accept(2, start);
  CHECK(b.dispatch(start).size() == 1);
  b.machine.gone(1);
  CHECK(overflowed(start + 1h) == 0);
  CHECK_FALSE(b.machine.next_deadline());
  b.member(2, 0);
  CHECK(overflowed(start + 1h) == 0);
  CHECK(b.machine.next_deadline() == start + 1h + 2s);
  CHECK(overflowed(start + 1h + 2s) == 2);
}

TEST_CASE("without any member something else becomes of who has waited too long, if it is said")
{
  using busy = cohort::when_full<cohort::round_robin>;
  bench<busy> b(busy(cohort::overflow::reset().after(1h)), 5s);
  const clock::time_point start = clock::time_point() + 1h;
  const auto overflowed = [&](clock::time_point now) {
    return b.machine.overflowed(now, [&](counted c) { b.out.push_back(c.id()); });
  };
  CHECK_FALSE(b.machine.is_served());
  CHECK(b.machine.capacity() == 0);
  b.machine.set_unserved(cohort::overflow::refuse("gone").after(2s).limit(3));
  CHECK(b.machine.capacity() == 3);
  b.accept(2, start);
  CHECK(b.machine.capacity() == 1);
  CHECK(b.machine.next_deadline() == start + 2s);
  CHECK(overflowed(start + 2s - 1ns) == 0);
  CHECK(overflowed(start + 2s) == 2);
  CHECK(b.machine.counters().unserved == 2);
  CHECK(b.machine.counters().overflowed == 0);
  // Who waits when a member comes is its own.
  b.accept(2, start + 3s);
  b.member(1, 1);
  CHECK(b.machine.is_served());
  CHECK(b.dispatch(start + 4s) == runs{{1, 1, {3}}});
  CHECK(overflowed(start + 5s) == 0);
  // And when it goes, what it was offered waits anew, and the others since they came.
  CHECK(b.machine.retire(1));
  CHECK(overflowed(start + 5s) == 0);
  CHECK(b.machine.next_deadline() == start + 7s);
  b.machine.gone(1);
  CHECK(b.queued() == ids{3, 4});
  CHECK(overflowed(start + 8s) == 0);
  CHECK(overflowed(start + 10s) == 2);
  b.machine.set_unserved(cohort::overflow::queue());
  CHECK(b.machine.capacity() == 0);
  b.accept(1, start);
  CHECK(overflowed(start + 100h) == 0);
  CHECK_FALSE(b.machine.next_deadline());
  CHECK(b.machine.counters().unserved == 4);
}

TEST_CASE("without a word about overflow everybody waits")
{
  bench b;
  b.member(1, 0);
  b.accept(1);
  CHECK(b.machine.overflowed(clock::time_point::max(), [](counted) {}) == 0);
  CHECK_FALSE(b.machine.next_deadline());
}

TEST_CASE("the policy hears who joins, takes, releases and leaves")
{
  bench<recording> b;
  b.member(1, 2);
  b.member(2, 2);
  b.accept(3);
  b.dispatch();
  CHECK(b.taken(1, 1, 2));
  CHECK(b.taken(2, 1, 1, 1));
  CHECK(b.machine.retire(1));
  CHECK(b.machine.join(candidate(1)));
  CHECK(b.machine.released(1, 1));
  b.machine.gone(1);
  CHECK(b.machine.policy().notes == std::vector<std::string>{"join 1 0", "join 2 0", "taken 1 1",
                                        "taken 1 2", "taken 2 1", "released 2 0", "released 1 1",
                                        "leave 1 1"});
}

TEST_CASE("nothing is lost or doubled over many rounds")
{
  REQUIRE(counted::alive == 0);
  {
    bench b;
    for (worker_id w = 1; w != 5; ++w) b.member(w, 8);
    for (int round = 0; round != 200; ++round) {
      b.accept(static_cast<int>(b.machine.capacity()));
      b.dispatch();
      const worker_id w = 1 + static_cast<worker_id>(round) % 4;
      const auto open = b.machine.open_offers(w);
      if (round % 3 == 0) CHECK(b.refused(w, open.front().sequence, open.size()));
      else CHECK(b.taken(w, open.front().sequence, 3, 3));
      CHECK(b.machine.grant(w, 8));
      CHECK(counted::alive == b.accepted - static_cast<int>(b.out.size()));
    }
    for (worker_id w = 1; w != 5; ++w) b.machine.gone(w);
    CHECK(b.machine.queue_size() == static_cast<std::size_t>(counted::alive));
    for (std::size_t i = 1; i != b.queued().size(); ++i) CHECK(b.queued()[i - 1] < b.queued()[i]);
  }
  CHECK(counted::alive == 0);
}

} // namespace handoff_test
