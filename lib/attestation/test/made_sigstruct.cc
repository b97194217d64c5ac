#include "made_sigstruct.h"

#include <algorithm>
#include <numeric>

#include "ensconce/codec/base64.h"
#include "ensconce/crypto/x509.h"

namespace ensconce::made {
namespace {

// RSA of 3072 bits with the exponent 3, as enclaves need it and our own keys never are. It protects
// nothing: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -pkeyopt
// rsa_keygen_pubexp:3
constexpr std::string_view kTestKey =
    "MIIG/gIBADANBgkqhkiG9w0BAQEFAASCBugwggbkAgEAAoIBgQDYFHRlit7e5w23KOMuVpE6cChGlO36yOTgmERcUtpf"
    "pTqHtjSXcR7MegJyUq89TeHoHOHwiXBG6ebwxtYWkK1UEr/Oggbu4ouZI9O8NQqdEfOY6kSscTwFcGHysL33tkDriNPv"
    "gsYJs52TYw1ovqBUbZQwgXyrxeoYdh1pifoVzXnesSAxvmyK0hWzT2+oIQ13kg4CbwF+Zp35xcp/9MmcKx4kXVuSeIaJ"
    "151KMGZW2n1M8oz/3+3ePFZ+IsPVXcHiahVBM70/Dt677NlbIR7WUKqYQIBbGWpS8iZfTELbjgcwiwUi5a+r1w/L9zNQ"
    "ZQolnwJimRW7WLSVAwFLImM6N7dLWfU/v85HJfrn+JvRqRLNXicguCOFkQFXC9FiiU5iXou1ZXTFZBzlBV3+9XJYKfKS"
    "KU3mT0EEQzE68rzdWCUuaMnC1oDNLIHaWNYpEjMvrf3Cjk0GtyFyhiAOltamPwSAX4t2rhm5o6vZ7sqFFXZk2BQ1hz8j"
    "A2m1eLOdB9kCAQMCggGBAJANou5clJSaCSTF7MmPC3xKxYRjSVHbQ0Blgug3PD/DfFp5eGT2FIhRVvbhyijelpq96/Ww"
    "9YSb70svOWRgc41h1TRWr0nsXRDCjSgjXGi2omXxgx2g0q5K6/cgfqUkK0ewjUpXLrEiaQzss5spwDhJDXWrqHKD8WWk"
    "E5uxUWPeUT8gwCEpnbHhY8zfn8VrXk+2tAGfVlREaVEuhv/4hmgcvsLo57b7BFvlE4bK7uSRqN33CKqVST7S5FQXLTjp"
    "KrIccYgm4Wa9GXZhfE3CMTL9Wls/uv2G6Un2fjb5yRSSJb9gU4w2sjJ6KXPr09TN4yx48wMk+HROPJCka1Iwtv+i+yzt"
    "Ac10+nqBYCRHvrdtIwQf0YedlCiSKQbRipwlbbZZhYIIvZBAybcHOO9G2OkrDKoyXm1k1xShhSbadqpOLU3ogX/ZPk/t"
    "7Jd0rqo+34yGxfhfQ0kRm0KN552IUDZW2pjGATujmrYLTYq9bv0tm4Bo0zNQZjC6PU+xSgbiqwKBwQD514EFQKXDV3Kc"
    "XvEh69074/BgQ7/hRvitd/I/yvn06TTkD4harJVPgqs7XoJgm6HVk57hf1Zj6Ktm6qOxmuFYcB1t8ElIGO0T9/8Me9iv"
    "xGxe0Vtr1+L/SlnahGfAktrm+s/Zjz8V3gAGBZHQaT87alXa7P0xmKDFtlHPTUFC8tubG5xfKQImE1fOVX24PNO/JEUO"
    "snXyxh6s2sLEm4LLQuky/WU+k+h65FqJiOFgzHXDLsD9IO/iPlwcn6EGr4ECgcEA3Wfp77jFYZvF7futxJH3zfCyrx0n"
    "/YgTtoh2zQqbR8mZrWr/decPEJ0mYrbzMJSTjVX2/GJKqPquVSG8nj5vYlMhGgYpQ3dpe2vrpRElDsDx6F0RaXPiSWtp"
    "8k0Zt75O6d1zmMkZVyTuTHT2x6Htvv8Jt/DDEJ9dn5qXsV3JmvAFnnBrI+ehLzRHKNRScXcQHb+Pv0zyJlaZ4daB3a7b"
    "iXnTaDkkXqTJLa5dAEnCqISXYQwWa221962xoU8jjARZAoHBAKaPq1jVw9ePob2UoMFH6NKX9ZWCf+uEpcj6oX/cpqNG"
    "I0K1BZHIY4pXHNI/AZW9Fo5iaeuqOZfwckScbSER65BKvklK24Vl82KlVLL9Ox/YSD82PPKP7KoxkTxYRSsMke9R3+Zf"
    "f2PpVVlZC+BGKiecOTyd/iEQay55i9+I1iyh57y9EuobVsQM5TQ4/nrTN9TC2LR2+UyEFHM8gdhnrIeB8Myo7im38FHt"
    "kbEF65Xdo9d0gKjAn+wpkr2/wK8fqwKBwQCTmpv1JdjrvS6ep8kttqUz9cx0vhqpBWJ5sE8zXGeFMREeR1T5RLS1vhmX"
    "JKIgYw0I4/n9ltxwpx7ja9MUKZ+W4hYRWXDXpPD88p0Ythi0gKFFk2Dw9+ww8kahiLvP1DSb6Pe7MLuPbfQy+KSFFp5/"
    "VLElSyy1v5O/vGUg6TER9VkUSvIX78DKItobODb2T2AT1Qp/iKFu5GaWjwE+dJJbpozwJhg/GIYedD4AMSxwWGTrXWRH"
    "nnlPySEWNMJdWDsCgcEApmU76jmdngvbhBPfk5nannvZrDnp0gvXRo1kufiGInD3zyYgMPt9iGAAv9qUEdZC363Qr7Ue"
    "6RsHv6UFSVQEIW7xKsms/8v3TthlBssz36neSXMkE9MuEWrki62sCTtNtKq2NF06Q3nS/PikiXmjtrZUax9ClAYhx8Ka"
    "rDn/U8K8NHpZFa7N/kHraNjrkY9/U9Zg0Uq5SjpIH5CTX9+RIRUD3meLMxD1l8h57JLVDDIvoKUvvdSflIt8L/0e/6zW";

const RsaPrivateKey& test_key() {
  static const RsaPrivateKey key =
      RsaPrivateKey::from_pkcs8_der(base64_decode(kTestKey).value()).value();
  return key;
}

ByteArray<384> little_endian(const Bytes& big_endian) {
  ByteArray<384> out{};
  std::reverse_copy(big_endian.begin(), big_endian.end(), out.begin());
  return out;
}

}  // namespace

Sigstruct sigstruct() {
  Sigstruct out;
  out.date = 0x20261125;
  out.sw_defined = 7;
  std::iota(out.mr_enclave.begin(), out.mr_enclave.end(), std::uint8_t{0x20});
  out.misc_mask = 0xffffffff;
  out.isv_family_id.fill(0xfa);
  out.attributes = {0x04, 0, 0, 0, 0, 0, 0, 0, 0x07};
  out.attribute_mask.fill(0xff);
  out.isv_ext_prod_id.fill(0xe0);
  out.isv_prod_id = 0x0102;
  out.isv_svn = 3;
  return out;
}

Sigstruct signed_by_test_key(Sigstruct unsigned_one) {
  unsigned_one.modulus = little_endian(test_key().modulus());
  unsigned_one.signature =
      little_endian(test_key().sign_pkcs1_sha256(sigstruct_signed_part(unsigned_one)));
  return unsigned_one;
}

}  // namespace ensconce::made
