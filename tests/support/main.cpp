// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// main() of every test program: worker roles first, then doctest with checks around each test case.

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "support/skip.hpp"
#include "support/time_factor.hpp"
#include "support/worker_roles.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr unsigned seconds_per_test = 120;

// What the watchdog says; written before the alarm is set, read by its handler.
std::array<char, 512> watchdog_message;
std::size_t watchdog_size = 0;

extern "C" void watchdog_expired(int)
{
  // Only async-signal-safe calls.
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, watchdog_message.data(), watchdog_size);
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

void start_watchdog(const std::string& name)
{
  const std::string message = "\nwatchdog: still running after its time: " + name + "\n";
  watchdog_size = std::min(message.size(), watchdog_message.size());
  std::copy_n(message.data(), watchdog_size, watchdog_message.data());
  // Set anew each time: a test may have changed the disposition.
  std::signal(SIGALRM, watchdog_expired);
  ::alarm(seconds_per_test * cohort_test::time_factor());
}

std::vector<std::string> open_descriptors()
{
  std::vector<std::string> targets;
  DIR* directory = ::opendir("/proc/self/fd");
  if (!directory) return targets;
  while (const dirent* entry = ::readdir(directory)) {
    const int number = std::atoi(entry->d_name);
    if (entry->d_name[0] == '.' || number == ::dirfd(directory)) continue;
    std::array<char, 256> target;
    const auto size = ::readlinkat(::dirfd(directory), entry->d_name, target.data(), target.size());
    if (size >= 0) targets.emplace_back(target.data(), static_cast<std::size_t>(size));
  }
  ::closedir(directory);
  std::sort(targets.begin(), targets.end());
  return targets;
}

std::vector<pid_t> living_children()
{
  std::vector<pid_t> children;
  const auto self = std::to_string(::getpid());
  std::ifstream file("/proc/self/task/" + self + "/children");
  for (pid_t pid; file >> pid;) children.push_back(pid);
  return children;
}

// Describes the children that are left; kills and reaps them, so that the next test starts clean.
std::vector<std::string> leftover_children()
{
  std::vector<std::string> found;
  siginfo_t info;
  std::memset(&info, 0, sizeof info);
  if (::waitid(P_ALL, 0, &info, WNOHANG | WNOWAIT | WEXITED) == -1 && errno == ECHILD) return found;
  for (const pid_t pid : living_children()) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(stat, line);
    found.push_back("child process left: " + line.substr(0, line.find(')') + 3));
    ::kill(pid, SIGKILL);
  }
  if (found.empty()) found.push_back("child process left: " + std::to_string(info.si_pid));
  while (::waitid(P_ALL, 0, &info, WEXITED) == 0 || errno == EINTR) {
  }
  return found;
}

std::string one_line(std::string text)
{
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\t' || c == '\n'; }, ' ');
  return text;
}

std::size_t leaking_tests = 0;

// Guards each test case, and writes what became of it to the file that tests/run reads.
struct guard : doctest::IReporter {
  explicit guard(const doctest::ContextOptions&)
  {
    const char* path = std::getenv("COHORT_TEST_RESULTS");
    if (path) results_ = std::fopen(path, "ae");
  }
  guard(const guard&) = delete;
  guard& operator=(const guard&) = delete;
  ~guard() override
  {
    if (results_) std::fclose(results_);
  }

  void test_case_start(const doctest::TestCaseData& test) override
  {
    file_ = test.m_file.c_str();
    if (const auto at = file_.rfind("tests/"); at != std::string::npos) file_.erase(0, at);
    name_ = one_line(test.m_name);
    cohort_test::skip_reason().clear();
    record("started", "");
    start_watchdog(file_ + ": " + name_);
    descriptors_ = open_descriptors();
  }

  void test_case_end(const doctest::CurrentTestCaseStats& stats) override
  {
    ::alarm(0);
    std::vector<std::string> left = leftover_children();
    const auto now = open_descriptors();
    std::vector<std::string> difference;
    std::set_difference(now.begin(), now.end(), descriptors_.begin(), descriptors_.end(),
        std::back_inserter(difference));
    for (const auto& target : difference) left.push_back("descriptor left open: " + target);
    difference.clear();
    std::set_difference(descriptors_.begin(), descriptors_.end(), now.begin(), now.end(),
        std::back_inserter(difference));
    for (const auto& target : difference)
      left.push_back("descriptor closed that was not the test's own: " + target);

    for (const auto& line : left)
      std::printf("%s: %s: %s\n", file_.c_str(), name_.c_str(), line.c_str());
    std::fflush(stdout);
    if (!left.empty()) ++leaking_tests;

    const auto& reason = cohort_test::skip_reason();
    if (!stats.testCaseSuccess || !left.empty()) record("failed", "");
    else if (!reason.empty()) record("skipped", one_line(reason));
    else record("passed", "");
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

private:
  void record(const char* outcome, const std::string& reason)
  {
    if (!results_) return;
    std::fprintf(
        results_, "%s\t%s\t%s\t%s\n", outcome, file_.c_str(), name_.c_str(), reason.c_str());
    std::fflush(results_);
  }

  std::FILE* results_ = nullptr;
  std::string file_;
  std::string name_;
  std::vector<std::string> descriptors_;
};

REGISTER_LISTENER("guard", 1, guard);

bool is_set(const char* name) { return std::getenv(name) != nullptr; }

} // namespace

int main(int argc, char** argv)
{
  const char* role = std::getenv("COHORT_TEST_ROLE");
  if (role && (is_set("COHORT_WORKER_ID") || is_set("COHORT_TEST_ROLE_PLAIN"))) {
    const auto run = cohort_test::worker_role::find(role);
    if (!run) {
      std::fprintf(stderr, "no such worker role: %s\n", role);
      return 97;
    }
    start_watchdog(std::string("worker role ") + role);
    return run(argc, argv);
  }

  if (is_set("COHORT_WORKER_ID")) {
    std::fprintf(stderr, "a worker needs a role\n");
    return 97;
  }

  doctest::Context context(argc, argv);
  const int status = context.run();
  if (context.shouldExit()) return status;
  if (leaking_tests != 0) {
    std::printf("%zu test cases left children or descriptors behind\n", leaking_tests);
    return 1;
  }
  return status;
}
