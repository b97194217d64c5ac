// The identity of a quoting enclave (Intel PCS API v4, "Get Quoting Enclave Identity").

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "intel_json.h"

namespace ensconce {
namespace {

using internal::JsonObject;

Error bad(std::string detail) { return Error(EvidenceError::kIntelQeIdentity, std::move(detail)); }

Result<void> read_kind(const JsonObject& object, QeIdentity& out) {
  ENSC_TRY_ASSIGN(out.id, object.text("id"));
  // "QVE" is the identity of an enclave that verifies quotes; it makes none.
  if (out.id != "QE" && out.id != "TD_QE") {
    return bad("an id other than QE and TD_QE");
  }
  ENSC_TRY_ASSIGN(const std::uint64_t version, object.uint("version", 2));
  if (version != 2) {
    return bad("a version other than 2");
  }
  out.version = static_cast<std::uint32_t>(version);
  return ok();
}

Result<QeIdentity> read_qe_identity(ByteView json) {
  ENSC_TRY_ASSIGN(const internal::SignedJson answer,
                  internal::read_signed_json(json, "enclaveIdentity"));
  ENSC_TRY_ASSIGN(const JsonObject object, JsonObject::of(answer.inner, "enclaveIdentity"));
  QeIdentity out;
  ENSC_TRY(read_kind(object, out));
  ENSC_TRY(internal::read_validity(object, out.issued, out.next_update));
  ENSC_TRY_ASSIGN(const std::uint64_t number, object.uint("tcbEvaluationDataNumber", 0xffffffff));
  out.evaluation_data_number = static_cast<std::uint32_t>(number);
  ENSC_TRY_ASSIGN(out.misc_select, object.hex<4>("miscselect"));
  ENSC_TRY_ASSIGN(out.misc_select_mask, object.hex<4>("miscselectMask"));
  ENSC_TRY_ASSIGN(out.attributes, object.hex<16>("attributes"));
  ENSC_TRY_ASSIGN(out.attributes_mask, object.hex<16>("attributesMask"));
  ENSC_TRY_ASSIGN(out.mr_signer, object.hex<32>("mrsigner"));
  ENSC_TRY_ASSIGN(const std::uint64_t isv_prod_id, object.uint("isvprodid", 0xffff));
  out.isv_prod_id = static_cast<std::uint16_t>(isv_prod_id);
  ENSC_TRY_ASSIGN(out.levels, internal::read_svn_levels(object));
  out.signed_bytes = to_bytes(answer.signed_bytes);
  out.signature = answer.signature;
  return out;
}

}  // namespace

Result<QeIdentity> parse_qe_identity(ByteView json) {
  auto identity = read_qe_identity(json);
  if (!identity) {
    return bad(identity.error().detail());
  }
  return identity;
}

}  // namespace ensconce
