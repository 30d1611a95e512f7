// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: handles go between a worker and its primary
// expect-lines: 15
//
// Descriptors do not go from worker to worker.

#include <cohort/message/json.hpp>
#include <cohort/this_worker.hpp>

#include <asio/io_context.hpp>
#include <boost/json/value.hpp>

#include <utility>

int main()
{
  asio::io_context context;
  cohort::this_worker self(context);
  cohort::handle file = cohort::handle::adopt(0);
#ifdef MUST_FAIL
  self.send_to("web", boost::json::value(1), std::move(file));
#else
  self.send_to("web", boost::json::value(1));
#endif
}
