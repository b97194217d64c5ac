#include "ensconce/server/receipt_issuer.h"

#include <algorithm>

#include "ensconce/channel/evidence_document.h"
#include "ensconce/codec/base64.h"
#include "ensconce/server/error.h"
#include "ensconce/server/openai_service.h"

namespace ensconce {

namespace {

// The bundle that answered, if a model did. An answer names the one that ran, and a bundle's digest
// covers its name and version, so what the registry says under that digest is right even when the
// list has changed since.
std::optional<ServedEntry> answered_by(const ModelRegistry& registry,
                                       const HttpResponse& response) {
  const auto bundle = response.headers.get(kBundleHeader);
  if (response.status != 200 || !bundle) {
    return std::nullopt;
  }
  std::vector<ServedEntry> entries = registry.all();
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const ServedEntry& entry) {
    return to_hex(entry.manifest_digest) == *bundle;
  });
  return found == entries.end() ? std::nullopt : std::optional(std::move(*found));
}

}  // namespace

Result<std::optional<ReceiptKey>> ReceiptIssuer::key_of(const HttpRequest& request) {
  const auto text = request.headers.get(kReceiptKeyHeader);
  if (!text) {
    return std::optional<ReceiptKey>();
  }
  Result<Bytes> bytes = from_hex(*text);
  if (!bytes || bytes->size() != sizeof(ReceiptKey) ||
      request.headers.count(kReceiptKeyHeader) != 1) {
    if (bytes) {
      wipe(bytes->data(), bytes->size());
    }
    return Error(ServerError::kBadReceiptKey,
                 std::string(kReceiptKeyHeader) + ": expected 64 hex digits, once");
  }
  Result<ReceiptKey> key = ReceiptKey::from(*bytes);
  wipe(bytes->data(), bytes->size());
  return std::optional(std::move(*key));
}

std::string ReceiptIssuer::issue(const ServedEntry& entry, const ReceiptSubject& subject,
                                 const Sha256Digest& request, const Sha256Digest& response) {
  Receipt receipt;
  receipt.manifest_digest = entry.manifest_digest;
  receipt.statement_digest = subject.statement_digest;
  receipt.measurement = subject.measurement;
  receipt.model_name = entry.name;
  receipt.model_version = entry.version;
  receipt.request_digest = request;
  receipt.response_digest = response;
  // A host that sets the clock before 1970 still gets receipts; nobody trusts their time.
  receipt.time.unix_ms = std::max<std::int64_t>(clock_.now().unix_ms, 0);
  receipt.sequence = ++sequence_;
  receipt.boot_id = boot_id_;
  return base64_encode(sign_receipt(key_, receipt));
}

HttpResponse ReceiptIssuer::answer(const HttpRequest& request,
                                   const std::function<HttpResponse()>& handler,
                                   const std::function<ReceiptSubject()>& subject) {
  const Result<std::optional<ReceiptKey>> asked = key_of(request);
  if (!asked) {
    return response_to(request, asked.error());
  }
  HttpResponse response = handler();
  if (!*asked) {
    return response;
  }
  if (const std::optional<ServedEntry> entry = answered_by(registry_, response)) {
    const ReceiptKey& key = **asked;
    response.headers.set(
        std::string(kReceiptHeader),
        issue(*entry, subject(), request_digest(key, receipted_request(request), request.body),
              response_digest(key, receipted_response(response), response.body)));
  }
  return response;
}

}  // namespace ensconce
