#include "ensconce/attestation/evidence/rcar.h"

#include <gtest/gtest.h>

#include "ensconce/crypto/jose.h"
#include "made_snp.h"

namespace ensconce {
namespace {

json::Value release_jwk() {
  return jwk_of(EcPublicKey::from_point(Curve::kP256, made::statement().keys.release).value());
}

std::string runtime_data(std::string_view additional) {
  return rcar_runtime_data(additional, "the-nonce", release_jwk()).value();
}

TEST(Rcar, ReadsWhatItWrote) {
  const Bytes statement = encode_statement(made::statement());
  const auto request = parse_rcar_runtime_data(runtime_data(rcar_additional_evidence(statement)));
  ASSERT_TRUE(request) << request.error().to_string();
  EXPECT_EQ(request->statement, statement);
  EXPECT_EQ(request->nonce, "the-nonce");
  EXPECT_EQ(request->tee_pubkey.point(), made::statement().keys.release);
}

TEST(Rcar, HashesToSha384AndSixteenZeroBytes) {
  const std::string data = runtime_data("");
  const ByteArray<64> report_data = rcar_report_data(data);
  EXPECT_TRUE(equal(ByteView(report_data).first(48), sha384(as_bytes(data))));
  EXPECT_TRUE(all_zero(ByteView(report_data).subspan(48)));
}

TEST(Rcar, RejectsOtherForms) {
  const std::string good =
      runtime_data(rcar_additional_evidence(encode_statement(made::statement())));
  ASSERT_TRUE(parse_rcar_runtime_data(good));
  std::string spaced = good;
  spaced.insert(1, " ");
  const std::string more = "{\"a\":1," + good.substr(1);
  for (const std::string& bad :
       {spaced, more, good + " ", std::string("{}"), std::string(), runtime_data(""),
        runtime_data("{\"ensconce\":{}}"), runtime_data("{\"ensconce\":{\"statement\":\"!\"}}"),
        runtime_data("{\"ensconce\":{\"statement\":\"AAAA\"},\"more\":1}"),
        runtime_data("{\"ensconce\":{\"statement\":\"AAAA\",\"more\":1}}"),
        runtime_data("{\"ensconce\":{\"statement\":1}}"),
        rcar_runtime_data(rcar_additional_evidence(Bytes{1}), "n", json::Object{{"kty", "EC"}})
            .value(),
        runtime_data(rcar_additional_evidence(Bytes(kMaxStatement + 1)))}) {
    const auto request = parse_rcar_runtime_data(bad);
    ASSERT_FALSE(request) << bad.substr(0, 80);
    EXPECT_TRUE(request.error().is(EvidenceError::kRcar));
  }
}

}  // namespace
}  // namespace ensconce
