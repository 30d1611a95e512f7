// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/control_fields.hpp>
#include <cohort/detail/wire/frame.hpp>

#include <cstddef>
#include <cstdint>

// The messages of the control channel. docs/protocol.md says which side sends what and when; here
// is what they hold, and everything that can be checked without knowing any state.

namespace cohort::detail::wire {

/// The version both sides must speak.
inline constexpr std::uint16_t protocol_version = 1;

/// The most connections that may be offered to one worker and not be answered yet.
inline constexpr std::uint16_t max_outstanding = 128;

/// The type in the header of a control frame.
enum class message_type : std::uint16_t {
  hello = 1,  ///< Both ways, first.
  listen = 2, ///< From here to `reload`: worker to primary.
  close = 3,
  credit = 4,
  taken = 5,
  refused = 6,
  released = 7,
  leaving = 8,
  bye = 9,
  load = 10,
  accepted = 11,
  listening = 12,
  ready = 13,
  served = 14,
  replace = 15,
  beat = 24,
  value = 25,
  reload = 26,
  relays = 27,
  listen_reply = 16, ///< From here: primary to worker.
  offer = 17,
  drain = 18,
  bye_ack = 19,
  turn = 20,
  watch = 32,
};

// Each message names its type, its fields in wire order (once, for encoding and decoding), and what
// makes it invalid by itself; and how many bytes its fields are at most, where that is much. All
// are comparable.

struct hello {
  static constexpr message_type type = message_type::hello;
  std::uint16_t protocol = protocol_version;
  std::uint16_t reserved = 0;
  std::uint32_t library = 0; ///< major * 10000 + minor * 100 + patch
  std::uint64_t schema = 0;  ///< fingerprint of the user's message types, 0 without any

  static void fields(auto& self, auto&& field)
  {
    field(self.protocol), field(self.reserved), field(self.library), field(self.schema);
  }
  bool valid() const noexcept { return reserved == 0; }
  friend bool operator==(const hello&, const hello&) = default;
};

struct listen {
  static constexpr message_type type = message_type::listen;
  std::uint32_t request = 0; ///< chosen by the worker, comes back in the reply
  listen_kind kind = listen_kind::tcp;
  std::uint8_t flags = 0;
  std::uint16_t index = 0; ///< n-th listen on port 0 of this worker; n-th socket of its name
  std::uint32_t backlog = 0;
  std::uint32_t mode = 0; ///< permission bits of a unix socket's file
  address_bytes address;
  std::uint32_t descriptor = 0; ///< of the primary's, for the inherited kinds
  path_text path;               ///< of a unix socket, when it is too long for an address; a name
  shared_bytes data;

  static constexpr std::size_t largest =
      20 + (1 + address_bytes::capacity) + (2 + path_text::capacity) + (2 + shared_bytes::capacity);

  static void fields(auto& self, auto&& field)
  {
    field(self.request), field(self.kind), field(self.flags), field(self.index);
    field(self.backlog), field(self.mode), field(self.address), field(self.descriptor);
    field(self.path), field(self.data);
  }
  bool valid() const noexcept
  {
    constexpr std::uint8_t known = listen_ipv6_only | listen_hold_when_empty | listen_paced |
                                   listen_any_host | listen_reuse_address;
    const bool any_host = (flags & listen_any_host) != 0;
    const bool reuse_address = (flags & listen_reuse_address) != 0;
    const bool has_path = !path.text().empty();
    const bool is_named = kind == listen_kind::named_stream;
    return kind <= listen_kind::named_stream && (flags & ~known) == 0 && mode <= 07777 &&
           (!any_host || kind == listen_kind::tcp) && (!reuse_address || is_datagram(kind)) &&
           (descriptor == 0 || is_inherited(kind)) &&
           (!has_path || is_named || kind == listen_kind::unix_stream) && (has_path || !is_named) &&
           (address.bytes().empty() || (!has_path && !is_inherited(kind)));
  }
  friend bool operator==(const listen&, const listen&) = default;
};

/// A listen has succeeded: the program has what it asked for.
struct listening {
  static constexpr message_type type = message_type::listening;
  std::uint32_t listener = 0;

  static void fields(auto& self, auto&& field) { field(self.listener); }
  bool valid() const noexcept { return true; }
  friend bool operator==(const listening&, const listening&) = default;
};

struct close {
  static constexpr message_type type = message_type::close;
  std::uint32_t listener = 0;

  static void fields(auto& self, auto&& field) { field(self.listener); }
  bool valid() const noexcept { return true; }
  friend bool operator==(const close&, const close&) = default;
};

struct credit {
  static constexpr message_type type = message_type::credit;
  std::uint32_t listener = 0;
  std::uint16_t window = 0; ///< un-answered offers allowed, 0 withdraws

  static void fields(auto& self, auto&& field) { field(self.listener), field(self.window); }
  bool valid() const noexcept { return window <= max_outstanding; }
  friend bool operator==(const credit&, const credit&) = default;
};

struct taken {
  static constexpr message_type type = message_type::taken;
  std::uint32_t listener = 0;
  std::uint64_t first = 0;
  std::uint16_t count = 0;
  std::uint16_t released = 0; ///< leases ended since the last report, as in `released`

  static void fields(auto& self, auto&& field)
  {
    field(self.listener), field(self.first), field(self.count), field(self.released);
  }
  bool valid() const noexcept { return count != 0 && count <= max_outstanding; }
  friend bool operator==(const taken&, const taken&) = default;
};

struct refused {
  static constexpr message_type type = message_type::refused;
  std::uint32_t listener = 0;
  std::uint64_t first = 0;
  std::uint16_t count = 0;
  refuse_reason reason = refuse_reason::no_room;

  static void fields(auto& self, auto&& field)
  {
    field(self.listener), field(self.first), field(self.count), field(self.reason);
  }
  bool valid() const noexcept
  {
    return count != 0 && count <= max_outstanding && reason >= refuse_reason::no_room &&
           reason <= refuse_reason::unusable;
  }
  friend bool operator==(const refused&, const refused&) = default;
};

struct released {
  static constexpr message_type type = message_type::released;
  std::uint32_t listener = 0;
  std::uint32_t count = 0;

  static void fields(auto& self, auto&& field) { field(self.listener), field(self.count); }
  bool valid() const noexcept { return count != 0; }
  friend bool operator==(const released&, const released&) = default;
};

struct listen_reply {
  static constexpr message_type type = message_type::listen_reply;
  std::uint32_t request = 0;
  error_kind category = error_kind::none;
  std::int32_t value = 0;
  std::uint32_t listener = 0;
  sharing how = sharing::offers;
  address_bytes address; ///< where it really listens
  path_text path;        ///< that of a unix socket, when it is too long for an address
  shared_bytes data;

  static constexpr std::size_t largest =
      14 + (1 + address_bytes::capacity) + (2 + path_text::capacity) + (2 + shared_bytes::capacity);

  static void fields(auto& self, auto&& field)
  {
    field(self.request), field(self.category), field(self.value), field(self.listener);
    field(self.how), field(self.address), field(self.path), field(self.data);
  }
  bool valid() const noexcept
  {
    return category <= error_kind::cohort && (category == error_kind::none) == (value == 0) &&
           how <= sharing::own_socket && (category == error_kind::none || how == sharing::offers);
  }
  /// The socket to accept or receive from.
  std::size_t descriptors() const noexcept { return how == sharing::offers ? 0 : 1; }
  friend bool operator==(const listen_reply&, const listen_reply&) = default;
};

/// The only message with descriptors: `count` of them, numbered `first`, `first + 1`, ...
struct offer {
  static constexpr message_type type = message_type::offer;
  std::uint32_t listener = 0;
  std::uint64_t first = 0;
  std::uint16_t count = 0;

  static void fields(auto& self, auto&& field)
  {
    field(self.listener), field(self.first), field(self.count);
  }
  std::size_t descriptors() const noexcept { return count; }
  bool valid() const noexcept { return count != 0 && count <= max_descriptors; }
  friend bool operator==(const offer&, const offer&) = default;
};

/// Connections that the worker has accepted itself.
struct accepted {
  static constexpr message_type type = message_type::accepted;
  std::uint32_t listener = 0;
  std::uint16_t count = 0; ///< told in groups: the receiver counts them one by one
  std::uint16_t left = 0;  ///< so many of them after it had let others go first

  static void fields(auto& self, auto&& field)
  {
    field(self.listener), field(self.count), field(self.left);
  }
  bool valid() const noexcept { return count != 0 && count <= max_outstanding && left <= count; }
  friend bool operator==(const accepted&, const accepted&) = default;
};

/// Whether a worker may accept at once from the socket that it shares with others.
struct turn {
  static constexpr message_type type = message_type::turn;
  std::uint32_t listener = 0;
  std::uint8_t go = 1; ///< 0: it lets the others go first

  static void fields(auto& self, auto&& field) { field(self.listener), field(self.go); }
  bool valid() const noexcept { return go <= 1; }
  friend bool operator==(const turn&, const turn&) = default;
};

struct load {
  static constexpr message_type type = message_type::load;
  std::uint32_t value = 0; ///< in units of the program's own

  static void fields(auto& self, auto&& field) { field(self.value); }
  bool valid() const noexcept { return true; }
  friend bool operator==(const load&, const load&) = default;
};

/// Requests that the worker's program has answered since the last report.
struct served {
  static constexpr message_type type = message_type::served;
  std::uint32_t count = 0;

  static void fields(auto& self, auto&& field) { field(self.count); }
  bool valid() const noexcept { return count != 0; }
  friend bool operator==(const served&, const served&) = default;
};

/// The worker's event loop has its turns.
struct beat {
  static constexpr message_type type = message_type::beat;
  std::uint32_t lag = 0; ///< how much later this one is than it should be, in microseconds

  static void fields(auto& self, auto&& field) { field(self.lag); }
  bool valid() const noexcept { return true; }
  friend bool operator==(const beat&, const beat&) = default;
};

/// What the worker's program has to say of itself, by a name.
struct value {
  static constexpr message_type type = message_type::value;
  value_name name;
  value_text text; ///< empty: there is nothing to say any more

  static void fields(auto& self, auto&& field) { field(self.name), field(self.text); }
  bool valid() const noexcept { return !name.text().empty(); }
  friend bool operator==(const value&, const value&) = default;
};

/// The worker's program wants a group of workers to be replaced.
struct reload {
  static constexpr message_type type = message_type::reload;
  value_name group; ///< empty: its own

  static void fields(auto& self, auto&& field) { field(self.group); }
  bool valid() const noexcept { return true; }
  friend bool operator==(const reload&, const reload&) = default;
};

/// How often the primary wants to hear `beat`.
struct watch {
  static constexpr message_type type = message_type::watch;
  std::uint32_t interval = 0; ///< milliseconds

  static void fields(auto& self, auto&& field) { field(self.interval); }
  bool valid() const noexcept { return interval != 0; }
  friend bool operator==(const watch&, const watch&) = default;
};

/// A message that is its type and nothing else.
template <message_type Type>
struct bare_message {
  static constexpr message_type type = Type;

  static void fields(auto&, auto&&) {}
  bool valid() const noexcept { return true; }
  friend bool operator==(const bare_message&, const bare_message&) = default;
};

using ready = bare_message<message_type::ready>;
using replace = bare_message<message_type::replace>;
using relays = bare_message<message_type::relays>;
using leaving = bare_message<message_type::leaving>;
using bye = bare_message<message_type::bye>;
using drain = bare_message<message_type::drain>;
using bye_ack = bare_message<message_type::bye_ack>;

} // namespace cohort::detail::wire
