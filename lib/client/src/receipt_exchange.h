#pragma once

#include <optional>
#include <string_view>

#include "ensconce/attestation/appraise/attestation_result.h"
#include "ensconce/base/random.h"
#include "ensconce/channel/receipt.h"
#include "ensconce/channel/served_list.h"
#include "ensconce/net/http.h"

namespace ensconce {

// AskedReceipt is what a client keeps of a request it wants a receipt for.
class AskedReceipt {
 public:
  explicit AskedReceipt(ReceiptKey key) : key_(std::move(key)) {}

  [[nodiscard]] const ReceiptKey& key() const { return key_; }
  ReceiptKey take_key() { return std::move(key_); }
  // digest_of covers the request as it was sent; it is made once, when first asked for.
  const Sha256Digest& digest_of(const HttpRequest& request);

 private:
  ReceiptKey key_;
  std::optional<Sha256Digest> digest_;
};

// ask_for_receipt puts a key of its own on a request, or takes the one that is there: a caller
// behind a proxy may want the receipt for itself.
Result<AskedReceipt> ask_for_receipt(HttpRequest& request, Random& random);

struct TakenReceipt {
  Bytes message;
  Receipt receipt;
};

// take_receipt judges the value of an answer's Ensconce-Receipt: signed by the attested receipt
// key, for this boot, code, model, request and answer, and later than `last_sequence`.
Result<TakenReceipt> take_receipt(std::optional<std::string_view> value,
                                  const Sha256Digest& request, const Sha256Digest& response,
                                  const Affirmed& affirmed, const ServedModel& served,
                                  std::uint64_t last_sequence);

}  // namespace ensconce
