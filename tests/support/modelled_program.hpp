// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/posix/machine.hpp>

#include "support/fated_program.hpp"
#include "support/footprint.hpp"
#include "support/foster_parent.hpp"
#include "support/group_model.hpp"
#include "support/new_program.hpp"
#include "support/role_program.hpp"
#include "support/scratch.hpp"
#include "support/soon.hpp"
#include "support/worker_roles.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace cohort_test {

/// A way in which an upgrade of a program fails.
struct program_fate {
  std::string word;
  /// What begins the upgrade.
  int signal;
  /// What the old program says of it.
  std::string why;
  /// It is under way until somebody kills the new program.
  bool endless = false;
};

/// All of them.
inline const std::vector<program_fate>& bad_fates()
{
  static const std::vector<program_fate> all = {
      {"missing", SIGUSR2, "could not be started: No such file"},
      {"exit", SIGUSR2, "ended before it was ready: exited with code 3"},
      {"crash", SIGUSR2, "ended before it was ready: killed by SIGKILL"},
      {"babble", SIGUSR2, "did not speak as a new program does"},
      {"hang", SIGUSR2, "ended before it was ready: killed by SIGKILL", true},
      {"hang", SIGRTMIN, "was not ready in time"},
      {"half", SIGRTMIN, "was not ready in time"},
  };
  return all;
}

/// A program of the role "upgraded_at_random", see
/// `tests/process/upgraded_at_random_role.cpp`, and what is known of it: which process serves, and
/// how many workers that is to have.
///
/// What is done to it is not waited for, but as far as what follows would not be determined.
class modelled_program {
public:
  /// @param workers how many it has in the beginning.
  /// @param variables of the role, but COHORT_TEST_FILES.
  modelled_program(unsigned workers, const std::vector<std::string>& variables)
      : model_(configure(workers)),
        program_("upgraded_at_random", with_files(variables))
  {
    while (started_ == 0) hear();
    serving_ = std::exchange(started_, 0);
  }
  ~modelled_program();
  modelled_program(const modelled_program&) = delete;
  modelled_program& operator=(const modelled_program&) = delete;

  /// The process that serves, as far as is known.
  pid_t serving() const noexcept { return serving_; }
  /// Whether it has no workers; not as long as it may change its mind.
  bool rests()
  {
    if (sent_.contains(SIGWINCH)) catch_up();
    return model_.rests();
  }

  /// Sends a signal of which `group_model` knows.
  void signal(int number);
  /// Replaces it by a program with so many workers.
  void upgrade(unsigned workers);
  /// Lets an upgrade fail. While another one is under way for ever it is refused, or that one is
  /// ended first.
  void fail_to_upgrade(const program_fate& fate, bool refused);

  /// Waits until it is as it is to be; what is under way for ever goes on.
  void settle();
  /// Ends it, settled, and expects that nothing is left.
  void end();

private:
  enum class phase { none, succeeds, fails, is_endless };

  std::string file(const std::string& name) const { return scratch_.file(name); }
  group_model configure(unsigned workers)
  {
    std::ofstream(file("workers")) << workers;
    return group_model(workers, 1, 4 * workers);
  }
  std::vector<std::string> with_files(std::vector<std::string> variables)
  {
    std::filesystem::create_symlink(cohort::detail::posix::executable_path(), file("program"));
    variables.push_back("COHORT_TEST_FILES=" + scratch_.path());
    // A worker that is killed while a sanitizer looks for leaks leaves the process that looks.
    variables.push_back("ASAN_OPTIONS=" + variable("ASAN_OPTIONS") + ":detect_leaks=0");
    return variables;
  }

  void hear();
  void catch_up();
  void finish_upgrade();
  void take_over();
  int wait(pid_t pid) { return pid == program_.pid() ? program_.wait() : program::wait_for(pid); }
  bool is_as_modelled() const;

  foster_parent parent_;
  scratch_directory scratch_;
  group_model model_;
  role_program program_;
  pid_t serving_ = 0;
  // Signals on which it has not acted as yet.
  std::set<int> sent_;
  phase upgrade_ = phase::none;
  group_model next_model_{0};
  // What is to be said of the upgrade that fails.
  std::string why_;
  unsigned refusals_ = 0;
  // Who has said so of late.
  pid_t started_ = 0, hanging_ = 0, over_ = 0;
};

// Implementation

inline modelled_program::~modelled_program()
{
  // A failed test leaves some.
  for (const pid_t each : {hanging_, started_, serving_}) {
    if (each == 0 || each == program_.pid()) continue;
    ::kill(each, SIGKILL);
    ::waitpid(each, nullptr, 0);
  }
}

// Waits for the next line.
inline void modelled_program::hear()
{
  const std::string line = program_.line();
  REQUIRE_MESSAGE(!line.empty(), "nobody is left: ", program_.errors());
  CAPTURE(line);
  std::istringstream words(line);
  pid_t who = 0;
  std::string what;
  int number = 0;
  words >> who >> what >> number;
  if (what == "started") started_ = who;
  else if (what == "hangs") hanging_ = who;
  else if (what == "over") over_ = who;
  // Also a new program that fails is told to end.
  else if (what == "signal" && number == SIGTERM) return;
  else if (what == "signal") {
    REQUIRE(who == serving_);
    REQUIRE(sent_.erase(number) == 1);
    model_.signalled(number);
  } else if (what == "busy") {
    REQUIRE(refusals_ != 0);
    --refusals_;
  } else {
    REQUIRE(what == "failed");
    REQUIRE(who == serving_);
    REQUIRE((upgrade_ == phase::fails || upgrade_ == phase::is_endless));
    REQUIRE(line.find("failed upgrade: ") != line.npos);
    REQUIRE(line.find(why_) != line.npos);
    upgrade_ = phase::none;
  }
}

// Waits until it has acted on all signals.
inline void modelled_program::catch_up()
{
  while (!sent_.empty() || refusals_ != 0) hear();
}

inline void modelled_program::signal(int number)
{
  // One that has a successor acts on signals no more, at some time.
  if (upgrade_ == phase::succeeds) finish_upgrade();
  // Two of a kind might be one.
  if (sent_.contains(number)) catch_up();
  sent_.insert(number);
  ::kill(serving_, number);
}

inline void modelled_program::upgrade(unsigned workers)
{
  finish_upgrade();
  catch_up();
  std::filesystem::remove(file("fate"));
  next_model_ = configure(workers);
  over_ = 0;
  signal(SIGUSR2);
  upgrade_ = phase::succeeds;
}

inline void modelled_program::fail_to_upgrade(const program_fate& fate, bool refused)
{
  if (upgrade_ == phase::is_endless && refused) {
    signal(SIGUSR2);
    ++refusals_;
    return;
  }
  finish_upgrade();
  std::ofstream(file("fate")) << fate.word;
  if (fate.word == "missing") std::filesystem::rename(file("program"), file("away"));
  why_ = fate.why;
  if (fate.signal == SIGUSR2) signal(SIGUSR2);
  else ::kill(serving_, fate.signal);
  upgrade_ = fate.endless ? phase::is_endless : phase::fails;
}

inline void modelled_program::finish_upgrade()
{
  if (upgrade_ == phase::succeeds) return take_over();
  if (upgrade_ == phase::is_endless) {
    // What is to be refused might begin another one.
    catch_up();
    while (hanging_ == 0) hear();
    ::kill(hanging_, SIGKILL);
  }
  while (upgrade_ != phase::none) hear();
  hanging_ = started_ = 0;
  if (std::filesystem::exists(file("away"))) std::filesystem::rename(file("away"), file("program"));
}

inline void modelled_program::take_over()
{
  while (over_ == 0) hear();
  REQUIRE(over_ == serving_);
  REQUIRE(started_ != 0);
  REQUIRE(sent_.empty());
  CHECK(wait(serving_) == 0);
  serving_ = std::exchange(started_, 0);
  model_ = next_model_;
  upgrade_ = phase::none;
  // It does not let itself be replaced before it has heard that it counts.
  const auto counts = [&] { return first_word(file("pid")) == std::to_string(serving_); };
  REQUIRE(soon(counts));
}

inline bool modelled_program::is_as_modelled() const
{
  if (first_word(file("pid")) != std::to_string(serving_)) return false;
  if (workers_of(serving_).size() != model_.count()) return false;
  const std::string count = std::to_string(model_.count());
  std::ifstream status(file("status"));
  std::string line;
  std::getline(status, line);
  return line.starts_with("group web workers " + count + " ready " + count +
                          " starting 0 leaving 0 generation ") &&
         line.ends_with(" state up");
}

inline void modelled_program::settle()
{
  catch_up();
  if (upgrade_ != phase::is_endless) finish_upgrade();
  const auto is_so = [this] { return is_as_modelled(); };
  const bool so = soon(is_so);
  std::ostringstream status;
  status << std::ifstream(file("status")).rdbuf();
  REQUIRE_MESSAGE(so, model_.count(), " workers are to be of ", serving_, ", pid file ",
      first_word(file("pid")), ", there are ", workers_of(serving_).size(), ", status\n",
      status.str());
}

inline void modelled_program::end()
{
  over_ = 0;
  ::kill(serving_, SIGTERM);
  while (over_ == 0) hear();
  CHECK(over_ == serving_);
  CHECK(wait(serving_) == 0);
  serving_ = hanging_ = 0;
  // Whoever could still say something is gone.
  for (std::string line = program_.line(); !line.empty(); line = program_.line())
    CHECK_MESSAGE(line.find(" hangs") != line.npos, line);
  CHECK(program_.errors() == "");
  CHECK_FALSE(std::filesystem::exists(file("pid")));
  CHECK(has_no_child());
}

} // namespace cohort_test
