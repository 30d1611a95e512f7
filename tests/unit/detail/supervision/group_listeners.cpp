// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/supervision/group_listeners.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

namespace group_listeners_test {

using cohort::group;
using strings = std::vector<std::string>;

namespace {

struct noted_cluster {
  void listen(const cohort::unix_path& where, const cohort::listen_options&, std::error_code& error)
  {
    if (where.value() == refused) error = std::make_error_code(std::errc::address_in_use);
    else said.push_back("listen " + where.value());
  }
  void answer(const cohort::unix_path& where, const cohort::overflow&, std::error_code& error)
  {
    if (where.value() == mute) error = std::make_error_code(std::errc::too_many_files_open);
    else said.push_back("answer " + where.value());
  }
  void stop_listening(const cohort::unix_path& where) { said.push_back("stop " + where.value()); }

  // What these tests do not use.
  template <class Place>
  requires(!std::is_same_v<Place, cohort::unix_path>) void listen(
      const Place&, const cohort::listen_options&, std::error_code&)
  {
  }
  template <class Place>
  requires(!std::is_same_v<Place, cohort::unix_path>) void answer(
      const Place&, const cohort::overflow&, std::error_code&)
  {
  }
  template <class Place>
  requires(!std::is_same_v<Place, cohort::unix_path>) void stop_listening(const Place&) {}

  std::string refused, mute;
  strings said;
};

group three()
{
  group description("web");
  for (const char* each : {"/a", "/b", "/c"}) description.listen(cohort::unix_path(each));
  return description;
}

} // namespace

TEST_CASE("listeners are opened in their order, and closed")
{
  noted_cluster cluster;
  std::error_code error;
  cohort::detail::open_listeners(cluster, three(), error);
  CHECK(!error);
  CHECK(cluster.said == strings{"listen /a", "listen /b", "listen /c"});
  cluster.said.clear();
  cohort::detail::close_listeners(cluster, three());
  CHECK(cluster.said == strings{"stop /a", "stop /b", "stop /c"});
}

TEST_CASE("when one fails none stays open, that which cannot answer included")
{
  noted_cluster cluster;
  cluster.refused = "/c";
  std::error_code error;
  cohort::detail::open_listeners(cluster, three(), error);
  CHECK(error == std::errc::address_in_use);
  CHECK(cluster.said == strings{"listen /a", "listen /b", "stop /a", "stop /b"});

  noted_cluster other;
  other.mute = "/b";
  error.clear();
  group description = three();
  description.gone(cohort::overflow::refuse("nobody"));
  cohort::detail::open_listeners(other, description, error);
  CHECK(error == std::errc::too_many_files_open);
  CHECK(other.said == strings{"listen /a", "answer /a", "listen /b", "stop /a", "stop /b"});
}

TEST_CASE("when one group cannot listen none does")
{
  struct described {
    group what;
    const group& description() const { return what; }
  };
  const auto one = [](const char* path) {
    return std::make_shared<described>(described{group("some").listen(cohort::unix_path(path))});
  };
  const std::vector<std::shared_ptr<described>> groups{one("/a"), one("/b"), one("/c"), one("/d")};
  noted_cluster cluster;
  std::error_code error;
  cohort::detail::open_all_listeners(cluster, groups, error);
  CHECK_FALSE(error);
  CHECK(cluster.said == strings{"listen /a", "listen /b", "listen /c", "listen /d"});
  noted_cluster other;
  other.refused = "/c";
  cohort::detail::open_all_listeners(other, groups, error);
  CHECK(error == std::errc::address_in_use);
  CHECK(other.said == strings{"listen /a", "listen /b", "stop /b", "stop /a"});
}

} // namespace group_listeners_test
