// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/reuse_port.hpp>

#include <cohort/detail/posix/listening.hpp>

#include <asio/ip/tcp.hpp>
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sched.h>
#include <thread>
#include <vector>

namespace reuse_port_test {

using namespace cohort::detail::posix;

namespace {

// What the program answers when `drawn` is what chance gives.
std::uint32_t run(const std::vector<sock_filter>& program, std::uint32_t drawn)
{
  std::uint32_t value = 0;
  for (std::size_t i = 0;; ++i) {
    const sock_filter& each = program.at(i);
    switch (each.code) {
    case BPF_LD | BPF_W | BPF_ABS: value = drawn; break;
    case BPF_ALU | BPF_MOD | BPF_K: value %= each.k; break;
    case BPF_JMP | BPF_JGE | BPF_K: i += value >= each.k ? each.jt : each.jf; break;
    case BPF_RET | BPF_K: return each.k;
    default: FAIL("no such instruction");
    }
  }
}

// How often each of so many sockets is named, by as many draws.
std::vector<unsigned> counts(std::vector<std::uint32_t> weights, std::uint32_t draws)
{
  const auto program = share_program(weights);
  std::vector<unsigned> found(weights.size() + 1);
  for (std::uint32_t i = 0; i != draws; ++i) {
    const std::uint32_t index = run(program, i);
    ++found[index < weights.size() ? index : weights.size()];
  }
  return found;
}

// The setting, read in another way; nothing where it is not there.
std::optional<bool> setting_of_kernel()
{
  int value = 0;
  std::ifstream file("/proc/sys/net/ipv4/tcp_migrate_req");
  return file >> value ? std::optional(value != 0) : std::nullopt;
}

} // namespace

TEST_CASE("each socket is named in proportion to its weight, and none without one")
{
  CHECK(counts({70, 20, 10}, 1000) == std::vector<unsigned>{700, 200, 100, 0});
  CHECK(counts({0, 1, 0, 3}, 400) == std::vector<unsigned>{0, 100, 0, 300, 0});
  CHECK(counts({1}, 10) == std::vector<unsigned>{10, 0});
}

TEST_CASE("without any weight none is named, and the kernel decides")
{
  CHECK(counts({0, 0}, 10) == std::vector<unsigned>{0, 0, 10});
  CHECK(counts({}, 10) == std::vector<unsigned>{10});
}

TEST_CASE("the largest weights do not overflow, and the smallest is not forgotten")
{
  const auto program = share_program(std::array<std::uint32_t, 3>{0xffffffff, 1, 0xffffffff});
  // Behind the share of the first one.
  const std::uint32_t second = program.at(2).k;
  CHECK(second > 1U << 28);
  CHECK(run(program, 0) == 0);
  CHECK(run(program, second - 1) == 0);
  CHECK(run(program, second) == 1);
  CHECK(run(program, second + 1) == 2);
  CHECK(run(program, 2 * second) == 2);
}

TEST_CASE("the kernel takes the program for a group, but not for more sockets than it can name")
{
  std::error_code error;
  const auto any = socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  listen_settings settings;
  settings.reuse_port = true;
  const auto first = listen_stream(any, settings, error);
  REQUIRE_FALSE(error);
  const auto second = listen_stream(local_address(first.get(), error), settings, error);
  REQUIRE_FALSE(error);
  share_port(first.get(), std::array<std::uint32_t, 2>{1, 2}, error);
  CHECK_FALSE(error);
  share_port(first.get(), std::vector<std::uint32_t>(3000, 1), error);
  CHECK(error == std::errc::argument_list_too_long);
  share_port(-1, std::array<std::uint32_t, 1>{1}, error);
  CHECK(error == std::errc::bad_file_descriptor);
}

TEST_CASE("the first socket of a port is refused when somebody listens there, later ones are not")
{
  std::error_code error;
  const auto any = socket_address::from_endpoint(
      asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0), error);
  listen_settings settings;
  settings.reuse_port = settings.first_of_port = true;
  const auto first = listen_stream(any, settings, error);
  REQUIRE_FALSE(error);
  const auto bound = local_address(first.get(), error);
  CHECK_FALSE(listen_stream(bound, settings, error));
  CHECK(error == std::errc::address_in_use);
  settings.first_of_port = false;
  CHECK(listen_stream(bound, settings, error));
  CHECK_FALSE(error);
}

TEST_CASE("whether the kernel moves waiting connections is what it says itself")
{
  CHECK(migrates_requests() == setting_of_kernel());
  // In a network of its own, where that is allowed, the setting can be changed.
  std::thread apart([] {
    if (::unshare(CLONE_NEWNET) != 0) return;
    for (const bool on : {true, false, true}) {
      std::ofstream file("/proc/sys/net/ipv4/tcp_migrate_req");
      if (!(file << on << std::flush)) return;
      CHECK(migrates_requests() == on);
    }
  });
  apart.join();
}

} // namespace reuse_port_test
