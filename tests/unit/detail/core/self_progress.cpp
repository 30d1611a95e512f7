// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/core/self_progress.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace self_progress_test {

using namespace cohort::detail;
using strings = std::vector<std::string>;

namespace {

class noted_core : public self_progress<noted_core>,
                   public std::enable_shared_from_this<noted_core> {
public:
  explicit noted_core(const asio::any_io_executor& executor) : executor_(executor) {}

  const asio::any_io_executor& get_executor() const noexcept { return executor_; }
  void tell(const wire::load& message) { said.push_back("load " + std::to_string(message.value)); }
  void tell(const wire::served& message)
  {
    said.push_back("served " + std::to_string(message.count));
  }
  void tell(const wire::ready&) { said.push_back("ready"); }
  void tell(const wire::replace&) { said.push_back("replace"); }
  void tell(const wire::reload& message) { said.push_back("reload " + message.group.text()); }
  void tell(const wire::value& message)
  {
    said.push_back(message.name.text() + '=' + message.text.text());
  }

  strings said;

private:
  asio::any_io_executor executor_;
};

} // namespace

TEST_CASE("load and requests are told when the event loop has its turn, the rest at once")
{
  asio::io_context context(1);
  const auto core = std::make_shared<noted_core>(context.get_executor());
  core->report_load(1);
  core->request_done(2);
  core->ready();
  core->report_load(4);
  core->request_done(3);
  core->request_replacement();
  CHECK(core->said == strings{"ready", "replace"});
  context.poll();
  CHECK(core->said == strings{"ready", "replace", "load 4", "served 5"});
  context.restart();
  core->request_done(1);
  context.poll();
  CHECK(core->said.back() == "served 1");
}

TEST_CASE("a worker serves once and is to be replaced once")
{
  asio::io_context context(1);
  const auto core = std::make_shared<noted_core>(context.get_executor());
  for (int i = 0; i != 2; ++i) {
    core->ready();
    core->request_replacement();
  }
  CHECK(core->said == strings{"ready", "replace"});
}

TEST_CASE("a reload is asked for as often as the program likes")
{
  asio::io_context context(1);
  const auto core = std::make_shared<noted_core>(context.get_executor());
  core->request_reload("");
  core->request_reload("mail");
  core->request_reload("mail");
  CHECK_THROWS_AS(core->request_reload(std::string(65, 'a')), std::invalid_argument);
  CHECK(core->said == strings{"reload ", "reload mail", "reload mail"});
}

TEST_CASE("a value is told when it is news, and names are few and plain")
{
  asio::io_context context(1);
  const auto core = std::make_shared<noted_core>(context.get_executor());
  core->report_value("a", "1");
  core->report_value("a", "1");
  core->report_value("b", "");
  core->report_value("a", "2 words");
  core->report_value("a", "");
  core->report_value("a", "");
  CHECK(core->said == strings{"a=1", "a=2 words", "a="});
  for (const char* bad : {"", "a b", "a=b", "a\n"})
    CHECK_THROWS_AS(core->report_value(bad, "1"), std::invalid_argument);
  CHECK_THROWS_AS(core->report_value(std::string(65, 'a'), "1"), std::invalid_argument);
  CHECK_THROWS_AS(core->report_value("a", std::string(257, 'a')), std::invalid_argument);
  for (int i = 0; i != 64; ++i) core->report_value("name" + std::to_string(i), "1");
  CHECK_THROWS_AS(core->report_value("one", "1"), std::length_error);
  core->report_value("name7", "");
  core->report_value("one", "1");
  CHECK(core->said.back() == "one=1");
}

} // namespace self_progress_test
