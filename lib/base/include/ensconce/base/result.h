#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "ensconce/base/check.h"
#include "ensconce/base/error.h"

namespace ensconce {

// Result is a value or the Error that kept it from being, spelled like C++23's std::expected so
// that one alias retires it. Everything reached from bytes we did not make returns one.
template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  // NOLINTBEGIN(google-explicit-constructor): both sides convert, as in std::expected.
  template <typename U = T>
  requires(std::is_constructible_v<T, U&&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
           !std::is_same_v<std::remove_cvref_t<U>, Error>) Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // value aborts when there is none: for tests, or after has_value().
  T& value() & {
    ENSC_CHECK(has_value());
    return std::get<0>(state_);
  }
  const T& value() const& {
    ENSC_CHECK(has_value());
    return std::get<0>(state_);
  }
  T&& value() && {
    ENSC_CHECK(has_value());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const {
    ENSC_CHECK(!has_value());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): as above.
  Result(Error error) : error_(std::move(error)) {}

  [[nodiscard]] bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const { ENSC_CHECK(has_value()); }
  [[nodiscard]] const Error& error() const {
    ENSC_CHECK(error_.has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

inline Result<void> ok() { return {}; }

}  // namespace ensconce

#define ENSC_CONCAT_INNER(a, b) a##b
#define ENSC_CONCAT(a, b) ENSC_CONCAT_INNER(a, b)

// ENSC_TRY evaluates a Result and returns its error from the enclosing function, if it has one.
#define ENSC_TRY(expr)                  \
  do {                                  \
    auto&& ensc_try_result = (expr);    \
    if (!ensc_try_result.has_value()) { \
      return ensc_try_result.error();   \
    }                                   \
  } while (false)

// ENSC_TRY_ASSIGN(auto x, expr) does the same and binds the value.
#define ENSC_TRY_ASSIGN(lhs, expr) \
  ENSC_TRY_ASSIGN_INNER(ENSC_CONCAT(ensc_try_, __LINE__), lhs, expr)
#define ENSC_TRY_ASSIGN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp.has_value()) {                     \
    return tmp.error();                       \
  }                                           \
  lhs = *std::move(tmp)
