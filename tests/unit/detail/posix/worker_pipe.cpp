// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/posix/worker_pipe.hpp>

#include <doctest/doctest.h>

#include <string>

namespace worker_pipe_test {

using namespace cohort::detail::posix;

namespace {

worker_pipe make(int number)
{
  std::error_code ec;
  worker_pipe made = make_worker_pipe(number, ec);
  REQUIRE_MESSAGE(!ec, ec.message());
  return made;
}

// What arrives at `to` of a word written to `from`; nothing when that is no way.
std::string passed(const unique_fd& from, const unique_fd& to)
{
  if (::write(from.get(), "word", 4) != 4) return "";
  char text[8];
  const ssize_t size = ::read(to.get(), text, sizeof text);
  return std::string(text, static_cast<std::size_t>(size > 0 ? size : 0));
}

} // namespace

TEST_CASE("a worker reads its standard input and writes the other two")
{
  const worker_pipe input = make(0);
  CHECK(passed(input.ours, input.theirs) == "word");
  CHECK(passed(input.theirs, input.ours) == "");
  for (const int number : {1, 2}) {
    const worker_pipe output = make(number);
    CHECK(passed(output.theirs, output.ours) == "word");
    CHECK(passed(output.ours, output.theirs) == "");
  }
}

TEST_CASE("an extra descriptor goes both ways")
{
  for (const int number : {3, 17}) {
    const worker_pipe both = make(number);
    CHECK(passed(both.theirs, both.ours) == "word");
    CHECK(passed(both.ours, both.theirs) == "word");
  }
}

TEST_CASE("no child gets an end by itself, and only this side does not block")
{
  for (const int number : {0, 1, 2, 3}) {
    const worker_pipe made = make(number);
    CHECK(::fcntl(made.ours.get(), F_GETFD) == FD_CLOEXEC);
    CHECK(::fcntl(made.theirs.get(), F_GETFD) == FD_CLOEXEC);
    CHECK((::fcntl(made.ours.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(made.theirs.get(), F_GETFL) & O_NONBLOCK) == 0);
  }
}

} // namespace worker_pipe_test
