#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "ensconce/base/clock.h"
#include "ensconce/channel/receipt.h"
#include "ensconce/net/http.h"
#include "ensconce/server/model_registry.h"

namespace ensconce {

// ReceiptSubject is what a receipt says of the worker itself.
struct ReceiptSubject {
  Sha256Digest statement_digest{};  // of the current epoch
  Bytes measurement;
};

// ReceiptIssuer signs receipts for the answers of one boot. Safe to use from several threads.
class ReceiptIssuer {
 public:
  // All but the boot id is borrowed and must outlive the issuer.
  ReceiptIssuer(const Ed25519PrivateKey& receipt_key, const ByteArray<16>& boot_id,
                const ModelRegistry& registry, const Clock& clock)
      : key_(receipt_key), boot_id_(boot_id), registry_(registry), clock_(clock) {}

  // answer lets `handler` answer, and puts a receipt on the answer if the request asks for one
  // (Ensconce-Receipt-Key) and a model answered it: status 200, with its bundle named. `subject` is
  // asked when it is signed. A key that is none is refused before anything runs.
  [[nodiscard]] HttpResponse answer(const HttpRequest& request,
                                    const std::function<HttpResponse()>& handler,
                                    const std::function<ReceiptSubject()>& subject);

  // key_of reads the key a request carries, if any: ServerError::kBadReceiptKey.
  static Result<std::optional<ReceiptKey>> key_of(const HttpRequest& request);
  // issue signs one receipt and returns the value of its header.
  [[nodiscard]] std::string issue(const ServedEntry& entry, const ReceiptSubject& subject,
                                  const Sha256Digest& request, const Sha256Digest& response);

 private:
  const Ed25519PrivateKey& key_;
  const ByteArray<16> boot_id_;
  const ModelRegistry& registry_;
  const Clock& clock_;
  std::atomic<std::uint64_t> sequence_ = 0;
};

}  // namespace ensconce
