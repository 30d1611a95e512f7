// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/channel_registry.hpp>

#include <cohort/detail/posix/socket.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <ostream>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace channel_registry_test {

using namespace cohort::detail::posix;

namespace {

static_assert(std::is_nothrow_move_constructible_v<channel_mark>);
static_assert(std::is_nothrow_move_assignable_v<channel_mark>);
static_assert(!std::is_copy_constructible_v<channel_mark>);

bool marked(const unique_fd& fd)
{
  std::error_code ec;
  const bool result = is_channel(fd.get(), ec);
  CHECK(!ec);
  return result;
}

channel_mark mark(const unique_fd& fd)
{
  std::error_code ec;
  channel_mark result(fd.get(), ec);
  CHECK(!ec);
  CHECK(result);
  return result;
}

} // namespace

TEST_CASE("an end of a channel is known as long as its mark lives")
{
  std::error_code ec;
  const auto [end, other] = stream_pair(ec);
  CHECK(!marked(end));
  {
    const auto first = mark(end);
    CHECK(marked(end));
    CHECK(!marked(other));
  }
  CHECK(!marked(end));
}

TEST_CASE("so are its duplicates, also after the first descriptor was closed")
{
  std::error_code ec;
  auto [end, other] = stream_pair(ec);
  const auto first = mark(end);
  const auto copy = duplicate(end.get(), ec);
  CHECK(marked(copy));
  end.reset();
  CHECK(marked(copy));
}

TEST_CASE("an end that is marked twice needs both marks to go")
{
  std::error_code ec;
  const auto [end, other] = stream_pair(ec);
  auto first = mark(end);
  auto second = mark(end);
  first = channel_mark();
  CHECK(!first);
  CHECK(marked(end));
  second = channel_mark();
  CHECK(!marked(end));
}

TEST_CASE("a mark moves")
{
  std::error_code ec;
  const auto [end, other] = stream_pair(ec);
  channel_mark kept;
  CHECK(!kept);
  {
    auto first = mark(end);
    auto second = mark(other);
    kept = std::move(first);
    CHECK(!first);
    auto& same = second;
    second = std::move(same);
    CHECK(marked(other));
    second = std::move(kept);
    CHECK(!marked(other));
    CHECK(marked(end));
    kept = std::move(second);
  }
  CHECK(marked(end));
}

TEST_CASE("what is not open can neither be marked nor asked for")
{
  std::error_code ec;
  const channel_mark none(-1, ec);
  CHECK(!none);
  CHECK(ec == std::errc::bad_file_descriptor);
  ec.clear();
  CHECK(!is_channel(-1, ec));
  CHECK(ec == std::errc::bad_file_descriptor);
}

TEST_CASE("marks come and go on several threads")
{
  std::error_code ec;
  const auto [end, other] = stream_pair(ec);
  const auto kept = mark(end);
  std::vector<std::thread> threads;
  for (int i = 0; i != 4; ++i)
    threads.emplace_back([&, fd = other.get()] {
      for (int round = 0; round != 200; ++round) {
        std::error_code error;
        const channel_mark one(fd, error);
        if (!is_channel(fd, error) || !is_channel(end.get(), error)) std::abort();
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(marked(end));
  CHECK(!marked(other));
}

} // namespace channel_registry_test
