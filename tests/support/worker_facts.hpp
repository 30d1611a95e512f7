// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "support/cluster_fixture.hpp"

#include <boost/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace cohort_test {

/// Starts a worker of the role "node_settings" (tests/process/node/settings_role.cpp).
inline cohort::environment facts_role() { return role("node_settings"); }

/// What such a worker was started with.
inline awaitable<boost::json::value> facts_of(cohort::worker worker)
{
  auto envelope = co_await worker.receive();
  co_return envelope.message;
}

/// Of a new one.
inline awaitable<boost::json::value> new_facts(
    cluster_fixture& primary, cohort::environment variables = facts_role())
{
  cohort::worker worker = co_await primary.cluster().co_fork(std::move(variables));
  boost::json::value facts = co_await facts_of(worker);
  co_return facts;
}

inline std::string text_of(const boost::json::value& word) { return std::string(word.as_string()); }

inline std::vector<std::string> words_of(const boost::json::value& list)
{
  std::vector<std::string> words;
  for (const boost::json::value& each : list.as_array()) words.push_back(text_of(each));
  return words;
}

template <class Number>
std::vector<Number> numbers_of(const boost::json::value& list)
{
  std::vector<Number> numbers;
  for (const boost::json::value& each : list.as_array())
    numbers.push_back(each.to_number<Number>());
  return numbers;
}

} // namespace cohort_test
