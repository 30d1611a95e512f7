// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT

#include <cohort/detail/async/wait_service.hpp>

#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>

namespace wait_service_test {

using cohort::detail::wait_queue_base;

namespace {

class noted_queue final : public wait_queue_base {
public:
  explicit noted_queue(const asio::any_io_executor& executor, std::function<void()> note = {})
      : wait_queue_base(executor),
        note_(std::move(note))
  {
  }

  int emptied = 0;

private:
  void destroy_waiting() noexcept override
  {
    ++emptied;
    if (note_) note_();
  }

  std::function<void()> note_;
};

} // namespace

TEST_CASE("the end of a context empties each of its queues once")
{
  auto context = std::make_unique<asio::io_context>();
  noted_queue first(context->get_executor());
  noted_queue second(context->get_executor());
  context.reset();
  CHECK(first.emptied == 1);
  CHECK(second.emptied == 1);
}

TEST_CASE("a queue that has gone before is no concern of the service, wherever it stood")
{
  for (int gone = 0; gone != 3; ++gone) {
    asio::io_context other;
    auto context = std::make_unique<asio::io_context>();
    std::optional<noted_queue> queues[3];
    for (auto& each : queues) each.emplace(context->get_executor());
    queues[gone].reset();
    context.reset();
    for (auto& each : queues)
      if (each) CHECK(each->emptied == 1);
  }
}

TEST_CASE("emptying one queue may end it and another one")
{
  auto context = std::make_unique<asio::io_context>();
  // In the order in which the service comes to them: the last one first.
  auto third = std::make_unique<noted_queue>(context->get_executor());
  auto second = std::make_unique<noted_queue>(context->get_executor());
  std::unique_ptr<noted_queue> first;
  first = std::make_unique<noted_queue>(context->get_executor(), [&] {
    second.reset();
    auto note = std::move(first); // ends it within its own call
  });
  context.reset();
  CHECK_FALSE(first);
  CHECK_FALSE(second);
  CHECK(third->emptied == 1);
}

TEST_CASE("a queue made from a strand belongs to the context below it")
{
  auto context = std::make_unique<asio::io_context>();
  noted_queue queue(asio::make_strand(*context));
  context.reset();
  CHECK(queue.emptied == 1);
}

} // namespace wait_service_test
