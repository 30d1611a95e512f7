// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: the policy's enough must be const, callable with a std::span<const std::byte>
// expect-lines: 15
//
// It looks at bytes, of which more may come, and changes nothing.

#include <cohort/cluster.hpp>
#include <cohort/message/json.hpp>

#include <asio/io_context.hpp>

#include <cstddef>
#include <span>

struct waits_for_line : cohort::round_robin {
#ifdef MUST_FAIL
  bool enough(std::span<const std::byte> first) { return first.size() > 1; }
#else
  bool enough(std::span<const std::byte> first) const { return first.size() > 1; }
#endif
};

int main()
{
  asio::io_context context;
  cohort::cluster<waits_for_line> cluster(context);
  return cluster.workers().empty() ? 0 : 1;
}
