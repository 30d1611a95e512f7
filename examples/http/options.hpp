// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/ip/address.hpp>
#include <asio/ip/tcp.hpp>
#include <cohort.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace http {

inline constexpr char usage[] = R"(usage: http_server [OPTION...]
  --host ADDRESS     numeric address to listen on (127.0.0.1)
  --port N           port to listen on, 0 for any that is free (8000)
  --workers N        how many worker processes (one for each processor)
  --policy NAME      who gets a connection: round_robin (the default), least_connections,
                     least_load, power_of_two, weighted, random, sticky, sticky_by_proxy (behind a
                     balancer that speaks the PROXY protocol), slow_start, when_full (with 503 for
                     who finds no room); shared and reuse_port leave it to the kernel, environment
                     asks as Node does
  --timeout SECONDS  how long a client may be idle, or take for a request (30)
  --supervise        leaves the workers to a supervisor: SIGHUP and SIGUSR1 replace them by new ones
  --help             shows this
)";

/// What the command line says.
struct options {
  asio::ip::address host = asio::ip::address_v4::loopback();
  std::uint16_t port = 8000;
  unsigned workers = cohort::available_parallelism();
  cohort::any_policy policy;
  /// Each connection begins with a header of the PROXY protocol, and the client that it names
  /// decides instead of `policy`.
  bool proxied = false;
  std::chrono::seconds timeout{30};
  bool supervise = false;
  bool help = false;

  asio::ip::tcp::endpoint endpoint() const { return {host, port}; }
};

/// @throws std::invalid_argument with one line that says what is wrong.
options parse_options(int argc, char** argv);

/// @param host a numeric address.
inline std::string url(const std::string& host, unsigned port)
{
  const bool is_v6 = host.find(':') != host.npos;
  return "http://" + (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

// Implementation

inline unsigned parse_number(
    const std::string& option, std::string_view text, unsigned lowest, unsigned highest)
{
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < lowest || value > highest)
    throw std::invalid_argument(option + " needs a number from " + std::to_string(lowest) + " to " +
                                std::to_string(highest) + ", not '" + std::string(text) + "'");
  return value;
}

inline constexpr char no_room[] =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

inline cohort::any_policy parse_policy(const std::string& name)
{
  if (name == "round_robin") return cohort::round_robin();
  if (name == "least_connections") return cohort::least_connections();
  if (name == "least_load") return cohort::least_load();
  if (name == "power_of_two") return cohort::power_of_two();
  if (name == "weighted") return cohort::weighted();
  if (name == "random") return cohort::random();
  if (name == "sticky") return cohort::sticky();
  if (name == "slow_start") return cohort::slow_start<cohort::least_connections>();
  if (name == "when_full")
    return cohort::when_full(cohort::overflow::refuse(no_room), cohort::least_connections());
  if (name == "shared") return cohort::shared();
  if (name == "reuse_port") return cohort::reuse_port();
  if (name == "environment") return cohort::policy_from_environment();
  throw std::invalid_argument("--policy does not know '" + name + "', see --help");
}

inline void set_option(options& result, const std::string& name, const std::string& value)
{
  if (name == "--host") {
    std::error_code error;
    result.host = asio::ip::make_address(value, error);
    if (error) throw std::invalid_argument("--host needs a numeric address, not '" + value + "'");
  } else if (name == "--port") {
    result.port = static_cast<std::uint16_t>(parse_number(name, value, 0, 65535));
  } else if (name == "--workers") {
    result.workers = parse_number(name, value, 1, 1024);
  } else if (name == "--timeout") {
    result.timeout = std::chrono::seconds(parse_number(name, value, 1, 3600));
  } else {
    result.proxied = value == "sticky_by_proxy";
    result.policy = result.proxied ? cohort::any_policy() : parse_policy(value);
  }
}

inline options parse_options(int argc, char** argv)
{
  constexpr std::array names = {"--host", "--port", "--workers", "--policy", "--timeout"};
  options result;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help") {
      result.help = true;
      continue;
    }
    if (argument == "--supervise") {
      result.supervise = true;
      continue;
    }
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    if (std::ranges::find(names, name) == names.end())
      throw std::invalid_argument("unknown option '" + argument + "', see --help");
    if (equals != argument.npos) set_option(result, name, argument.substr(equals + 1));
    else if (++i != argc) set_option(result, name, argv[i]);
    else throw std::invalid_argument(name + " needs a value, see --help");
  }
  return result;
}

} // namespace http
