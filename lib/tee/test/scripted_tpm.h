#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <deque>
#include <map>

#include "ensconce/attestation/evidence/azure_evidence.h"
#include "ensconce/base/bytes.h"
#include "ensconce/crypto/hash.h"
#include "ensconce/sim/azure_vtpm.h"
#include "ensconce/tee/azure_vtpm.h"

namespace ensconce {

// ScriptedTpm answers the commands of an attester as a TPM does (TCG TPM 2.0 Library, part 3), but
// for what a test changes or wants said instead.
class ScriptedTpm {
 public:
  explicit ScriptedTpm(const AzureVtpm& vtpm) : vtpm_(vtpm) {}

  std::map<TPM2_CC, std::deque<Bytes>> instead;  // whole answers, to come
  Bytes index;                                   // of the one NV index
  std::uint16_t index_size = 0;                  // that it claims, where not its own
  std::uint32_t read_at_once = 600;
  std::size_t left_out = 0;  // bytes at the end of each part
  std::uint32_t property = TPM2_PT_NV_BUFFER_MAX;
  std::uint16_t bank = TPM2_ALG_SHA256;
  std::size_t digests_at_once = 8;
  std::uint16_t key_type = TPM2_ALG_RSA;
  std::uint16_t scheme = TPM2_ALG_RSASSA;
  std::uint16_t signed_with = TPM2_ALG_SHA256;
  std::map<TPM2_CC, Bytes> answers;  // the last of its own to each

  Bytes answer(ByteView command) {
    ByteReader in(command);
    in.skip(6).value();
    const TPM2_CC code = in.u32_be().value();
    if (auto& queue = instead[code]; !queue.empty()) {
      Bytes out = queue.front();
      queue.pop_front();
      return out;
    }
    return answers[code] = answer(code, in);
  }

  static Bytes failure(std::uint32_t code) { return framed(TPM2_ST_NO_SESSIONS, code, {}); }
  static Bytes success(ByteView parameters) {
    return framed(TPM2_ST_NO_SESSIONS, TPM2_RC_SUCCESS, parameters);
  }
  static Bytes framed(std::uint16_t tag, std::uint32_t code, ByteView rest) {
    ByteWriter out;
    out.u16_be(tag).u32_be(static_cast<std::uint32_t>(10 + rest.size())).u32_be(code).raw(rest);
    return std::move(out).take();
  }

 private:
  Bytes answer(TPM2_CC code, ByteReader& in) const {
    switch (code) {
      case TPM2_CC_NV_ReadPublic:
        return in.u32_be().value() == kHclReportIndex ? nv_public() : failure(TPM2_RC_HANDLE);
      case TPM2_CC_ReadPublic:
        return in.u32_be().value() == kHclKeyHandle ? key_public() : failure(TPM2_RC_HANDLE);
      case TPM2_CC_GetCapability:
        return capability();
      case TPM2_CC_NV_Read:
        return nv_read(in);
      case TPM2_CC_PCR_Read:
        return pcr_read(in);
      case TPM2_CC_Quote:
        return quote(in);
      default:
        return failure(TPM2_RC_COMMAND_CODE);
    }
  }

  // Of a command with a password, whose answer says so in five bytes.
  static Bytes authorised(ByteView parameters) {
    ByteWriter out;
    out.u32_be(static_cast<std::uint32_t>(parameters.size())).raw(parameters);
    out.u16_be(0).u8(TPMA_SESSION_CONTINUESESSION).u16_be(0);
    return framed(TPM2_ST_SESSIONS, TPM2_RC_SUCCESS, out.bytes());
  }
  static void skip_authorisation(ByteReader& in) { in.skip(in.u32_be().value()).value(); }
  static void sized(ByteWriter& out, ByteView bytes) {
    out.u16_be(static_cast<std::uint16_t>(bytes.size())).raw(bytes);
  }
  static void name(ByteWriter& out, ByteView area) {
    out.u16_be(34).u16_be(TPM2_ALG_SHA256).raw(sha256(area));
  }

  [[nodiscard]] Bytes nv_public() const {
    ByteWriter area;
    area.u32_be(kHclReportIndex).u16_be(TPM2_ALG_SHA256);
    area.u32_be(TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE | TPMA_NV_WRITTEN).u16_be(0);
    area.u16_be(index_size != 0 ? index_size : static_cast<std::uint16_t>(index.size()));
    ByteWriter out;
    sized(out, area.bytes());
    name(out, area.bytes());
    return success(out.bytes());
  }

  [[nodiscard]] Bytes key_public() const {
    const RuntimeClaims claims = parse_runtime_claims(vtpm_.runtime_data()).value();
    ByteWriter area;
    area.u16_be(key_type).u16_be(TPM2_ALG_SHA256).u32_be(0x00050072).u16_be(0);
    area.u16_be(TPM2_ALG_NULL);
    if (key_type == TPM2_ALG_RSA) {
      area.u16_be(TPM2_ALG_RSASSA).u16_be(TPM2_ALG_SHA256).u16_be(2048).u32_be(0);
      sized(area, claims.ak_modulus);
    } else {
      area.u16_be(TPM2_ALG_ECDSA).u16_be(TPM2_ALG_SHA256);
      area.u16_be(TPM2_ECC_NIST_P256).u16_be(TPM2_ALG_NULL);
      sized(area, Bytes(32, 1));
      sized(area, Bytes(32, 2));
    }
    ByteWriter out;
    sized(out, area.bytes());
    name(out, area.bytes());
    name(out, area.bytes());
    return success(out.bytes());
  }

  [[nodiscard]] Bytes capability() const {
    ByteWriter out;
    out.u8(0).u32_be(TPM2_CAP_TPM_PROPERTIES).u32_be(1).u32_be(property).u32_be(read_at_once);
    return success(out.bytes());
  }

  [[nodiscard]] Bytes nv_read(ByteReader& in) const {
    in.skip(8).value();
    skip_authorisation(in);
    const std::size_t size = in.u16_be().value();
    const std::size_t offset = in.u16_be().value();
    if (size > read_at_once || offset + size > index.size()) {
      return failure(TPM2_RC_NV_RANGE);
    }
    ByteWriter out;
    sized(out, ByteView(index).subspan(offset, size - left_out));
    return authorised(out.bytes());
  }

  [[nodiscard]] Bytes pcr_read(ByteReader& in) const {
    in.skip(7).value();  // one bank, SHA-256, three bytes
    const Bytes asked = to_bytes(in.take(3).value());
    Bytes given(3, 0);
    ByteWriter digests;
    std::uint32_t count = 0;
    for (std::size_t i = 0; i < 24 && count < digests_at_once; ++i) {
      const auto bit = static_cast<std::uint8_t>(1U << (i % 8));
      if ((asked[i / 8] & bit) != 0) {
        given[i / 8] |= bit;
        sized(digests, vtpm_.pcrs()[i]);
        ++count;
      }
    }
    ByteWriter out;
    out.u32_be(1).u32_be(1).u16_be(bank).u8(3).raw(given).u32_be(count).raw(digests.bytes());
    return success(out.bytes());
  }

  [[nodiscard]] Bytes quote(ByteReader& in) const {
    in.skip(4).value();
    skip_authorisation(in);
    const ByteView extra = in.take(in.u16_be().value()).value();
    const Bytes attest = write_tpm_attest(vtpm_.attest_template(extra));
    ByteWriter out;
    sized(out, attest);
    out.u16_be(scheme).u16_be(signed_with);
    sized(out, vtpm_.sign_attest(attest));
    return authorised(out.bytes());
  }

  const AzureVtpm& vtpm_;
};

}  // namespace ensconce
