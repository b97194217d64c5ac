#include "receipt_exchange.h"

#include "ensconce/codec/base64.h"

namespace ensconce {

Result<AskedReceipt> ask_for_receipt(HttpRequest& request, Random& random) {
  if (const auto given = request.headers.get(kReceiptKeyHeader)) {
    Result<Bytes> bytes = from_hex(*given);
    auto key = bytes ? ReceiptKey::from(*bytes) : Result<ReceiptKey>(bytes.error());
    if (bytes) {
      wipe(bytes->data(), bytes->size());
    }
    if (!key) {
      return Error(ChannelError::kBadReceipt,
                   std::string(kReceiptKeyHeader) + ": expected 64 hex digits");
    }
    return AskedReceipt(*std::move(key));
  }
  ReceiptKey key;
  random.fill(key.expose_mutable());
  request.headers.set(std::string(kReceiptKeyHeader), to_hex(key.expose()));
  return AskedReceipt(std::move(key));
}

const Sha256Digest& AskedReceipt::digest_of(const HttpRequest& request) {
  if (!digest_) {
    digest_ = request_digest(key_, receipted_request(request), request.body);
  }
  return *digest_;
}

Result<TakenReceipt> take_receipt(std::optional<std::string_view> value,
                                  const Sha256Digest& request, const Sha256Digest& response,
                                  const Affirmed& affirmed, const ServedModel& served,
                                  std::uint64_t last_sequence) {
  if (!value) {
    return Error(ChannelError::kNoReceipt, "the answer carries no receipt")
        .with_remedy(
            "something on the way takes header fields off, or the worker is older than "
            "its measurement says: do not rest on the answer");
  }
  Result<Bytes> message = base64_decode(*value);
  if (!message) {
    return Error(ChannelError::kBadReceipt, message.error().to_string());
  }
  ENSC_TRY_ASSIGN(Receipt receipt, verify_receipt(affirmed.statement().keys.receipt, *message));
  ENSC_TRY(match_receipt(
      receipt, {affirmed.statement().boot_id, affirmed.measurement(), served.manifest_digest,
                served.name, served.version, request, response}));
  // A worker counts the receipts of its boot: one that stays behind was rolled back.
  if (receipt.sequence <= last_sequence) {
    return Error(ChannelError::kReceiptSequence, "sequence: expected more than " +
                                                     std::to_string(last_sequence) + ", got " +
                                                     std::to_string(receipt.sequence));
  }
  return TakenReceipt{*std::move(message), std::move(receipt)};
}

}  // namespace ensconce
