// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/status_file.hpp>

#include "support/event_loop.hpp"
#include "support/scratch.hpp"

#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

namespace status_file_test {

using namespace cohort;

namespace {

// Each text it gives is another one.
struct counting_owner {
  std::string status() { return std::to_string(++texts); }
  void status_failed(std::error_code error) { failure = error; }

  int texts = 0;
  std::error_code failure;
};

struct file_test {
  explicit file_test(const std::string& path)
      : file(context.get_executor(),
            supervisor_options().status_file(path, std::chrono::milliseconds(1)))
  {
  }

  asio::io_context context{1};
  std::shared_ptr<counting_owner> owner = std::make_shared<counting_owner>();
  detail::status_file file;
};

std::string content(const std::string& path)
{
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

} // namespace

TEST_CASE("the status file is there at once, is written anew, and a last time at the end")
{
  const cohort_test::scratch_directory scratch;
  file_test test(scratch.file("status"));
  test.file.begin(test.owner);
  CHECK(content(scratch.file("status")) == "1");
  CHECK(cohort_test::run_until(test.context, [&] { return test.owner->texts == 3; }));
  CHECK(content(scratch.file("status")) == "3");
  test.file.end(*test.owner);
  CHECK(content(scratch.file("status")) == "4");
  test.context.run_for(std::chrono::seconds(10));
  CHECK(test.owner->texts == 4);
  CHECK(test.owner.use_count() == 1);
}

TEST_CASE("a status file that cannot be written is reported, and tried again")
{
  const cohort_test::scratch_directory scratch;
  // A file where there should be a directory.
  std::ofstream(scratch.file("later")) << "in the way";
  file_test test(scratch.file("later/status"));
  test.file.begin(test.owner);
  CHECK(test.owner->failure == std::errc::not_a_directory);
  std::filesystem::remove(scratch.file("later"));
  const auto is_there = [&] { return std::filesystem::exists(scratch.file("later/status")); };
  CHECK(cohort_test::run_until(test.context, is_there));
  test.file.call_off();
}

TEST_CASE("without a name there is no status file")
{
  file_test test("");
  test.file.begin(test.owner);
  test.file.end(*test.owner);
  test.context.run_for(std::chrono::seconds(10));
  CHECK(test.owner->texts == 0);
  CHECK_FALSE(test.owner->failure);
}

} // namespace status_file_test
