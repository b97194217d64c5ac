#include "ensconce/base/error.h"

#include <cstdio>
#include <cstdlib>

#include "ensconce/base/check.h"

namespace ensconce {

namespace internal {
void check_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "ensconce: broken invariant at %s:%d: %s\n", file, line, what);
  std::abort();
}
}  // namespace internal

Error Error::with_context(std::string_view context) const {
  Error out = *this;
  out.detail_ = detail_.empty() ? std::string(context) : std::string(context) + ": " + detail_;
  return out;
}

Error Error::with_remedy(std::string remedy) const {
  Error out = *this;
  out.remedy_ = std::move(remedy);
  return out;
}

std::string Error::to_string() const {
  std::string out(info_.id);
  if (!detail_.empty()) {
    out += ": " + detail_;
  }
  if (!remedy_.empty()) {
    out += "\n  what to do: " + remedy_;
  }
  return out;
}

int http_status_of(Kind kind) {
  switch (kind) {
    case Kind::kInvalidInput:
      return 400;
    case Kind::kRejected:
      return 403;
    case Kind::kUnavailable:
      return 503;
    case Kind::kExhausted:
      return 413;
    case Kind::kUnsupported:
      return 501;
    case Kind::kInternal:
      return 500;
  }
  return 500;
}

int exit_code_of(Stage stage) { return 2 + static_cast<int>(stage); }

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::kInvalidInput:
      return "invalid_input";
    case Kind::kRejected:
      return "rejected";
    case Kind::kUnavailable:
      return "unavailable";
    case Kind::kExhausted:
      return "exhausted";
    case Kind::kUnsupported:
      return "unsupported";
    case Kind::kInternal:
      return "internal";
  }
  return "internal";
}

std::string_view name_of(Stage stage) {
  switch (stage) {
    case Stage::kUsage:
      return "usage";
    case Stage::kForm:
      return "form";
    case Stage::kSignature:
      return "signature";
    case Stage::kRevocation:
      return "revocation";
    case Stage::kPolicy:
      return "policy";
    case Stage::kChannel:
      return "channel";
    case Stage::kRelease:
      return "release";
    case Stage::kBundle:
      return "bundle";
    case Stage::kEngine:
      return "engine";
    case Stage::kSystem:
      return "system";
  }
  return "system";
}

CodeInfo error_info(BaseError code) {
  switch (code) {
    case BaseError::kTruncated:
      return {"base.truncated", Kind::kInvalidInput, Stage::kForm};
    case BaseError::kTrailingBytes:
      return {"base.trailing_bytes", Kind::kInvalidInput, Stage::kForm};
    case BaseError::kTooLarge:
      return {"base.too_large", Kind::kExhausted, Stage::kForm};
    case BaseError::kBadHex:
      return {"base.bad_hex", Kind::kInvalidInput, Stage::kForm};
    case BaseError::kIo:
      return {"base.io", Kind::kUnavailable, Stage::kSystem};
    case BaseError::kInvalidArgument:
      return {"base.invalid_argument", Kind::kInvalidInput, Stage::kUsage};
  }
  return {"base.unknown", Kind::kInternal, Stage::kSystem};
}

}  // namespace ensconce
