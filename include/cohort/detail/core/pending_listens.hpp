// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/async/wait_queue.hpp>
#include <cohort/detail/core/accept_source.hpp>
#include <cohort/detail/core/datagram_source.hpp>
#include <cohort/detail/core/listen_key.hpp>

#include <asio/any_io_executor.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

namespace cohort::detail {

/// A listen that the primary has not answered.
struct pending_listen {
  explicit pending_listen(const asio::any_io_executor& executor)
      : waiting(executor),
        binding(executor)
  {
  }

  /// Who waits for it: one, for either.
  wait_queue<std::shared_ptr<accept_source>> waiting;
  wait_queue<std::shared_ptr<datagram_source>> binding;
  listen_key asked;
  std::uint32_t credit = 0;

  void fail(std::error_code reason)
  {
    waiting.complete_one(reason, nullptr);
    binding.complete_one(reason, nullptr);
  }
};

/// All of them, by number.
class pending_listens {
public:
  using pointer = std::unique_ptr<pending_listen>;

  /// Returns the number of its request.
  std::uint32_t add(pointer listen);

  /// Null when there is no such request.
  pointer take(std::uint32_t request);

  bool uses(const listen_key& asked) const noexcept;

  void fail_all(std::error_code reason);

private:
  std::map<std::uint32_t, pointer> listens_;
  std::uint32_t last_ = 0;
};

// Implementation

inline std::uint32_t pending_listens::add(pointer listen)
{
  listens_.emplace(++last_, std::move(listen));
  return last_;
}

inline auto pending_listens::take(std::uint32_t request) -> pointer
{
  auto found = listens_.extract(request);
  return found ? std::move(found.mapped()) : nullptr;
}

inline bool pending_listens::uses(const listen_key& asked) const noexcept
{
  for (const auto& [request, each] : listens_)
    if (each->asked == asked) return true;
  return false;
}

inline void pending_listens::fail_all(std::error_code reason)
{
  for (auto& [request, each] : std::exchange(listens_, {})) each->fail(reason);
}

} // namespace cohort::detail
