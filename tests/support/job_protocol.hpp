// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/cluster.hpp>
#include <cohort/message/binary.hpp>
#include <cohort/this_worker.hpp>

#include <boost/describe/class.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// Messages between a primary and workers that do what they are told, see
/// process/message_roles.cpp.
namespace cohort_test::jobs {

struct task {
  std::string what;
  std::uint64_t number = 0;
};
struct result {
  std::string what;
  std::uint64_t number = 0;
};
struct blob {
  std::vector<std::byte> bytes;
};
struct only_new {
  int value = 0;
};
BOOST_DESCRIBE_STRUCT(task, (), (what, number))
BOOST_DESCRIBE_STRUCT(result, (), (what, number))
BOOST_DESCRIBE_STRUCT(blob, (), (bytes))
BOOST_DESCRIBE_STRUCT(only_new, (), (value))

using job_protocol = cohort::protocol<cohort::to_primary<result, blob>,
    cohort::to_worker<task, blob>, cohort::binary_codec>;
// What a later version of the program may have.
using later_protocol = cohort::protocol<cohort::to_primary<result, only_new>,
    cohort::to_worker<task, blob>, cohort::binary_codec>;
using cluster_type = cohort::cluster<cohort::round_robin, job_protocol>;
using worker_type = cluster_type::worker_type;
using self_type = cohort::basic_this_worker<job_protocol>;

inline task make_task(std::string what, std::uint64_t number = 0)
{
  task made;
  made.what = std::move(what);
  made.number = number;
  return made;
}

inline result answer_to(const task& asked)
{
  result answer;
  answer.what = asked.what;
  answer.number = asked.number + 1;
  return answer;
}

} // namespace cohort_test::jobs
