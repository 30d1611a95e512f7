// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/client.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace cohort_test {

/// How long a client's connection lasts: for one request, or for as long as it can.
enum class connections { of_one_request, kept };

/// Clients on threads of their own that ask, one request after the other, until they are told to
/// stop.
class load {
public:
  load(const address& to, unsigned clients, connections kind = connections::of_one_request)
  {
    for (unsigned i = 0; i != clients; ++i)
      threads_.emplace_back([this, to, kind] { run(to, kind); });
  }
  ~load() { stop(); }
  load(const load&) = delete;
  load& operator=(const load&) = delete;

  /// Each ends with the request it has begun.
  void stop()
  {
    stopping_ = true;
    for (auto& each : threads_)
      if (each.joinable()) each.join();
  }

  /// How many requests have come to an end.
  std::size_t finished() const { return finished_; }

  /// After `stop`.
  const std::vector<answer>& answers() const { return answers_; }

private:
  void run(const address& to, connections kind)
  {
    std::vector<answer> mine;
    client kept;
    while (!stopping_) {
      mine.push_back(kind == connections::kept ? ask_on(kept, to) : ask(to));
      ++finished_;
    }
    const std::lock_guard lock(mutex_);
    answers_.insert(answers_.end(), mine.begin(), mine.end());
  }

  // Connects anew when the connection has ended.
  static answer ask_on(client& kept, const address& to)
  {
    answer result;
    result.result = kept.is_connected() ? outcome::ok : kept.connect(to);
    if (result.result == outcome::ok) result = kept.ask("keep");
    if (result.result != outcome::ok) kept.close();
    return result;
  }

  std::atomic<bool> stopping_ = false;
  std::atomic<std::size_t> finished_ = 0;
  std::mutex mutex_;
  std::vector<answer> answers_;
  std::vector<std::thread> threads_;
};

inline std::size_t count(const std::vector<answer>& answers, outcome result)
{
  return static_cast<std::size_t>(std::count_if(
      answers.begin(), answers.end(), [&](const answer& each) { return each.result == result; }));
}

/// "2000 ok, 3 reset", for messages.
inline std::string summary(const std::vector<answer>& answers)
{
  std::map<outcome, std::size_t> counts;
  for (const answer& each : answers) ++counts[each.result];
  std::string text;
  for (const auto& [result, number] : counts)
    text += (text.empty() ? "" : ", ") + std::to_string(number) + ' ' + to_string(result);
  return text;
}

} // namespace cohort_test
