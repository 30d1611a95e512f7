// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/message_relay.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace message_relay_test {

using cohort::worker_id;
using cohort::detail::relay_to;
namespace wire = cohort::detail::wire;

namespace {

struct noted_worker {
  const std::string& group() const { return name; }
  bool pass_on(const wire::message_view&, worker_id sender)
  {
    if (takes) heard.push_back(sender);
    return takes;
  }

  std::string name;
  bool takes = true;
  std::vector<worker_id> heard;
};

struct workers_test {
  explicit workers_test(std::vector<std::string> groups)
  {
    for (std::string& each : groups) {
      const auto id = static_cast<worker_id>(workers.size() + 1);
      workers[id] = std::make_shared<noted_worker>();
      workers[id]->name = std::move(each);
    }
  }
  bool send(worker_id sender, std::uint64_t worker, std::string_view group)
  {
    wire::message_view view;
    view.kind = wire::message_kind::relay;
    view.sequence = worker;
    view.group = group;
    return relay_to(workers, sender, view);
  }
  // Who has heard something since the last time.
  std::vector<worker_id> reached()
  {
    std::vector<worker_id> all;
    for (auto& [id, each] : workers)
      if (!std::exchange(each->heard, {}).empty()) all.push_back(id);
    return all;
  }

  std::map<worker_id, std::shared_ptr<noted_worker>> workers;
};

using ids = std::vector<worker_id>;

} // namespace

TEST_CASE("a message reaches whom it names, and never its sender")
{
  workers_test test({"a", "b", "b", ""});
  CHECK(test.send(1, 0, "b"));
  CHECK(test.reached() == ids{2, 3});
  CHECK(test.send(2, 0, "b"));
  CHECK(test.reached() == ids{3});
  CHECK(test.send(2, 0, ""));
  CHECK(test.reached() == ids{1, 3, 4});
  CHECK(test.send(1, 4, ""));
  CHECK(test.workers[4]->heard == ids{1});
  CHECK(test.reached() == ids{4});
}

TEST_CASE("a message that nobody takes reaches nobody")
{
  workers_test test({"a", "b"});
  CHECK_FALSE(test.send(1, 0, "c"));
  CHECK_FALSE(test.send(1, 0, "a"));
  CHECK_FALSE(test.send(1, 1, ""));
  CHECK_FALSE(test.send(1, 3, ""));
  // Not the first one.
  CHECK_FALSE(test.send(2, (1ull << 32) + 1, ""));
  test.workers[2]->takes = false;
  CHECK_FALSE(test.send(1, 2, ""));
  CHECK_FALSE(test.send(1, 0, "b"));
  CHECK_FALSE(test.send(1, 0, ""));
  CHECK(test.reached().empty());
}

} // namespace message_relay_test
