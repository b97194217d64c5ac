// What reads as a receipt must sign to a message that verifies to the same receipt.
#include "ensconce/base/check.h"
#include "ensconce/channel/receipt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ensconce;
  static const Ed25519PrivateKey key = Ed25519PrivateKey::from_seed(Bytes(32, 7)).value();
  const ByteView message(data, size);
  const auto receipt = read_receipt_unverified(message);
  const auto verified = verify_receipt(key.public_key(), message);
  ENSC_CHECK(!verified || (receipt && *receipt == *verified));
  if (receipt) {
    const auto again = verify_receipt(key.public_key(), sign_receipt(key, *receipt));
    ENSC_CHECK(again.has_value());
    ENSC_CHECK(*again == *receipt);
  }
  return 0;
}
