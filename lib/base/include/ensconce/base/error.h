#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace ensconce {

// Kind says what the caller can do about an error. The HTTP status follows from it.
enum class Kind : std::uint8_t {
  kInvalidInput,  // the bytes or arguments are wrong; the same again will fail again
  kRejected,      // well formed, and refused: a signature, a policy, a permission
  kUnavailable,   // try again later
  kExhausted,     // a bound was reached
  kUnsupported,   // valid, but not something this version does
  kInternal,      // our own fault
};

// Stage says how far the work had come. The exit code of every program follows from it.
enum class Stage : std::uint8_t {
  kUsage,       // arguments and configuration
  kForm,        // parsing
  kSignature,   // signatures, certificate chains, bindings
  kRevocation,  // revocation and expiry
  kPolicy,      // appraisal against a policy
  kChannel,     // TLS, HTTP, session proof
  kRelease,     // key release and lease
  kBundle,      // sealed bundle
  kEngine,      // the model itself: loading, running, tensors
  kSystem,      // files, devices, memory
};

// CodeInfo describes one error code. `id` is stable, lower case, "area.what": tests, logs and
// machines read it; people read the detail.
struct CodeInfo {
  std::string_view id;
  Kind kind;
  Stage stage;
};

// SourceLocation is a line of our own source, as std::source_location would give it; clang 14,
// which the fuzz build uses, has none with this standard library.
struct SourceLocation {
  const char* file;
  int line;
  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          int line = __builtin_LINE()) {
    return {file, line};
  }
};

// Error is why something failed: a library's own code, where, and a detail for us. The detail
// never holds a secret, an input, an output or a weight; `outward()` is all a peer may see.
//
// A library declares `enum class XError` and beside it `CodeInfo error_info(XError)`.
class Error {
 public:
  template <typename Code>
  requires requires(Code c) {
    { error_info(c) } -> std::same_as<CodeInfo>;
  }
  // NOLINTNEXTLINE(google-explicit-constructor): an error code is an error.
  Error(Code code, std::string detail = {}, SourceLocation where = SourceLocation::current())
      : info_(error_info(code)), detail_(std::move(detail)), where_(where) {}

  [[nodiscard]] std::string_view id() const { return info_.id; }
  [[nodiscard]] Kind kind() const { return info_.kind; }
  [[nodiscard]] Stage stage() const { return info_.stage; }
  [[nodiscard]] const std::string& detail() const { return detail_; }
  [[nodiscard]] const std::string& remedy() const { return remedy_; }
  [[nodiscard]] const SourceLocation& where() const { return where_; }

  template <typename Code>
  [[nodiscard]] bool is(Code code) const {
    return info_.id == error_info(code).id;
  }

  // with_context returns the error with what the caller knew put before the detail.
  [[nodiscard]] Error with_context(std::string_view context) const;
  // with_remedy returns the error with what the user can do next.
  [[nodiscard]] Error with_remedy(std::string remedy) const;
  // to_string returns "id: detail", with the remedy after it, for logs and terminals.
  [[nodiscard]] std::string to_string() const;

 private:
  CodeInfo info_;
  std::string detail_;
  std::string remedy_;
  SourceLocation where_;
};

// http_status_of returns the status an error of this kind is answered with.
int http_status_of(Kind kind);
// exit_code_of returns the exit code a program ends with at this stage (2 … 11; 1 is kept for
// what no stage explains).
int exit_code_of(Stage stage);
std::string_view name_of(Kind kind);
std::string_view name_of(Stage stage);

// BaseError is the vocabulary of this library.
enum class BaseError : std::uint8_t {
  kTruncated,      // fewer bytes than the form needs
  kTrailingBytes,  // more bytes than the form allows
  kTooLarge,       // a named limit was passed
  kBadHex,
  kIo,
  kInvalidArgument,
};
CodeInfo error_info(BaseError code);

}  // namespace ensconce
