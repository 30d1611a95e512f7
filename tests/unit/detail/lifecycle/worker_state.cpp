// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/lifecycle/worker_state.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace worker_state_test {

using cohort::exit_status;
using cohort::detail::heeded;
using cohort::detail::worker_action;
using cohort::detail::worker_actions;
using cohort::detail::worker_state;

namespace {

enum class input {
  started,
  hello,
  frame,
  listen,
  ready,
  drain,
  leaving,
  bye,
  violated,
  close,
  channel_end,
  exited,
};
constexpr input all_inputs[] = {input::hello, input::frame, input::listen, input::ready,
    input::drain, input::leaving, input::bye, input::violated, input::close, input::channel_end,
    input::exited};

worker_actions apply(worker_state& state, input i)
{
  switch (i) {
  case input::started: return state.started();
  case input::hello: return state.hello();
  case input::frame: return state.frame();
  case input::listen: return state.listen_succeeded();
  case input::ready: return state.ready();
  case input::drain: return state.drain_requested();
  case input::leaving: return state.leaving();
  case input::bye: return state.bye();
  case input::violated: return state.violated();
  case input::close: return state.channel_closed();
  case input::channel_end: return state.channel_ended();
  case input::exited: return state.exited(exit_status::signalled(9));
  }
  return {};
}

std::string words(const worker_actions& actions)
{
  static const char* const names[] = {"fork", "online", "listening", "ready", "stop", "leave",
      "leave_soon", "bye_ack", "finish_channels", "condemn", "fence", "take_back", "remove",
      "disconnect", "exit"};
  std::string all;
  for (const worker_action a : actions)
    all += (all.empty() ? "" : " ") + std::string(names[static_cast<int>(a)]);
  return all;
}

struct life {
  const char* name;
  std::vector<std::pair<input, const char*>> steps;
  bool exited_after_disconnect;
};

using enum input;
const life lives[] = {
    {"a crash",
        {{hello, "online"}, {frame, ""}, {listen, "listening"}, {listen, "listening"},
            {channel_end, "stop fence disconnect"}, {exited, "stop take_back remove exit"}},
        false},
    {"it serves before it listens",
        {{ready, ""}, {hello, "online"}, {ready, "ready"}, {listen, "listening"}, {ready, ""},
            {exited, "stop exit"}, {ready, ""}},
        false},
    {"it serves when it has been told to leave",
        {{hello, "online"}, {drain, "leave"}, {ready, ""}, {bye, "bye_ack"}}, true},
    {"a crash whose exit is seen first",
        {{hello, "online"}, {exited, "stop exit"}, {frame, ""},
            {channel_end, "stop take_back remove disconnect"}},
        false},
    {"the primary disconnects, and again",
        {{hello, "online"}, {drain, "leave"}, {drain, ""}, {listen, ""}, {frame, ""},
            {bye, "bye_ack"}, {drain, ""}, {channel_end, "stop disconnect"}, {drain, ""},
            {exited, "stop take_back remove exit"}, {drain, ""}},
        true},
    {"the worker leaves by itself",
        {{hello, "online"}, {leaving, "leave_soon"}, {frame, ""}, {bye, "bye_ack"},
            {channel_end, "stop disconnect"}, {exited, "stop take_back remove exit"}},
        true},
    {"both at once",
        {{hello, "online"}, {drain, "leave"}, {leaving, ""}, {bye, "bye_ack"},
            {channel_end, "stop disconnect"}, {exited, "stop take_back remove exit"}},
        true},
    {"disconnected, then killed",
        {{hello, "online"}, {drain, "leave"}, {channel_end, "stop fence disconnect"},
            {exited, "stop take_back remove exit"}},
        true},
    {"disconnected after its channel had ended",
        {{hello, "online"}, {channel_end, "stop fence disconnect"}, {drain, ""},
            {exited, "stop take_back remove exit"}},
        true},
    {"asked to leave only when it is dead",
        {{hello, "online"}, {exited, "stop exit"}, {drain, ""}, {leaving, "stop"},
            {channel_end, "stop take_back remove disconnect"}},
        false},
    {"asked to leave before it says hello",
        {{drain, "leave"}, {hello, "online"}, {listen, ""}, {bye, "bye_ack"},
            {channel_end, "stop disconnect"}, {exited, "stop take_back remove exit"}},
        true},
    {"never says hello",
        {{channel_end, "stop fence disconnect"}, {exited, "stop take_back remove exit"}}, false},
    {"the program cuts the channel, and again",
        {{hello, "online"}, {close, "stop finish_channels fence"}, {close, ""}, {hello, ""},
            {frame, ""}, {listen, ""}, {leaving, ""}, {bye, ""}, {channel_end, "stop disconnect"},
            {close, ""}, {exited, "stop take_back remove exit"}, {close, ""}},
        false},
    {"cut before its hello",
        {{close, "stop finish_channels fence"}, {hello, ""}, {frame, ""}, {hello, ""},
            {exited, "stop exit"}, {channel_end, "stop take_back remove disconnect"}},
        false},
    {"cut while it leaves",
        {{hello, "online"}, {leaving, "leave_soon"}, {close, "stop finish_channels fence"},
            {bye, ""}, {channel_end, "stop disconnect"}, {exited, "stop take_back remove exit"}},
        true},
    {"cut when it has left",
        {{hello, "online"}, {drain, "leave"}, {bye, "bye_ack"}, {close, "stop finish_channels"},
            {channel_end, "stop disconnect"}, {exited, "stop take_back remove exit"}},
        true},
    {"asked to leave when it was cut",
        {{hello, "online"}, {close, "stop finish_channels fence"}, {drain, ""},
            {channel_end, "stop disconnect"}, {exited, "stop take_back remove exit"}},
        true},
    {"breaks the protocol when it was cut",
        {{hello, "online"}, {close, "stop finish_channels fence"}, {violated, "stop condemn"},
            {close, ""}, {channel_end, "stop disconnect"}, {exited, "stop take_back remove exit"}},
        false},
    {"cut when it is condemned, or dead, already",
        {{hello, "online"}, {violated, "stop condemn"}, {close, ""}, {exited, "stop exit"},
            {close, ""}},
        false},
    {"everything twice",
        {{hello, "online"}, {channel_end, "stop fence disconnect"}, {channel_end, ""},
            {exited, "stop take_back remove exit"}, {exited, ""}, {channel_end, ""}},
        false},
    {"hello twice", {{hello, "online"}, {hello, "stop condemn"}}, false},
    {"a frame before hello", {{frame, "stop condemn"}}, false},
    {"leaving before hello", {{leaving, "stop condemn"}}, false},
    {"leaving twice", {{hello, "online"}, {leaving, "leave_soon"}, {leaving, "stop condemn"}},
        true},
    {"bye before hello", {{drain, "leave"}, {bye, "stop condemn"}}, true},
    {"bye without the barrier", {{hello, "online"}, {bye, "stop condemn"}}, false},
    {"a frame after bye",
        {{hello, "online"}, {leaving, "leave_soon"}, {bye, "bye_ack"}, {frame, "stop condemn"}},
        true},
    {"condemned, then ignored until it is dead",
        {{hello, "online"}, {violated, "stop condemn"}, {violated, ""}, {hello, ""}, {frame, ""},
            {leaving, ""}, {bye, ""}, {listen, ""}, {channel_end, "stop disconnect"},
            {exited, "stop take_back remove exit"}},
        false},
};

// What was demanded so far, and what follows from it.
struct monitor {
  bool forked = false, online = false, ready = false, stopped = false, drained = false,
       condemned = false;
  bool fenced = false, taken_back = false, removed = false, disconnected = false, exited = false;
  bool said_bye = false, announced = false, cut = false;

  friend bool operator==(const monitor&, const monitor&) = default;

  void see(input i, const worker_actions& actions)
  {
    const bool readable = !disconnected && !condemned && !cut;
    if (i == input::drain && !exited) announced = true;
    for (const worker_action a : actions) {
      CHECK((forked || a == worker_action::publish_fork));
      switch (a) {
      case worker_action::publish_fork: once(forked); break;
      case worker_action::publish_online:
        CHECK((readable && !exited));
        once(online);
        break;
      case worker_action::publish_listening:
        CHECK((online && readable && !stopped && !exited));
        break;
      case worker_action::publish_ready:
        CHECK((online && readable && !stopped && !exited));
        once(ready);
        break;
      case worker_action::stop_offers: stopped = true; break;
      case worker_action::let_leave:
      case worker_action::let_leave_soon:
        CHECK((a == worker_action::let_leave_soon) == (i == input::leaving));
        CHECK((readable && !exited));
        once(drained);
        stopped = true;
        break;
      case worker_action::send_bye_ack:
        CHECK((drained && online && readable && !exited));
        once(said_bye);
        break;
      case worker_action::finish_channels:
        CHECK((stopped && readable && !exited));
        once(cut);
        break;
      case worker_action::condemn:
        CHECK((stopped && !disconnected));
        once(condemned);
        break;
      case worker_action::fence:
        CHECK((!said_bye && !exited && !condemned));
        once(fenced);
        break;
      case worker_action::take_back:
        CHECK((stopped && !removed && (disconnected || exited)));
        once(taken_back);
        break;
      case worker_action::remove:
        CHECK((taken_back && disconnected != exited));
        once(removed);
        break;
      case worker_action::publish_disconnect:
        CHECK(removed == exited);
        once(disconnected);
        break;
      case worker_action::publish_exit:
        CHECK(removed == disconnected);
        once(exited);
        break;
      }
    }
    if (i == input::leaving && !condemned && readable && !exited) announced = true;
  }

  void agree(const worker_state& state) const
  {
    CHECK(state.is_connected() == (!disconnected && !condemned && !cut));
    const heeded heard = disconnected ? heeded::none
                         : condemned  ? heeded::taken
                         : cut        ? heeded::connections
                                      : heeded::all;
    CHECK(state.heeds() == heard);
    CHECK(state.is_dead() == exited);
    CHECK(state.is_ready() == ready);
    CHECK(state.is_over() == (disconnected && exited));
    CHECK(state.exited_after_disconnect() == announced);
    if (state.takes_offers()) CHECK((online && !stopped && !exited));
    if (online && !stopped && !exited) CHECK(state.takes_offers());
  }

private:
  static void once(bool& flag)
  {
    CHECK_FALSE(flag);
    flag = true;
  }
};

} // namespace

TEST_CASE("each kind of life demands what it should")
{
  for (const life& l : lives) {
    CAPTURE(l.name);
    worker_state state;
    CHECK(words(state.started()) == "fork");
    for (const auto& [i, expected] : l.steps) CHECK(words(apply(state, i)) == expected);
    CHECK(state.exited_after_disconnect() == l.exited_after_disconnect);
    if (l.steps.back().first == input::exited) CHECK(state.status() == exit_status::signalled(9));
  }
}

TEST_CASE("every order of inputs keeps the order of events")
{
  struct node {
    worker_state state;
    monitor seen;
    bool operator==(const node&) const = default;
  };
  node first;
  first.seen.see(input::started, first.state.started());
  std::vector<node> nodes = {first};
  for (std::size_t n = 0; n != nodes.size(); ++n) {
    for (const input i : all_inputs) {
      node next = nodes[n];
      next.seen.see(i, apply(next.state, i));
      next.seen.agree(next.state);
      if (std::find(nodes.begin(), nodes.end(), next) == nodes.end()) nodes.push_back(next);
    }
    // From everywhere the end is reached, in both orders.
    for (const input one : {channel_end, exited}) {
      const input other = one == exited ? channel_end : exited;
      node last = nodes[n];
      last.seen.see(one, apply(last.state, one));
      last.seen.see(other, apply(last.state, other));
      CHECK((last.state.is_over() && last.seen.removed && last.seen.taken_back));
    }
  }
  CHECK(nodes.size() > 50);
}

} // namespace worker_state_test
