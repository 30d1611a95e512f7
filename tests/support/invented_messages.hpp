// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/channel/incoming_messages.hpp>

#include "support/channel_peer.hpp"
#include "support/event_loop.hpp"
#include "support/test_messages.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace cohort_test {

using invented_list = cohort::detail::message_list<note, question, verdict>;

/// A channel whose messages the test invents.
template <class Codec>
struct invented_channel final
    : cohort::detail::message_source<cohort::envelope<invented_list::value>>,
      std::enable_shared_from_this<invented_channel<Codec>> {
  using incoming_type = cohort::detail::incoming_messages<invented_list, Codec>;
  using received = typename incoming_type::received_type;

  invented_channel(const asio::any_io_executor& e, const cohort::channel_options& options)
      : executor(e),
        incoming(executor, options, 5)
  {
  }

  const asio::any_io_executor& get_executor() const noexcept { return executor; }
  template <class Reply>
  void reply(std::uint64_t, Reply)
  {
  }
  void fail_request(std::uint64_t number, std::error_code why, std::string_view what)
  {
    failed.push_back(number);
    problem(why, std::string(what));
  }
  void served() {}
  void problem(std::error_code code, std::string what)
  {
    codes.push_back(code);
    texts.push_back(std::move(what));
  }
  void want() override {}
  bool take(received& into) override { return incoming.box().take(into); }
  std::size_t held_bytes() const noexcept override { return incoming.box().bytes(); }

  asio::any_io_executor executor;
  incoming_type incoming;
  std::vector<std::uint64_t> failed;
  std::vector<std::error_code> codes;
  std::vector<std::string> texts;
};

/// What such a channel does with them.
template <class Codec = cohort::binary_codec>
struct invented_messages {
  using core_type = invented_channel<Codec>;
  using hub_type = typename core_type::incoming_type::hub_type;
  using received = typename core_type::received;

  asio::io_context context{1};
  std::shared_ptr<core_type> core;

  explicit invented_messages(const cohort::channel_options& options = {})
      : core(std::make_shared<core_type>(context.get_executor(), options))
  {
  }

  auto& incoming() { return core->incoming; }

  template <class Message>
  static wire::message_type_id id_of()
  {
    return {cohort::message_id<Message>(), Codec::template schema<Message>()};
  }
  /// A message of the peer; gives its size as the bounds count it.
  template <class Message>
  std::size_t arrive(const Message& message, wire::message_kind what = wire::message_kind::message,
      std::uint64_t number = 0, std::span<posix::unique_fd> fds = {}, bool truncated = false)
  {
    cohort::byte_sink sink;
    Codec::encode(message, sink);
    return arrive_as(id_of<Message>(), sink.bytes(), what, number, fds, truncated);
  }
  std::size_t arrive_as(wire::message_type_id type, const bytes& body,
      wire::message_kind what = wire::message_kind::message, std::uint64_t number = 0,
      std::span<posix::unique_fd> fds = {}, bool truncated = false)
  {
    io::received_descriptors descriptors{fds, truncated};
    incoming().received(*core, {what, number, type, body, {}}, descriptors);
    return wire::message_head_size + body.size();
  }

  /// A request of this side, the next one.
  void ask(completion<verdict>& got, std::optional<std::chrono::hours> deadline = std::nullopt)
  {
    using pending = cohort::detail::pending_request_for<verdict, Codec>;
    incoming().requests().add(
        std::make_unique<pending>(core->executor, got.handler()), 0, deadline, core);
  }
  std::shared_ptr<hub_type> add_hub()
  {
    auto hub = std::make_shared<hub_type>(core->executor);
    incoming().set_hub(hub);
    return hub;
  }

  void run() { run_ready(context); }
  std::optional<note> next_note()
  {
    received got;
    if (!incoming().box().take(got)) return std::nullopt;
    return std::get<note>(got.message);
  }
};

} // namespace cohort_test
