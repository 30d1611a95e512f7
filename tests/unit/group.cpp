// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/group.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace group_test {

using namespace std::chrono_literals;
using asio::ip::tcp;
using cohort::group;

TEST_CASE("a group says what it was told, and else its defaults")
{
  const group usual("web");
  CHECK(usual.name() == "web");
  CHECK(usual.workers() == 0);
  CHECK(usual.settings().group() == "web");
  CHECK(usual.listeners().empty());
  CHECK_FALSE(usual.gone());
  CHECK(usual.ready_when() == cohort::readiness::said);
  CHECK_FALSE(usual.serial());
  CHECK(usual.drain_deadline() == 30s);

  group own = group("mail").workers(3).program("/bin/mailer", {"-v"}).max_requests(9);
  own.listen(tcp::endpoint(tcp::v4(), 25), cohort::listen_options().backlog(7));
  own.listen(cohort::any_host(26)).listen(cohort::unix_path("/run/mail"));
  own.gone(cohort::overflow::refuse("no")).ready_when(cohort::readiness::online).serial(true);
  own.restarts(cohort::restart_policy().pause(5s)).drain_deadline(1s);
  CHECK(own.workers() == 3);
  CHECK(own.settings().exec() == "/bin/mailer");
  CHECK(own.settings().args() == std::vector<std::string>(1, "-v"));
  CHECK(own.settings().max_requests() == 9);
  CHECK(own.settings().retire_jitter() == 0.1);
  own.max_age(1h).max_memory(1 << 20).max_descriptors(100).retire_jitter(0.5);
  CHECK(own.settings().max_age() == 1h);
  CHECK(own.settings().max_memory() == 1 << 20);
  CHECK(own.settings().max_descriptors() == 100);
  CHECK(own.settings().retire_jitter() == 0.5);
  REQUIRE(own.listeners().size() == 3);
  CHECK(std::get<tcp::endpoint>(own.listeners()[0].where).port() == 25);
  CHECK(own.listeners()[0].options.backlog() == 7);
  CHECK(std::get<cohort::any_host>(own.listeners()[1].where).port() == 26);
  CHECK(own.gone());
  CHECK(own.ready_when() == cohort::readiness::online);
  CHECK(own.serial());
  CHECK(own.restarts().pause() == 5s);
  CHECK(own.drain_deadline() == 1s);
}

TEST_CASE("the settings of a group are laid over one another, and its name stays")
{
  group own("web");
  own.settings(cohort::settings().cwd("/tmp").silent(true));
  own.settings(cohort::settings().cwd("/var"));
  CHECK(own.settings().cwd() == "/var");
  CHECK(own.settings().silent());
  CHECK(own.settings().group() == "web");
}

TEST_CASE("a group has bounds that make sense, if it has any")
{
  CHECK_FALSE(group("web").scalable());
  CHECK(group("web").scalable(1, 4).scalable() == std::pair(1U, 4U));
  CHECK(group("web").scalable(2, 2).scalable() == std::pair(2U, 2U));
  CHECK_THROWS_AS(group("web").scalable(0, 4), std::invalid_argument);
  CHECK_THROWS_AS(group("web").scalable(3, 2), std::invalid_argument);
}

TEST_CASE("a group has to know its ports")
{
  group own("web");
  CHECK_THROWS_AS(own.listen(tcp::endpoint(tcp::v4(), 0)), std::invalid_argument);
  CHECK_THROWS_AS(own.listen(cohort::any_host()), std::invalid_argument);
  CHECK(own.listeners().empty());
}

TEST_CASE("a group has a name that can be told")
{
  CHECK_THROWS_AS(group(""), std::invalid_argument);
  CHECK_THROWS_AS(group(std::string("a\0b", 3)), std::invalid_argument);
  CHECK_THROWS_AS(group("two words"), std::invalid_argument);
  CHECK_THROWS_AS(group(std::string(65, 'a')), std::invalid_argument);
  CHECK_THROWS_AS(group("two\nlines"), std::invalid_argument);
}

} // namespace group_test
