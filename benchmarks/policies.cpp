// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Scheduling policies beside one another, in real clusters: how evenly they spread connections,
// what clients wait for when few requests take very long, and what they cost. See README.md.
//
//     policies [--data FILE] [spread] [tail] [rate]    measures all, or what is named
//     policies serve ARGUMENT...                       is one of the servers

#include "support/load_client.hpp"
#include "support/policy_server.hpp"
#include "support/request_player.hpp"
#include "support/server_process.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace cohort_benchmark;
using namespace std::chrono_literals;

constexpr std::array policies{"round_robin", "weighted", "least_connections", "power_of_two",
    "random", "sticky", "shared", "reuse_port"};

// What was measured. Each figure has a line of its own in the file for --data.
class figures {
public:
  void add(
      std::string scenario, std::string policy, std::string metric, std::string unit, double value)
  {
    all_.push_back(
        {std::move(scenario), std::move(policy), std::move(metric), std::move(unit), value});
  }

  double get(std::string_view scenario, std::string_view policy, std::string_view metric) const
  {
    for (const figure& each : all_)
      if (each.scenario == scenario && each.policy == policy && each.metric == metric)
        return each.value;
    fail("nothing measured of " + std::string(metric));
  }

  void save(const std::string& path) const
  {
    std::ofstream file(path);
    file << "scenario,policy,metric,unit,value\n";
    for (const figure& each : all_)
      file << each.scenario << ',' << each.policy << ',' << each.metric << ',' << each.unit << ','
           << each.value << '\n';
    file.close();
    if (!file) fail("cannot write " + path);
  }

private:
  struct figure {
    std::string scenario, policy, metric, unit;
    double value;
  };
  std::vector<figure> all_;
};

struct column {
  const char* metric;
  const char* heading;
};

void print_table(const figures& all, const std::string& scenario, std::span<const char* const> rows,
    std::span<const column> columns)
{
  std::printf("\n%s\n%-28s", scenario.c_str(), "");
  for (const column& each : columns) std::printf("%15s", each.heading);
  for (const char* const policy : rows) {
    std::printf("\n%-28s", policy);
    for (const column& each : columns)
      std::printf("%15.1f", all.get(scenario, policy, each.metric));
  }
  std::printf("\n");
}

double percentile(std::vector<double> values, double part)
{
  const auto index = std::size_t(std::ceil(part * double(values.size()))) - 1;
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(index), values.end());
  return values[index];
}

double median(std::vector<double> values) { return percentile(std::move(values), 0.5); }

// What a server is started with.
struct server_kind {
  std::string policy;
  unsigned workers;
  weights shares = weights::equal;
  // A number, "adaptive", or nothing for the usual one.
  std::string credit = "";
};

server_process start(const server_kind& kind)
{
  return server_process({"/proc/self/exe", "serve", kind.policy, std::to_string(kind.workers),
      kind.shares == weights::equal ? "equal" : "weights", kind.credit});
}

// How many of 2,000 connections each of eight workers gets, in percent of its fair share.
namespace spread {

constexpr unsigned workers = 8;
constexpr std::size_t connections = 2000;
constexpr std::uint16_t clients = 1000;

struct scenario {
  const char* name;
  std::size_t at_once;
  std::chrono::microseconds busy;
};
constexpr std::array scenarios{
    // One after the other.
    scenario{"spread idle", 1, 0us},
    // Each keeps its worker from its other clients for a moment.
    scenario{"spread loaded", 64, 1000us},
};

// What each worker answered, in percent of what its weight promises it.
std::array<double, workers> ask(const scenario& what, const std::string& policy)
{
  const weights how = policy == "weighted" ? weights::one_and_two : weights::equal;
  const server_process server = start({policy, workers, how});
  std::vector<planned_request> requests(connections);
  for (std::size_t i = 0; i != connections; ++i) {
    requests[i].busy = what.busy;
    requests[i].client = std::uint16_t(i % clients);
  }
  double weights_sum = 0;
  for (unsigned i = 0; i != workers; ++i) weights_sum += weight_of(i + 1, how);
  request_player player(server.port(), what.at_once);
  player.play(requests); // until then some workers are ready before others
  std::array<double, workers> shares{};
  for (const answered_request& each : player.play(requests)) {
    if (each.worker < 1 || each.worker > workers) fail("an answer of an unknown worker");
    const double fair = double(connections) * weight_of(each.worker, how) / weights_sum;
    shares[each.worker - 1] += 100 / fair;
  }
  return shares;
}

void measure(figures& all, const scenario& what, const std::string& policy)
{
  const char* const unit = "% of its share";
  const auto shares = ask(what, policy);
  double squares = 0;
  for (unsigned i = 0; i != workers; ++i) {
    squares += (shares[i] - 100) * (shares[i] - 100);
    all.add(what.name, policy, "worker " + std::to_string(i + 1), unit, shares[i]);
  }
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  all.add(what.name, policy, "min", unit, *least);
  all.add(what.name, policy, "max", unit, *most);
  all.add(what.name, policy, "standard deviation", unit, std::sqrt(squares / workers));
}

void run(figures& all)
{
  constexpr std::array columns{
      column{"min", "min %"}, column{"max", "max %"}, column{"standard deviation", "deviation %"}};
  for (const scenario& what : scenarios) {
    for (const char* const policy : policies) measure(all, what, policy);
    print_table(all, what.name, policies, columns);
  }
}

} // namespace spread

// Latency when one request in a hundred takes a hundred times as long as the others. A worker that
// has it does nothing else meanwhile.
namespace tail {

constexpr const char* scenario = "heavy tail";
constexpr unsigned workers = 8;
constexpr std::chrono::microseconds ordinary = 2ms, rare = 200ms;
constexpr double rare_part = 0.01;
constexpr double utilisation = 0.55;
constexpr std::size_t rounds = 3;
constexpr std::chrono::seconds round_time = 10s;
constexpr std::uint16_t clients = 1000;
// More than ever wait.
constexpr std::size_t at_once = 512;

struct contender {
  // The policy, and the credit if it is said.
  std::string name;
  server_process server;
  // In milliseconds.
  std::vector<double> all, ordinary_ones, p99_of_rounds;
};

contender enter(const std::string& policy, const std::string& credit = "")
{
  const std::string name = credit.empty() ? policy : policy + " credit " + credit;
  return {name, start({policy, workers, weights::equal, credit}), {}, {}, {}};
}

// Arrivals of many clients that do not know of one another: a Poisson process. Each policy gets
// the same ones.
std::vector<planned_request> arrivals(unsigned seed)
{
  constexpr double mean =
      rare_part * double(rare.count()) + (1 - rare_part) * double(ordinary.count());
  std::mt19937 random(seed);
  std::exponential_distribution<double> pause(utilisation * workers / mean);
  std::bernoulli_distribution is_rare(rare_part);
  std::uniform_int_distribution<unsigned> client(0, clients - 1);
  std::vector<planned_request> requests;
  for (double at = pause(random); at < 1e6 * double(round_time.count()); at += pause(random)) {
    planned_request next;
    next.due = std::chrono::nanoseconds(std::int64_t(1000 * at));
    next.busy = is_rare(random) ? rare : ordinary;
    next.client = std::uint16_t(client(random));
    requests.push_back(next);
  }
  return requests;
}

void play(contender& one, const std::vector<planned_request>& requests)
{
  const auto answers = request_player(one.server.port(), at_once).play(requests);
  std::vector<double> round;
  for (std::size_t i = 0; i != requests.size(); ++i) {
    const double latency = std::chrono::duration<double, std::milli>(answers[i].latency).count();
    round.push_back(latency);
    if (requests[i].busy == ordinary) one.ordinary_ones.push_back(latency);
  }
  one.all.insert(one.all.end(), round.begin(), round.end());
  one.p99_of_rounds.push_back(percentile(std::move(round), 0.99));
}

void add(figures& all, const contender& one)
{
  const auto [lowest, highest] =
      std::minmax_element(one.p99_of_rounds.begin(), one.p99_of_rounds.end());
  all.add(scenario, one.name, "p50", "ms", percentile(one.all, 0.5));
  all.add(scenario, one.name, "p90", "ms", percentile(one.all, 0.9));
  all.add(scenario, one.name, "p99", "ms", percentile(one.all, 0.99));
  all.add(scenario, one.name, "max", "ms", percentile(one.all, 1));
  all.add(scenario, one.name, "lowest p99 of a round", "ms", *lowest);
  all.add(scenario, one.name, "highest p99 of a round", "ms", *highest);
  all.add(scenario, one.name, "ordinary p99", "ms", percentile(one.ordinary_ones, 0.99));
}

void compare(const figures& all, const char* policy, const char* peer)
{
  for (const char* const metric : {"p90", "p99", "ordinary p99"}) {
    const double own = all.get(scenario, policy, metric), other = all.get(scenario, peer, metric);
    std::printf("%s, %s | %s | ms | %.1f | %s | %.1f | %.2f\n", scenario, policy, metric, own, peer,
        other, other / own);
  }
}

void run(figures& all)
{
  std::vector<contender> contenders;
  for (const char* const policy : policies) contenders.push_back(enter(policy));
  // How long a worker may be occupied before the primary passes it over: at once, or hardly ever.
  contenders.push_back(enter("least_connections", "1"));
  contenders.push_back(enter("least_connections", "adaptive"));
  contenders.push_back(enter("round_robin", "1"));
  contenders.push_back(enter("round_robin", "adaptive"));
  contenders.push_back(enter("round_robin", "128"));
  for (std::size_t round = 0; round != rounds; ++round) {
    const auto requests = arrivals(unsigned(round + 1));
    for (contender& each : contenders) play(each, requests);
  }
  all.add(scenario, "any", "ordinary request", "ms", double(ordinary.count()) / 1000);
  all.add(scenario, "any", "rare request", "ms", double(rare.count()) / 1000);
  for (const contender& each : contenders) add(all, each);
  constexpr std::array columns{column{"p50", "p50 ms"}, column{"p90", "p90 ms"},
      column{"p99", "p99 ms"}, column{"max", "max ms"}, column{"ordinary p99", "ordinary p99"},
      column{"lowest p99 of a round", "p99 from"}, column{"highest p99 of a round", "p99 to"}};
  std::vector<const char*> names;
  for (const contender& each : contenders) names.push_back(each.name.c_str());
  print_table(all, scenario, names, columns);
  compare(all, "least_connections", "round_robin");
  compare(all, "power_of_two", "round_robin");
}

} // namespace tail

// New connections per second: connect, request, answer, close.
namespace rate {

constexpr std::array contestants{"round_robin", "least_connections", "shared", "reuse_port"};
// As many as there are processors on a small machine, and as in the other scenarios.
constexpr std::array worker_counts{2U, 8U};
constexpr std::size_t rounds = 5;
// Within a round the servers take turns, so that whatever else the machine does hits all of them.
constexpr std::size_t turns = 6;
constexpr std::size_t requests_per_turn = 2000;
constexpr std::size_t connections = 64;
constexpr std::size_t client_threads = 2;

struct cost {
  double seconds = 0;
  double primary = 0;
  double total = 0;
};

struct contender {
  std::string policy;
  server_process server;
  cost round;
  std::vector<double> rates, primary_times, total_times;
};

void take_turn(contender& one)
{
  load_generator generator(one.server.port(), load::new_connections, connections, client_threads);
  const double primary = one.server.primary_time(), total = one.server.total_time();
  one.round.seconds += generator.run(requests_per_turn);
  one.round.primary += one.server.primary_time() - primary;
  one.round.total += one.server.total_time() - total;
}

void end_round(contender& one)
{
  const cost sum = std::exchange(one.round, cost());
  constexpr double requests = turns * requests_per_turn;
  one.rates.push_back(requests / sum.seconds);
  one.primary_times.push_back(sum.primary / requests / 1000);
  one.total_times.push_back(sum.total / requests / 1000);
}

void compare(const figures& all, const std::string& scenario, const char* policy, const char* peer,
    double target)
{
  const double own = all.get(scenario, policy, "rate"), other = all.get(scenario, peer, "rate");
  std::printf("%s, %s | rate | 1/s | %.0f | %s | %.0f | %.2f | target %.2f: %s\n", scenario.c_str(),
      policy, own, peer, other, own / other, target, own >= target * other ? "met" : "NOT met");
}

void measure(figures& all, const std::string& scenario, unsigned workers)
{
  std::vector<contender> contenders;
  for (const char* const policy : contestants)
    contenders.push_back({policy, start({policy, workers}), {}, {}, {}, {}});
  for (contender& each : contenders) {
    take_turn(each); // warms it up
    each.round = cost();
  }
  for (std::size_t round = 0; round != rounds; ++round) {
    for (std::size_t turn = 0; turn != turns; ++turn)
      for (std::size_t i = 0; i != contenders.size(); ++i)
        take_turn(contenders[(i + turn) % contenders.size()]);
    for (contender& each : contenders) end_round(each);
  }
  for (const contender& each : contenders) {
    all.add(scenario, each.policy, "rate", "1/s", median(each.rates));
    all.add(scenario, each.policy, "CPU of the primary", "us", median(each.primary_times));
    all.add(scenario, each.policy, "CPU of all processes", "us", median(each.total_times));
  }
}

void run(figures& all)
{
  constexpr std::array columns{column{"rate", "connections/s"},
      column{"CPU of the primary", "primary us"}, column{"CPU of all processes", "all us"}};
  for (const unsigned workers : worker_counts) {
    const std::string scenario = "rate with " + std::to_string(workers) + " workers";
    measure(all, scenario, workers);
    print_table(all, scenario, contestants, columns);
    compare(all, scenario, "round_robin", "shared", 0.9);
    compare(all, scenario, "least_connections", "round_robin", 0.95);
  }
}

} // namespace rate

struct part {
  const char* name;
  void (*run)(figures&);
};
constexpr std::array parts{
    part{"spread", spread::run}, part{"tail", tail::run}, part{"rate", rate::run}};

constexpr const char* usage =
    "usage: policies [--data FILE] [spread] [tail] [rate]\n"
    "\n"
    "Compares scheduling policies, in about seven minutes.\n"
    "  spread        how evenly connections are spread over eight workers\n"
    "  tail          latency when one request in a hundred takes a hundred times as long\n"
    "  rate          new connections per second, and what they cost\n"
    "  --data FILE   also writes the figures as CSV, for plot_policies.py\n";

[[noreturn]] void refuse(const std::string& what)
{
  std::fprintf(stderr, "policies: %s\n%s", what.c_str(), usage);
  std::exit(2);
}

int measure(std::span<char* const> arguments)
{
  std::string data;
  std::vector<part> wanted;
  for (std::size_t i = 0; i != arguments.size(); ++i) {
    const std::string argument = arguments[i];
    if (argument == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    if (argument == "--data") {
      if (++i == arguments.size()) refuse("--data needs a file");
      data = arguments[i];
      continue;
    }
    const auto found = std::find_if(
        parts.begin(), parts.end(), [&](const part& each) { return each.name == argument; });
    if (found == parts.end()) refuse("what is " + argument + "?");
    wanted.push_back(*found);
  }
  if (wanted.empty()) wanted.assign(parts.begin(), parts.end());
  figures all;
  // Minutes later is too late to find that out.
  if (!data.empty() && !std::ofstream(data, std::ios::app)) fail("cannot write " + data);
  for (const part& each : wanted) {
    each.run(all);
    std::fflush(stdout);
  }
  if (!data.empty()) all.save(data);
  return 0;
}

// In the primary, and in its workers, which have the same arguments.
int serve(int argc, char** argv)
{
  if (argc != 6) refuse("serve needs a policy, a number of workers, their shares and a credit");
  const auto workers = unsigned(std::atoi(argv[3]));
  const weights shares =
      std::string_view(argv[4]) == "weights" ? weights::one_and_two : weights::equal;
  const std::string credit = argv[5];
  const auto supervise = [=](cohort::cluster<cohort::any_policy>& cluster) {
    return policy_server::supervise(cluster, workers, shares);
  };
  const auto serve = [=](cohort::this_worker& self) { return policy_server::serve(self, credit); };
  return cohort::run(argc, argv, supervise, serve, cohort::run_options(), policy_named(argv[2]));
}

} // namespace

int main(int argc, char** argv)
{
  if (argc > 1 && std::string_view(argv[1]) == "serve") return serve(argc, argv);
  return measure(std::span<char* const>(argv, std::size_t(argc)).subspan(1));
}
