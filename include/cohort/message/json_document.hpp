// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/message/json_number.hpp>
#include <cohort/message/json_reader.hpp>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_stack.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

// boost::json::value out of a text, by Boost.JSON's parser. Its own way to make doubles of texts is
// inexact (in 1.81 for three in ten random doubles), therefore the numbers are taken as text.
namespace cohort::detail {

/// Reads a value as it comes.
bool read_json_document(json_reader& in, boost::json::value& value);

/// What Boost.JSON's parser reports to.
class json_document_builder {
public:
  static constexpr std::size_t max_object_size = boost::json::object::max_size();
  static constexpr std::size_t max_array_size = boost::json::array::max_size();
  static constexpr std::size_t max_key_size = boost::json::string::max_size();
  static constexpr std::size_t max_string_size = boost::json::string::max_size();

  using text = boost::json::string_view;
  using failure = boost::json::error_code;

  json_document_builder() : stack_({}, buffer_, sizeof buffer_) { stack_.reset(); }

  boost::json::value release() { return stack_.release(); }

  bool on_document_begin(failure&) { return true; }
  bool on_document_end(failure&) { return true; }
  bool on_array_begin(failure&) { return true; }
  bool on_array_end(std::size_t size, failure&)
  {
    stack_.push_array(size);
    return true;
  }
  bool on_object_begin(failure&) { return true; }
  bool on_object_end(std::size_t size, failure&)
  {
    stack_.push_object(size);
    return true;
  }
  bool on_string_part(text part, std::size_t, failure&)
  {
    stack_.push_chars(part);
    return true;
  }
  bool on_string(text last, std::size_t, failure&)
  {
    stack_.push_string(last);
    return true;
  }
  bool on_key_part(text part, std::size_t, failure&)
  {
    stack_.push_chars(part);
    return true;
  }
  bool on_key(text last, std::size_t, failure&)
  {
    stack_.push_key(last);
    return true;
  }
  // The text is whole, since the parser gets it in one piece.
  bool on_number_part(text, failure&) { return true; }
  bool on_int64(std::int64_t number, text whole, failure& failed)
  {
    // There is no such integer, but a double.
    if (whole == "-0") return on_double(0, whole, failed);
    stack_.push_int64(number);
    return true;
  }
  bool on_uint64(std::uint64_t number, text, failure&)
  {
    stack_.push_uint64(number);
    return true;
  }
  bool on_double(double, text whole, failure&)
  {
    double number = 0;
    to_floating(whole, number);
    stack_.push_double(number);
    return true;
  }
  bool on_bool(bool value, failure&)
  {
    stack_.push_bool(value);
    return true;
  }
  bool on_null(failure&)
  {
    stack_.push_null();
    return true;
  }
  bool on_comment_part(text, failure&) { return true; }
  bool on_comment(text, failure&) { return true; }

private:
  unsigned char buffer_[1024];
  boost::json::value_stack stack_;
};

// Implementation

inline bool read_json_document(json_reader& in, boost::json::value& value)
{
  boost::json::parse_options options;
  options.allow_invalid_utf8 = true;
  options.max_depth = in.depth_left();
  boost::json::basic_parser<json_document_builder> parser(options);
  // Where there is nothing the parser would not say so before it is asked again.
  if (in.peek() == 0) return in.fail_expected("a value");
  boost::json::error_code failed;
  const auto text = in.rest();
  in.advance(parser.write_some(false, text.data(), text.size(), failed));
  if (failed == boost::json::error::too_deep) return in.fail("nested too deeply");
  if (failed) return in.fail("not JSON: " + failed.message());
  value = parser.handler().release();
  return true;
}

} // namespace cohort::detail
