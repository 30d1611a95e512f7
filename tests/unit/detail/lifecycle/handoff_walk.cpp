// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Walks all orders of events through the hand-off, breadth first, and compares every state with a
// model that knows only where each connection has to be. The same walk over machines that are
// broken on purpose has to object.

#include <cohort/detail/lifecycle/handoff.hpp>

#include <doctest/doctest.h>

#include <cohort/scheduling/round_robin.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

namespace handoff_walk_test {

using namespace std::chrono_literals;
using cohort::candidate;
using cohort::connection_counters;
using cohort::connection_info;
using cohort::worker_id;
using cohort::detail::wire::refuse_reason;

namespace {

using clock = connection_info::clock;

// Can be copied, because the walk copies whole machines; empty once it has been moved from.
class token {
public:
  token() = default;
  explicit token(int id) : id_(id) {}
  token(const token&) = default;
  token& operator=(const token&) = default;
  token(token&& other) noexcept : id_(std::exchange(other.id_, 0)) {}
  token& operator=(token&& other) noexcept
  {
    id_ = std::exchange(other.id_, 0);
    return *this;
  }

  int id() const { return id_; }

private:
  int id_ = 0;
};

// A connection belongs to the member with its number; others get it when it has waited too long.
struct sticky {
  std::size_t select(std::span<const candidate> members, const connection_info& connection) noexcept
  {
    for (std::size_t i = 0; i != members.size(); ++i)
      if (members[i].id == 1u + connection.peer_port() % 2 && members[i].ready()) return i;
    return cohort::wait;
  }
};

constexpr clock::time_point early = clock::time_point() + 1s;
constexpr clock::time_point late = clock::time_point() + 1h;

struct objection : std::runtime_error {
  using runtime_error::runtime_error;
};

void require(bool condition, const char* what)
{
  if (!condition) throw objection(what);
}

enum class place { queued, offered, taken, ended, closed, lost };

struct known_connection {
  place where = place::queued;
  worker_id worker = 0;
  std::uint64_t sequence = 0;
  unsigned tries = 0;
};

struct known_worker {
  bool member = false;
  bool retired = false;
  bool open = true;
  std::uint32_t window = 0;
  std::uint64_t next_sequence = 1;
};

enum class send_mode { all, none, not_to_first };

// A machine together with what must be true of it.
template <class Machine>
class world {
public:
  using policy = std::remove_cvref_t<decltype(std::declval<Machine&>().policy())>;

  static constexpr bool never_waits = std::is_same_v<policy, cohort::round_robin>;

  explicit world(worker_id workers) : machine_(policy(), 5s), workers_(workers + 1) {}

  worker_id workers() const { return static_cast<worker_id>(workers_.size()) - 1; }
  std::size_t accepted() const { return connections_.size(); }
  const known_worker& worker(worker_id w) const { return workers_[w]; }
  std::vector<std::uint64_t> open(worker_id w) const;
  std::uint32_t owned(worker_id w) const { return count(place::taken, w); }

  void accept();
  void join(worker_id w);
  void grant(worker_id w, std::uint32_t window);
  void set_open(worker_id w, bool open);
  void retire(worker_id w);
  void gone(worker_id w);
  void dispatch(clock::time_point now, send_mode mode);
  void taken(worker_id w, std::uint64_t first, std::size_t count, std::uint32_t leases);
  void refused(worker_id w, std::uint64_t first, std::size_t count, refuse_reason reason);
  void released(worker_id w);
  void close_queue();

  // What must hold after every event; none of it changes the world.
  void check() const;
  // Bogus answers must change nothing.
  void check_bogus();
  // Everything ends with a healthy worker.
  void check_liveness();
  std::string key() const;

private:
  std::uint32_t count(place where, worker_id w = 0) const;
  std::size_t room(worker_id w) const;
  void back_to_queue(worker_id w, std::uint64_t first, std::size_t count);
  known_connection* find(const token& t)
  {
    const auto index = static_cast<std::size_t>(t.id()) - 1;
    return index < connections_.size() ? &connections_[index] : nullptr;
  }
  known_connection& offered(worker_id w, std::uint64_t sequence);
  // For what the machine calls: exceptions must not pass through it.
  bool note(bool condition, const char* what);
  void require_nothing_noted() const { require(!noted_, noted_ ? noted_ : ""); }

  Machine machine_;
  std::vector<known_worker> workers_;
  // In order of arrival, at index id - 1.
  std::vector<known_connection> connections_;
  std::uint64_t sent_ = 0;
  const char* noted_ = nullptr;
};

template <class Machine>
bool world<Machine>::note(bool condition, const char* what)
{
  if (!condition && !noted_) noted_ = what;
  return condition;
}

template <class Machine>
std::vector<std::uint64_t> world<Machine>::open(worker_id w) const
{
  std::vector<std::uint64_t> sequences;
  for (const known_connection& c : connections_)
    if (c.where == place::offered && c.worker == w) sequences.push_back(c.sequence);
  std::sort(sequences.begin(), sequences.end());
  return sequences;
}

template <class Machine>
std::uint32_t world<Machine>::count(place where, worker_id w) const
{
  return static_cast<std::uint32_t>(std::count_if(connections_.begin(), connections_.end(),
      [&](const known_connection& c) { return c.where == where && (w == 0 || c.worker == w); }));
}

template <class Machine>
std::size_t world<Machine>::room(worker_id w) const
{
  const known_worker& k = workers_[w];
  const std::uint32_t open = count(place::offered, w);
  return k.member && !k.retired && k.open && open < k.window ? k.window - open : 0;
}

template <class Machine>
known_connection& world<Machine>::offered(worker_id w, std::uint64_t sequence)
{
  for (known_connection& c : connections_)
    if (c.where == place::offered && c.worker == w && c.sequence == sequence) return c;
  throw std::logic_error("the walk answered what it was not offered");
}

template <class Machine>
void world<Machine>::accept()
{
  const int id = static_cast<int>(connections_.size()) + 1;
  connections_.emplace_back();
  machine_.enqueue(token(id), connection_info({}, static_cast<std::uint16_t>(id), {}));
}

template <class Machine>
void world<Machine>::join(worker_id w)
{
  known_worker& k = workers_[w];
  require(machine_.join(candidate(w)) == (!k.member || k.retired), "join");
  if (!k.member) k.open = true;
  if (!k.member || k.retired) k.window = 0;
  k.member = true;
  k.retired = false;
}

template <class Machine>
void world<Machine>::grant(worker_id w, std::uint32_t window)
{
  require(machine_.grant(w, window) == workers_[w].member, "grant");
  if (workers_[w].member) workers_[w].window = window;
}

template <class Machine>
void world<Machine>::set_open(worker_id w, bool open)
{
  require(machine_.set_open(w, open) == workers_[w].member, "set_open");
  workers_[w].open = open;
}

template <class Machine>
void world<Machine>::retire(worker_id w)
{
  require(machine_.retire(w) == workers_[w].member, "retire");
  workers_[w].retired = true;
}

template <class Machine>
void world<Machine>::gone(worker_id w)
{
  require(machine_.gone(w) == count(place::offered, w), "offers of the dead");
  workers_[w].member = false;
  for (known_connection& c : connections_) {
    if (c.worker == w && c.where == place::offered) c.where = place::queued;
    if (c.worker == w && c.where == place::taken) c.where = place::lost;
  }
}

template <class Machine>
void world<Machine>::dispatch(clock::time_point now, send_mode mode)
{
  worker_id first = 0;
  std::size_t sent = 0;
  const auto result = machine_.dispatch(now, [&](worker_id w, auto run) {
    note(!run.empty() && run.size() <= Machine::max_run, "size of a run");
    if (!note(w < workers_.size() && room(w) >= run.size(), "offered beyond a member's room"))
      return false;
    if (first == 0) first = w;
    if (mode == send_mode::none || (mode == send_mode::not_to_first && w == first)) {
      workers_[w].open = false;
      return false;
    }
    for (const auto& o : run) {
      known_connection* c = find(o.connection);
      const bool queued = c && c->where == place::queued;
      if (!note(queued, "offered what is not queued")) return false;
      note(o.sequence >= workers_[w].next_sequence, "a sequence was used twice");
      note(o.sequence == run.front().sequence + static_cast<std::size_t>(&o - run.data()),
          "a run is not consecutive");
      workers_[w].next_sequence = o.sequence + 1;
      *c = {place::offered, w, o.sequence, c->tries};
      ++sent;
    }
    return true;
  });
  require_nothing_noted();
  require(result == sent, "number of offers sent");
  sent_ += sent;

  std::size_t rooms = 0;
  for (worker_id w = 1; w != workers_.size(); ++w) rooms += room(w);
  const auto deadline = machine_.next_deadline();
  if (now == late || never_waits)
    require(rooms == 0 || count(place::queued) == 0, "left in the queue though a member is ready");
  require(!deadline || *deadline > now, "a deadline in the past");
  require(deadline.has_value() == (rooms != 0 && count(place::queued) != 0), "deadline");
}

template <class Machine>
void world<Machine>::taken(
    worker_id w, std::uint64_t first, std::size_t count, std::uint32_t leases)
{
  std::size_t n = 0;
  const bool accepted = machine_.taken(w, first, count, leases, [&](token t) {
    known_connection* c = find(t);
    const bool right =
        c && c->where == place::offered && c->worker == w && c->sequence == first + n++;
    if (note(right, "another connection than the one that was taken")) c->where = place::taken;
  });
  require_nothing_noted();
  require(accepted && n == count, "taken");
  for (known_connection& c : connections_)
    if (leases != 0 && c.worker == w && c.where == place::taken) c.where = place::ended, --leases;
}

template <class Machine>
void world<Machine>::refused(
    worker_id w, std::uint64_t first, std::size_t count, refuse_reason reason)
{
  std::set<int> closed;
  for (std::size_t n = 0; n != count; ++n) {
    known_connection& c = offered(w, first + n);
    c.where = place::queued;
    if (reason == refuse_reason::unusable && ++c.tries == Machine::max_tries)
      c.where = place::closed;
  }
  if (reason != refuse_reason::unusable) workers_[w].window = 0;
  const bool accepted = machine_.refused(w, first, count, reason, [&](token t) {
    known_connection* c = find(t);
    note(c && c->where == place::closed && closed.insert(t.id()).second,
        "closed what can still be served");
  });
  require_nothing_noted();
  require(accepted, "refused");
}

template <class Machine>
void world<Machine>::released(worker_id w)
{
  require(machine_.released(w, 1), "released");
  for (known_connection& c : connections_)
    if (c.worker == w && c.where == place::taken) {
      c.where = place::ended;
      return;
    }
}

template <class Machine>
void world<Machine>::close_queue()
{
  const std::size_t size = count(place::queued);
  int last = 0;
  const auto closed = machine_.take_queue([&](token t) {
    known_connection* c = find(t);
    const bool queued = c && c->where == place::queued;
    if (note(queued && t.id() > last, "closing the queue")) c->where = place::closed;
    last = t.id();
  });
  machine_.count_closed(closed);
  require_nothing_noted();
  require(closed == size, "closing the queue");
}

template <class Machine>
void world<Machine>::check() const
{
  auto queued = machine_.queued();
  require(machine_.queue_size() == queued.size(), "size of the queue");
  std::size_t in_order = 0;
  int id = 0;
  for (const known_connection& c : connections_)
    if (++id, c.where == place::queued) {
      require(in_order < queued.size(), "a queued connection has vanished");
      require(queued[in_order].connection.id() == id, "the queue is not in order of arrival");
      require(queued[in_order].tries == c.tries, "failed tries");
      ++in_order;
    }
  require(in_order == queued.size(), "more in the queue than belongs there");

  std::size_t rooms = 0, members = 0, active = 0;
  for (worker_id w = 1; w != workers_.size(); ++w) {
    const known_worker& k = workers_[w];
    require(machine_.is_member(w) == k.member, "membership");
    const auto offers = machine_.open_offers(w);
    require(offers.size() == count(place::offered, w), "number of open offers");
    for (const auto& o : offers) {
      const auto index = static_cast<std::size_t>(o.connection.id()) - 1;
      require(index < connections_.size() && connections_[index].where == place::offered &&
                  connections_[index].worker == w && connections_[index].sequence == o.sequence,
          "an offer that is somewhere else");
    }
    if (!k.member) continue;
    const auto all = machine_.members();
    const auto m = std::find_if(all.begin(), all.end(), [&](auto& c) { return c.id == w; });
    require(m->offers == offers.size() && m->connections == count(place::taken, w) &&
                m->window == k.window && m->ready() == (room(w) != 0),
        "what the policy sees of a member");
    rooms += room(w);
    ++members;
    active += !k.retired;
  }
  require(machine_.members().size() == members, "number of members");
  require(machine_.active() == active, "number of active members");
  require(machine_.capacity() == (rooms > in_order ? rooms - in_order : 0), "capacity");

  const connection_counters& c = machine_.counters();
  const std::uint64_t taken = count(place::taken) + count(place::ended) + count(place::lost);
  require(c.accepted == connections_.size() && c.taken == taken && c.offered == sent_ &&
              c.closed == count(place::closed) && c.lost == count(place::lost) &&
              c.accepted == in_order + count(place::offered) + c.taken + c.closed,
      "counters");
}

template <class Machine>
void world<Machine>::check_bogus()
{
  const auto ignore = [&](token) { note(false, "a bogus answer passed a connection out"); };
  for (worker_id w = 1; w != workers_.size(); ++w) {
    const auto sequences = open(w);
    const std::uint64_t next = workers_[w].next_sequence;
    const std::uint64_t first = sequences.empty() ? next : sequences.front();
    const std::pair<std::uint64_t, std::size_t> answers[] = {{0, 1}, {first - 1, 1}, {first - 1, 2},
        {next, 1}, {first, next - first + 1}, {first, 0}, {first, 1'000'000},
        {~std::uint64_t(0), 2}};
    for (const auto& [from, count] : answers) {
      require(!machine_.taken(w, from, count, 0, ignore), "a bogus answer was believed");
      for (const auto reason : {refuse_reason::no_room, refuse_reason::unusable})
        require(!machine_.refused(w, from, count, reason, ignore), "a bogus answer was believed");
    }
    const std::uint32_t leases = owned(w) + 1;
    require(!machine_.released(w, leases), "released more than was taken");
    if (!sequences.empty())
      require(!machine_.taken(w, first, 1, leases + 1, ignore), "released more than was taken");
  }
  require_nothing_noted();
  check();
}

template <class Machine>
void world<Machine>::check_liveness()
{
  const worker_id healthy = static_cast<worker_id>(workers_.size());
  workers_.emplace_back();
  join(healthy);
  for (worker_id w = 1; w != healthy; ++w) gone(w);
  check();
  for (std::size_t n = 0; n != connections_.size() && count(place::queued) != 0; ++n) {
    grant(healthy, 1);
    dispatch(late, send_mode::all);
    for (const std::uint64_t sequence : open(healthy)) taken(healthy, sequence, 1, 1);
    check();
  }
  require(count(place::queued) == 0, "a connection waits for ever");
}

// Equal for worlds that behave alike from here on.
template <class Machine>
std::string world<Machine>::key() const
{
  std::string k;
  const auto add = [&](auto value) { k += static_cast<char>(value); };
  std::vector<candidate> members(machine_.members().begin(), machine_.members().end());
  std::vector<std::size_t> names(workers_.size());
  for (candidate& m : members) {
    const known_worker& known = workers_[m.id];
    // Round robin knows members by their place only.
    names[m.id] = never_waits ? static_cast<std::size_t>(&m - members.data()) : m.id;
    add(names[m.id]);
    add(known.retired + 2 * known.open + 4 * known.window);
    const auto sequences = open(m.id);
    add(sequences.empty() || sequences.back() + 1 == known.next_sequence);
    for (const auto& o : machine_.open_offers(m.id)) add(o.sequence - sequences.front());
    m.window = 1, m.offers = 0, m.open_to_offers = true;
  }
  add(connections_.size());
  for (const known_connection& c : connections_) {
    if (c.where != place::queued && c.where != place::offered && c.where != place::taken) continue;
    if (!never_waits) add(&c - connections_.data());
    add(c.where);
    if (c.where != place::queued) add(names[c.worker]);
    if (c.where != place::taken) add(c.tries);
  }
  // Whose turn the policy thinks it is.
  policy asked = machine_.policy();
  add(asked.select(members, connection_info()));
  return k;
}

struct walked {
  std::size_t states = 0;
  std::size_t depth = 0;
  std::string objection;
};

struct limits {
  worker_id workers;
  std::size_t connections;
  std::size_t depth;
  std::uint32_t joined_with = 0;
};

// Calls `visit` with each event that is possible in a world.
template <class World>
void for_each_event(const World& now, const limits& limit, auto&& visit)
{
  if (now.accepted() != limit.connections) visit([](World& w) { w.accept(); });
  for (const auto mode : {send_mode::all, send_mode::not_to_first, send_mode::none})
    visit([=](World& w) { w.dispatch(early, mode); });
  if (!World::never_waits) visit([](World& w) { w.dispatch(late, send_mode::all); });
  visit([](World& w) { w.close_queue(); });

  for (worker_id id = 1; id <= limit.workers; ++id) {
    const auto& known = now.worker(id);
    if (!known.member || known.retired) visit([=](World& w) { w.join(id); });
    if (!known.member) continue;
    for (const std::uint32_t window : {0u, 1u, 2u})
      if (known.window != window) visit([=](World& w) { w.grant(id, window); });
    visit([=, open = !known.open](World& w) { w.set_open(id, open); });
    if (!known.retired) visit([=](World& w) { w.retire(id); });
    visit([=](World& w) { w.gone(id); });
    if (now.owned(id) != 0) visit([=](World& w) { w.released(id); });

    const auto open = now.open(id);
    if (open.empty()) continue;
    std::set<std::pair<std::uint64_t, std::size_t>> ranges = {{open.front(), 1}, {open.back(), 1}};
    if (open.back() - open.front() + 1 == open.size()) ranges.insert({open.front(), open.size()});
    for (const auto& [first, count] : ranges) {
      const bool some = count != open.size();
      visit([=, f = first, n = count](World& w) { w.taken(id, f, n, some ? 0 : 1); });
      for (const auto reason :
          {some ? refuse_reason::draining : refuse_reason::no_room, refuse_reason::unusable})
        visit([=, f = first, n = count](World& w) { w.refused(id, f, n, reason); });
    }
  }
}

template <class Machine>
walked walk(const limits& limit)
{
  using world_type = world<Machine>;
  walked result;
  try {
    world_type start(limit.workers);
    for (worker_id w = 1; limit.joined_with != 0 && w <= limit.workers; ++w) {
      start.join(w);
      start.grant(w, limit.joined_with);
    }
    std::unordered_set<std::size_t> seen = {std::hash<std::string>()(start.key())};
    std::vector<world_type> level = {start};
    for (; result.depth != limit.depth && !level.empty(); ++result.depth) {
      std::vector<world_type> next;
      for (const world_type& now : level)
        for_each_event(now, limit, [&](auto event) {
          world_type then = now;
          event(then);
          then.check();
          if (!seen.insert(std::hash<std::string>()(then.key())).second) return;
          then.check_bogus();
          world_type last = then;
          last.check_liveness();
          next.push_back(std::move(then));
        });
      level = std::move(next);
    }
    result.states = seen.size();
  } catch (const objection& o) {
    result.objection = o.what();
  }
  return result;
}

template <class Policy>
using machine = cohort::detail::handoff<token, Policy>;
using round_robin_machine = machine<cohort::round_robin>;

// Machines that are broken in one place each.

struct drops_what_is_refused : round_robin_machine {
  using round_robin_machine::round_robin_machine;
  bool refused(worker_id w, std::uint64_t first, std::size_t count, refuse_reason, auto&& close)
  {
    return taken(w, first, count, 0, close);
  }
};

// Puts connections into the queue behind the machine's back.
struct tampering : round_robin_machine {
  using round_robin_machine::round_robin_machine;

  connection_counters counters() const
  {
    connection_counters c = round_robin_machine::counters();
    c.accepted += removed_;
    c.accepted -= inserted_;
    return c;
  }

  std::vector<token> remove_all()
  {
    std::vector<token> all;
    removed_ += take_queue([&](token t) { all.push_back(t); });
    return all;
  }

  void insert(const token& t)
  {
    ++inserted_;
    enqueue(t, connection_info());
  }

private:
  std::uint64_t inserted_ = 0;
  std::uint64_t removed_ = 0;
};

struct requeues_at_the_tail : tampering {
  using tampering::tampering;
  bool refused(worker_id w, std::uint64_t first, std::size_t count, refuse_reason r, auto&& close)
  {
    // What was tried before would show that it is not the same entry.
    const auto tried = [](const auto& o) { return o.tries != 0; };
    if (r == refuse_reason::unusable || std::ranges::any_of(queued(), tried) ||
        std::ranges::any_of(open_offers(w), tried))
      return tampering::refused(w, first, count, r, close);
    const auto before = remove_all();
    const bool accepted = tampering::refused(w, first, count, r, close);
    const auto returned = remove_all();
    for (const token& t : before) insert(t);
    for (const token& t : returned) insert(t);
    return accepted;
  }
};

struct doubles_what_is_refused : tampering {
  using tampering::tampering;
  bool refused(worker_id w, std::uint64_t first, std::size_t count, refuse_reason r, auto&& close)
  {
    const bool accepted = tampering::refused(w, first, count, r, close);
    if (accepted && queue_size() != 0) insert(queued().front().connection);
    return accepted;
  }
};

struct forgets_the_offers_of_the_dead : round_robin_machine {
  using round_robin_machine::round_robin_machine;
  std::size_t gone(worker_id w)
  {
    const std::size_t count = open_offers(w).size();
    while (!open_offers(w).empty()) taken(w, open_offers(w).front().sequence, 1, 0, [](token) {});
    round_robin_machine::gone(w);
    return count;
  }
};

struct takes_back_from_the_living : round_robin_machine {
  using round_robin_machine::round_robin_machine;
  bool retire(worker_id w)
  {
    const bool was_member = round_robin_machine::retire(w);
    const std::vector<candidate> all(members().begin(), members().end());
    round_robin_machine::gone(w);
    for (const candidate& m : all) {
      if (m.id == w && join(candidate(w))) grant(w, m.window);
      if (m.id == w) round_robin_machine::retire(w);
    }
    return was_member;
  }
};

struct ignores_windows : round_robin_machine {
  using round_robin_machine::round_robin_machine;
  std::size_t dispatch(clock::time_point now, auto&& send)
  {
    const std::vector<candidate> all(members().begin(), members().end());
    for (const candidate& m : all) grant(m.id, m.window + 1);
    const std::size_t sent = round_robin_machine::dispatch(now, send);
    for (const candidate& m : all) grant(m.id, m.window);
    return sent;
  }
};

struct does_not_look_whether_it_was_sent : round_robin_machine {
  using round_robin_machine::round_robin_machine;
  std::size_t dispatch(clock::time_point now, auto&& send)
  {
    return round_robin_machine::dispatch(now, [&](worker_id w, auto run) {
      send(w, run);
      return true;
    });
  }
};

struct does_not_dispatch_after_a_death : round_robin_machine {
  using round_robin_machine::round_robin_machine;
  std::size_t gone(worker_id w)
  {
    died = true;
    return round_robin_machine::gone(w);
  }
  std::size_t dispatch(clock::time_point now, auto&& send)
  {
    return died ? 0 : round_robin_machine::dispatch(now, send);
  }
  bool died = false;
};

struct believes_anything : round_robin_machine {
  using round_robin_machine::round_robin_machine;
  bool taken(worker_id w, std::uint64_t first, std::size_t count, std::uint32_t n, auto&& close)
  {
    round_robin_machine::taken(w, first, count, n, close);
    return true;
  }
};

struct lets_the_dead_be_members : round_robin_machine {
  using round_robin_machine::round_robin_machine;
  std::size_t gone(worker_id w)
  {
    const std::size_t count = round_robin_machine::gone(w);
    join(candidate(w));
    return count;
  }
};

#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer);
#else
constexpr bool sanitized = false;
#endif

} // namespace

TEST_CASE("the hand-off keeps its promises in every order of events")
{
  std::vector<limits> all = {{2, 2, 10}, {3, 3, 4, 1}};
  if (!sanitized) all.insert(all.end(), {{3, 2, 6, 1}, {2, 3, 6, 2}});
  for (const limits& limit : all) {
    const walked by_turns = walk<round_robin_machine>(limit);
    CHECK(by_turns.objection == "");
    CHECK(by_turns.depth == limit.depth);
    const walked by_number = walk<machine<sticky>>(limit);
    CHECK(by_number.objection == "");
    CHECK(by_number.depth == limit.depth);
  }
}

TEST_CASE("the walk objects to machines that are broken")
{
  const limits limit = {2, 2, 8, 2};
  CHECK(walk<drops_what_is_refused>(limit).objection == "closed what can still be served");
  CHECK(walk<requeues_at_the_tail>(limit).objection == "the queue is not in order of arrival");
  CHECK(walk<doubles_what_is_refused>(limit).objection == "more in the queue than belongs there");
  CHECK(
      walk<forgets_the_offers_of_the_dead>(limit).objection == "a queued connection has vanished");
  CHECK(
      walk<takes_back_from_the_living>(limit).objection == "more in the queue than belongs there");
  CHECK(walk<ignores_windows>(limit).objection == "offered beyond a member's room");
  CHECK(walk<does_not_look_whether_it_was_sent>(limit).objection == "number of offers sent");
  CHECK(walk<does_not_dispatch_after_a_death>(limit).objection ==
        "left in the queue though a member is ready");
  CHECK(walk<believes_anything>(limit).objection == "a bogus answer was believed");
  CHECK(walk<lets_the_dead_be_members>(limit).objection == "membership");
}

} // namespace handoff_walk_test
