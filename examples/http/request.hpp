// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/status.hpp>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace http {

namespace beast = boost::beast::http;

/// What this server has to offer.
enum class resource : std::uint8_t { none, hello, slow, echo, crash };

inline constexpr std::uint32_t header_limit = 8 * 1024;
inline constexpr std::uint32_t body_limit = 1024 * 1024;
inline constexpr std::chrono::milliseconds longest_delay{60'000};

/// Beast's parser for one request; keeps only what this server answers by, so that a request
/// without a body allocates nothing.
class request final : public beast::basic_parser<true> {
public:
  /// @param body gets the body of what is sent to `resource::echo`.
  explicit request(std::string& body) : body_(body)
  {
    body_.clear();
    header_limit(http::header_limit);
    body_limit(std::uint64_t(http::body_limit));
  }

  resource what() const noexcept { return what_; }
  beast::verb method() const noexcept { return method_; }
  bool is_head() const noexcept { return method_ == beast::verb::head; }
  bool is_http_1_0() const noexcept { return version_ == 10; }
  /// The client sends the body only when it is told to.
  bool expects_continue() const noexcept { return expects_continue_; }
  /// How long `resource::slow` takes.
  std::chrono::milliseconds delay() const noexcept { return delay_; }
  const std::string& body() const noexcept { return body_; }

  /// What is wrong with a request whose header is complete; `status::ok` when nothing is.
  beast::status problem() const noexcept;

private:
  using error_code = boost::beast::error_code;
  using text = boost::beast::string_view;

  void on_request_impl(
      beast::verb method, text, text target, int version, error_code& error) override;
  void on_field_impl(beast::field name, text, text value, error_code& error) override;
  void on_response_impl(int, text, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override;
  std::size_t on_body_impl(text part, error_code&) override;
  void on_chunk_header_impl(std::uint64_t, text, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, text part, error_code& error) override;
  void on_finish_impl(error_code&) override {}

  void find_resource(std::string_view target);

  std::string& body_;
  resource what_ = resource::none;
  beast::verb method_ = beast::verb::unknown;
  int version_ = 11;
  int hosts_ = 0;
  bool bad_delay_ = false;
  bool has_transfer_coding_ = false;
  bool expects_continue_ = false;
  bool expects_unknown_ = false;
  std::chrono::milliseconds delay_{0};
};

// Implementation

inline beast::status request::problem() const noexcept
{
  using beast::verb;
  if (version_ == 11 && hosts_ != 1) return beast::status::bad_request;
  // Where the body of such a request ends is a matter of opinion.
  if (has_transfer_coding_ && (!chunked() || version_ == 10)) return beast::status::bad_request;
  if (expects_unknown_) return beast::status::expectation_failed;
  if (what_ == resource::none) return beast::status::not_found;
  const bool wants_post = what_ == resource::echo;
  const bool fits =
      wants_post ? method_ == verb::post : method_ == verb::get || method_ == verb::head;
  if (!fits) return beast::status::method_not_allowed;
  return bad_delay_ ? beast::status::bad_request : beast::status::ok;
}

inline void request::on_request_impl(
    beast::verb method, text, text target, int version, error_code&)
{
  method_ = method;
  version_ = version;
  find_resource(std::string_view(target.data(), target.size()));
}

inline void request::find_resource(std::string_view target)
{
  // Proxies send the whole address.
  constexpr std::string_view scheme = "http://";
  if (target.starts_with(scheme)) {
    const std::size_t path = target.find('/', scheme.size());
    target = path == target.npos ? "/" : target.substr(path);
  }
  const std::size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  if (path == "/") what_ = resource::hello;
  else if (path == "/slow") what_ = resource::slow;
  else if (path == "/echo") what_ = resource::echo;
  else if (path == "/crash") what_ = resource::crash;
  if (what_ != resource::slow || mark == target.npos) return;

  const std::string_view query = target.substr(mark + 1);
  unsigned value = 0;
  const char* const end = query.data() + query.size();
  const bool named = query.starts_with("ms=");
  const auto parsed = std::from_chars(query.data() + (named ? 3 : 0), end, value);
  bad_delay_ =
      !named || parsed.ec != std::errc() || parsed.ptr != end || value > longest_delay.count();
  delay_ = std::chrono::milliseconds(value);
}

inline void request::on_field_impl(beast::field name, text, text value, error_code&)
{
  if (name == beast::field::host) {
    ++hosts_;
  } else if (name == beast::field::transfer_encoding) {
    has_transfer_coding_ = true;
  } else if (name == beast::field::expect && version_ == 11) {
    expects_continue_ = boost::beast::iequals(value, "100-continue");
    expects_unknown_ = !expects_continue_;
  }
}

inline void request::on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&)
{
  if (length && what_ == resource::echo) body_.reserve(static_cast<std::size_t>(*length));
}

inline std::size_t request::on_body_impl(text part, error_code&)
{
  if (what_ == resource::echo) body_.append(part.data(), part.size());
  return part.size();
}

inline std::size_t request::on_chunk_body_impl(std::uint64_t, text part, error_code& error)
{
  return on_body_impl(part, error);
}

} // namespace http
