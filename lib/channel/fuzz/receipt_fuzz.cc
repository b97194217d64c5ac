// What reads as a receipt must sign to a message that verifies to the same receipt, and match what
// it says itself and nothing else. And the digests: of a body in pieces as of the whole, and of
// other parts another one.
#include "ensconce/base/check.h"
#include "ensconce/channel/receipt.h"

namespace {
using namespace ensconce;

void match(const Receipt& receipt) {
  const ReceiptExpectation all{
      receipt.boot_id,       receipt.measurement,    receipt.manifest_digest, receipt.model_name,
      receipt.model_version, receipt.request_digest, receipt.response_digest};
  ENSC_CHECK(match_receipt(receipt, all).has_value());
  const auto refused = [&](auto change, ChannelError code) {
    ReceiptExpectation other = all;
    change(other);
    const auto matched = match_receipt(receipt, other);
    ENSC_CHECK(!matched && matched.error().is(code));
  };
  refused([](auto& e) { e.boot_id[0] ^= 1; }, ChannelError::kReceiptStatement);
  refused([](auto& e) { e.measurement[0] ^= 1; }, ChannelError::kReceiptMeasurement);
  refused([](auto& e) { e.manifest_digest[31] ^= 1; }, ChannelError::kReceiptManifest);
  refused([](auto& e) { e.model_name += "x"; }, ChannelError::kReceiptModel);
  refused([](auto& e) { ++e.model_version; }, ChannelError::kReceiptModel);
  refused([](auto& e) { e.request_digest[0] ^= 1; }, ChannelError::kReceiptRequest);
  refused([](auto& e) { e.response_digest[0] ^= 1; }, ChannelError::kReceiptResponse);
}

void digest(ByteView body) {
  const ReceiptKey key = ReceiptKey::from(Bytes(32, 9)).value();
  const std::string_view text = as_text(body);
  const std::string_view first = text.substr(0, text.size() / 3);
  const std::string_view rest = text.substr(first.size());
  const ReceiptedRequest request{"POST", first, "", "application/json", rest};
  RequestDigest in_pieces(key, request);
  in_pieces.update(as_bytes(first));
  in_pieces.update(as_bytes(rest));
  const Sha256Digest whole = request_digest(key, request, body);
  ENSC_CHECK(in_pieces.finish() == whole);
  // What moves from one part to the next is not the same request.
  if (!rest.empty()) {
    const ReceiptedRequest moved{"POST", text.substr(0, first.size() + 1), "", "application/json",
                                 rest.substr(1)};
    ENSC_CHECK(request_digest(key, moved, body) != whole);
  }
  const ReceiptedResponse response{200, first, rest, ""};
  ResponseDigest answer(key, response);
  answer.update(body);
  ENSC_CHECK(answer.finish() == response_digest(key, response, body));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Ed25519PrivateKey key = Ed25519PrivateKey::from_seed(Bytes(32, 7)).value();
  const ByteView message(data, size);
  const auto receipt = read_receipt_unverified(message);
  const auto verified = verify_receipt(key.public_key(), message);
  ENSC_CHECK(!verified || (receipt && *receipt == *verified));
  if (receipt) {
    const auto again = verify_receipt(key.public_key(), sign_receipt(key, *receipt));
    ENSC_CHECK(again.has_value());
    ENSC_CHECK(*again == *receipt);
    match(*receipt);
  }
  digest(message);
  return 0;
}
