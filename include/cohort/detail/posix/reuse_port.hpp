// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/system_calls.hpp>
#include <cohort/detail/posix/unique_fd.hpp>

#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <linux/filter.h>
#include <optional>
#include <span>
#include <sys/socket.h>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail::posix {

/// Sockets that listen on one port with SO_REUSEPORT, in the order of their `listen`: a program
/// that gives the i-th one `weights[i]` of all new connections. It needs no privileges.
///
/// With no weight above 0 it names a socket that is not there; the kernel then spreads them itself.
std::vector<sock_filter> share_program(std::span<const std::uint32_t> weights);

/// Gives the program to the group that the socket is in, at once for all of them.
/// Errors: `argument_list_too_long` for more sockets than a program can tell apart.
void share_port(int socket, std::span<const std::uint32_t> weights, std::error_code& ec);

/// Whether connections that wait at a socket go to another one of its port when it is closed
/// (`net.ipv4.tcp_migrate_req`, for IPv6 as well). Nothing where that cannot be told.
std::optional<bool> migrates_requests() noexcept;

// Implementation

inline std::vector<sock_filter> share_program(std::span<const std::uint32_t> weights)
{
  // Far below 2^32, whatever rounding up adds.
  constexpr std::uint64_t limit = std::uint64_t(1) << 30;
  std::uint64_t sum = 0;
  for (const std::uint64_t each : weights) sum += each;
  const std::uint64_t divisor = sum / limit + 1;
  const auto scaled = [&](std::uint32_t weight) {
    return weight == 0 ? 0U : static_cast<std::uint32_t>((weight + divisor - 1) / divisor);
  };
  sum = 0;
  for (const std::uint32_t each : weights) sum += scaled(each);
  const auto instruction = [](unsigned code, std::uint32_t operand, std::uint8_t jump = 0) {
    return sock_filter{static_cast<std::uint16_t>(code), jump, 0, operand};
  };
  std::vector<sock_filter> program;
  program.reserve(2 * weights.size() + 3);
  if (sum != 0) {
    program.push_back(instruction(
        BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_RANDOM)));
    program.push_back(instruction(BPF_ALU | BPF_MOD | BPF_K, static_cast<std::uint32_t>(sum)));
    std::uint32_t bound = 0;
    for (std::uint32_t i = 0; i != weights.size(); ++i) {
      if (weights[i] == 0) continue;
      bound += scaled(weights[i]);
      // Over the next one, which returns, when what was drawn is not below the bound.
      program.push_back(instruction(BPF_JMP | BPF_JGE | BPF_K, bound, 1));
      program.push_back(instruction(BPF_RET | BPF_K, i));
    }
  }
  program.push_back(instruction(BPF_RET | BPF_K, 0xffffffff));
  return program;
}

inline void share_port(int socket, std::span<const std::uint32_t> weights, std::error_code& ec)
{
  auto instructions = share_program(weights);
  if (instructions.size() > BPF_MAXINSNS) {
    ec = std::make_error_code(std::errc::argument_list_too_long);
    return;
  }
  sock_fprog program{};
  program.len = static_cast<unsigned short>(instructions.size());
  program.filter = instructions.data();
  const int result =
      sys::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
  ec = result == 0 ? std::error_code() : last_error();
}

inline std::optional<bool> migrates_requests() noexcept
{
  constexpr const char* path = "/proc/sys/net/ipv4/tcp_migrate_req";
  const unique_fd file(retry_interrupted([&] { return sys::open(path, O_RDONLY | O_CLOEXEC); }));
  if (!file) return std::nullopt;
  char value = 0;
  const auto size = retry_interrupted([&] { return sys::read(file.get(), &value, sizeof value); });
  if (size != 1) return std::nullopt;
  return value != '0';
}

} // namespace cohort::detail::posix
