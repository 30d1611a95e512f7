// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// Connections per second through a cluster of two workers, and what they cost: beside Node's
// cluster and beside a prefork server that does the least possible. See README.md.
//
//     connections               measures everything, in about a minute
//     connections cohort|raw    is one of the servers

#include "support/cohort_server.hpp"
#include "support/load_client.hpp"
#include "support/raw_prefork.hpp"
#include "support/server_process.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace cohort_benchmark;

constexpr std::size_t rounds = 5;
// Within a round the servers take turns, so that whatever else the machine does hits all of them.
constexpr std::size_t turns = 6;
constexpr std::size_t connections = 64;
constexpr std::size_t client_threads = 2;

struct scenario {
  load kind;
  const char* name;
  std::size_t requests_per_turn;
};

constexpr std::array scenarios{
    scenario{load::new_connections, "new connection per request", 1000},
    scenario{load::keep_alive, "keep-alive", 10'000},
};

struct metric {
  const char* name;
  const char* unit;
  bool higher_is_better;
};

constexpr metric rate{"rate", "1/s", true};
constexpr metric server_time{"CPU of primary and workers per request", "us", false};
constexpr metric primary_time{"CPU of the primary per connection", "us", false};
constexpr metric proportional{"Pss", "KiB", false};
constexpr metric unshared{"private dirty", "KiB", false};

// What a scenario gave in one turn, or the sum over the turns of a round.
struct cost {
  double seconds = 0;
  double primary = 0;
  double total = 0;
};

struct server {
  const char* name;
  server_process process;
  cost round;
  // One figure for each round, by scenario and metric.
  std::map<std::pair<std::string, std::string>, std::vector<double>> figures;

  void add(const std::string& scenario, const metric& which, double figure)
  {
    figures[{scenario, which.name}].push_back(figure);
  }
};

double median(std::vector<double> values)
{
  const auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void take_turn(server& one, const scenario& what)
{
  load_generator generator(one.process.port(), what.kind, connections, client_threads);
  const double primary = one.process.primary_time();
  const double total = one.process.total_time();
  one.round.seconds += generator.run(what.requests_per_turn);
  one.round.primary += one.process.primary_time() - primary;
  one.round.total += one.process.total_time() - total;
}

void end_round(server& one, const scenario& what)
{
  const cost sum = std::exchange(one.round, cost());
  const double requests = double(turns * what.requests_per_turn);
  one.add(what.name, rate, requests / sum.seconds);
  one.add(what.name, server_time, sum.total / requests / 1000);
  if (what.kind == load::new_connections)
    one.add(what.name, primary_time, sum.primary / requests / 1000);
}

void measure_rounds(std::vector<server>& servers, const scenario& what)
{
  for (std::size_t round = 0; round != rounds; ++round) {
    for (std::size_t turn = 0; turn != turns; ++turn)
      for (std::size_t i = 0; i != servers.size(); ++i)
        take_turn(servers[(i + turn) % servers.size()], what);
    for (server& one : servers) end_round(one, what);
  }
}

void measure_memory(server& one)
{
  double proportional_sum = 0;
  double unshared_sum = 0;
  for (const pid_t pid : one.process.workers()) {
    proportional_sum += memory(pid, "Pss");
    unshared_sum += memory(pid, "Private_Dirty");
  }
  const double workers = double(one.process.workers().size());
  one.add("idle worker", proportional, proportional_sum / workers);
  one.add("idle worker", unshared, unshared_sum / workers);
}

void print(const char* scenario, const metric& which, const std::vector<server>& servers)
{
  const auto figure = [&](const server& one) {
    return median(one.figures.at({scenario, which.name}));
  };
  const double own = figure(servers[0]);
  for (std::size_t i = 1; i != servers.size(); ++i) {
    const double other = figure(servers[i]);
    const double ratio = which.higher_is_better ? own / other : other / own;
    std::printf("%s | %s | %s | %.1f | %s | %.1f | %.2f\n", scenario, which.name, which.unit, own,
        servers[i].name, other, ratio);
  }
}

server_process start(const char* program, const char* role)
{
  return server_process({program, role});
}

server_process start_node(const char* role)
{
  const char* const folder = std::getenv("COHORT_BENCHMARKS");
  return server_process(
      {"node", std::string(folder ? folder : "benchmarks") + "/peers/node_cluster.js", role});
}

void measure_all(const char* program)
{
  std::vector<server> servers;
  servers.push_back({"cohort", start(program, "cohort"), {}, {}});
  servers.push_back({"raw prefork", start(program, "raw"), {}, {}});
  servers.push_back({"Node http", start_node("http"), {}, {}});
  servers.push_back({"Node net", start_node("net"), {}, {}});
  for (server& one : servers) measure_memory(one);
  // Afterwards just-in-time compilers, caches and pools are warm.
  for (const scenario& what : scenarios)
    for (server& one : servers) take_turn(one, what);
  for (server& one : servers) one.round = cost();
  for (const scenario& what : scenarios) {
    measure_rounds(servers, what);
    print(what.name, rate, servers);
    print(what.name, server_time, servers);
    if (what.kind == load::new_connections) print(what.name, primary_time, servers);
    std::fflush(stdout);
  }
  print("idle worker", proportional, servers);
  print("idle worker", unshared, servers);
}

} // namespace

int main(int argc, char** argv)
{
  const std::string_view role = argc > 1 ? argv[1] : "";
  if (role == "raw") return run_raw_prefork(2);
  if (role == "cohort" || cohort::is_worker())
    return cohort::run(argc, argv, cohort_server::supervise, cohort_server::serve);
  measure_all("/proc/self/exe");
}
