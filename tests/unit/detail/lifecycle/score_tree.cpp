// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/score_tree.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

namespace score_tree_test {

using cohort::detail::score_tree;

namespace {

// The same by a look at all.
std::size_t find_lowest(const std::vector<double>& scores, std::size_t first)
{
  const double lowest = *std::min_element(scores.begin(), scores.end());
  for (std::size_t i = first; i < scores.size(); ++i)
    if (scores[i] == lowest) return i;
  return static_cast<std::size_t>(std::find(scores.begin(), scores.end(), lowest) - scores.begin());
}

} // namespace

TEST_CASE("nothing is the lowest of no numbers")
{
  score_tree tree;
  CHECK(tree.size() == 0);
  CHECK(tree.lowest() == score_tree::out);
  tree.reset(0);
  CHECK(tree.lowest() == score_tree::out);
}

TEST_CASE("at first nobody takes part")
{
  score_tree tree;
  for (const std::size_t size : {1u, 2u, 3u, 8u, 9u}) {
    tree.reset(size);
    CHECK(tree.size() == size);
    CHECK(tree.lowest() == score_tree::out);
    for (std::size_t first = 0; first != size + 2; ++first) CHECK(tree.find_lowest(first) < size);
  }
}

TEST_CASE("the lowest number is found from where one looks, then from the beginning")
{
  score_tree tree;
  tree.reset(6);
  for (std::size_t i = 0; i != 6; ++i) tree.set(i, i % 2 == 0 ? 1 : 2);
  CHECK(tree.lowest() == 1);
  CHECK(tree.find_lowest(0) == 0);
  CHECK(tree.find_lowest(1) == 2);
  CHECK(tree.find_lowest(4) == 4);
  CHECK(tree.find_lowest(5) == 0);
  CHECK(tree.find_lowest(6) == 0);
  CHECK(tree.find_lowest(100) == 0);
}

TEST_CASE("after any changes it finds what a look at all numbers finds")
{
  std::mt19937 random(5);
  score_tree tree;
  for (int round = 0; round != 300; ++round) {
    std::vector<double> scores(1 + random() % 40, score_tree::out);
    tree.reset(scores.size());
    for (int step = 0; step != 60; ++step) {
      const std::size_t i = random() % scores.size();
      // Few different ones, so that there are equals.
      scores[i] = random() % 5 == 0 ? score_tree::out : static_cast<double>(random() % 6);
      tree.set(i, scores[i]);
      REQUIRE(tree.lowest() == *std::min_element(scores.begin(), scores.end()));
      const std::size_t first = random() % (scores.size() + 2);
      REQUIRE(tree.find_lowest(first) == find_lowest(scores, first));
    }
  }
}

TEST_CASE("once it is cleared it has no numbers, and once it is reset no old ones")
{
  score_tree tree;
  tree.reset(5);
  tree.set(4, 1);
  tree.clear();
  CHECK(tree.size() == 0);
  CHECK(tree.lowest() == score_tree::out);
  tree.reset(5);
  CHECK(tree.lowest() == score_tree::out);
}

TEST_CASE("only more numbers than ever before need memory")
{
  score_tree tree;
  tree.reset(100);
  const auto allocated = cohort_test::allocations_of([&] {
    for (const std::size_t size : {100u, 3u, 64u, 128u}) {
      tree.reset(size);
      for (std::size_t i = 0; i != size; ++i) tree.set(i, static_cast<double>(size - i));
    }
  });
  CHECK(allocated.count == 0);
}

} // namespace score_tree_test
