#include "esys_device.h"

#include <tss2/tss2_esys.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "tpm_error.h"

namespace ensconce::internal {

namespace {

constexpr std::size_t kNumPcrs = 24;
constexpr std::uint32_t kDefaultExponent = 65537;  // TPM 2.0 part 2, TPMS_RSA_PARMS: 0 means this

struct FreeByEsys {
  void operator()(void* p) const { Esys_Free(p); }
};
template <typename T>
using Taken = std::unique_ptr<T, FreeByEsys>;

TPML_PCR_SELECTION selection_of(std::uint32_t pcrs) {
  TPML_PCR_SELECTION out{};
  out.count = 1;
  out.pcrSelections[0].hash = TPM2_ALG_SHA256;
  out.pcrSelections[0].sizeofSelect = 3;
  for (std::size_t i = 0; i < 3; ++i) {
    out.pcrSelections[0].pcrSelect[i] = static_cast<BYTE>(pcrs >> (8 * i));
  }
  return out;
}

std::uint32_t bits_of(const TPML_PCR_SELECTION& selection) {
  if (selection.count != 1 || selection.pcrSelections[0].hash != TPM2_ALG_SHA256) {
    return 0;
  }
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(selection.pcrSelections[0].sizeofSelect, 3);
       ++i) {
    out |= static_cast<std::uint32_t>(selection.pcrSelections[0].pcrSelect[i]) << (8 * i);
  }
  return out;
}

Bytes magnitude_of(std::uint32_t value) {
  Bytes out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const auto byte = static_cast<std::uint8_t>(value >> shift);
    if (byte != 0 || !out.empty()) {
      out.push_back(byte);
    }
  }
  return out;
}

class EsysDevice final : public VtpmDevice {
 public:
  explicit EsysDevice(OpenTcti open) : open_(std::move(open)) {}
  ~EsysDevice() override { close_all(); }

  Result<void> open() override {
    close_all();
    ENSC_TRY_ASSIGN(Tcti opened, open_());
    tcti_ = checked_tcti(std::move(opened));
    if (const TSS2_RC code = Esys_Initialize(&esys_, tcti_.get(), nullptr); code != 0) {
      close_all();
      return tpm_error("opening the TPM", code);
    }
    return ok();
  }

  void close() override { close_all(); }

  Result<Bytes> read_nv(std::uint32_t index, std::size_t limit) override {
    ENSC_TRY_ASSIGN(const ESYS_TR nv, handle_of(index, "looking for the NV index"));
    TPM2B_NV_PUBLIC* raw = nullptr;
    const TSS2_RC code =
        Esys_NV_ReadPublic(esys_, nv, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw, nullptr);
    const Taken<TPM2B_NV_PUBLIC> area(raw);
    if (code != 0) {
      return tpm_error("reading the NV index's size", code);
    }
    const std::size_t size = area->nvPublic.dataSize;
    if (size > limit) {
      return Error(TeeError::kBadAnswer, "the NV index holds " + std::to_string(size) + " bytes");
    }
    ENSC_TRY_ASSIGN(const std::size_t step, nv_step());
    Bytes out;
    while (out.size() < size) {
      ENSC_TRY(read_nv_part(nv, std::min(step, size - out.size()), out));
    }
    return out;
  }

  Result<RsaPublicKey> read_key(std::uint32_t handle) override {
    ENSC_TRY_ASSIGN(const ESYS_TR key, handle_of(handle, "looking for the attestation key"));
    TPM2B_PUBLIC* raw = nullptr;
    const TSS2_RC code = Esys_ReadPublic(esys_, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw,
                                         nullptr, nullptr);
    const Taken<TPM2B_PUBLIC> area(raw);
    if (code != 0) {
      return tpm_error("reading the attestation key", code);
    }
    const TPMT_PUBLIC& shown = area->publicArea;
    if (shown.type != TPM2_ALG_RSA) {
      return Error(TeeError::kBadAnswer, "the attestation key is no RSA key");
    }
    const ByteView modulus(shown.unique.rsa.buffer, shown.unique.rsa.size);
    const std::uint32_t exponent = shown.parameters.rsaDetail.exponent;
    auto out = RsaPublicKey::from_modulus(
        modulus, magnitude_of(exponent == 0 ? kDefaultExponent : exponent));
    return out ? std::move(out)
               : Result<RsaPublicKey>(Error(TeeError::kBadAnswer, out.error().to_string()));
  }

  // A TPM gives at most eight digests at once, and says which.
  Result<std::vector<ByteArray<32>>> read_pcrs() override {
    std::vector<ByteArray<32>> out(kNumPcrs);
    std::uint32_t wanted = 0xffffff;
    while (wanted != 0) {
      const TPML_PCR_SELECTION asked = selection_of(wanted);
      UINT32 counter = 0;
      TPML_PCR_SELECTION* raw_given = nullptr;
      TPML_DIGEST* raw_values = nullptr;
      const TSS2_RC code = Esys_PCR_Read(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &asked,
                                         &counter, &raw_given, &raw_values);
      const Taken<TPML_PCR_SELECTION> given(raw_given);
      const Taken<TPML_DIGEST> values(raw_values);
      if (code != 0) {
        return tpm_error("reading PCRs", code);
      }
      const std::uint32_t bits = bits_of(*given) & wanted;
      ENSC_TRY(take_values(bits, *values, out));
      wanted &= ~bits;
    }
    return out;
  }

  Result<Quote> quote(std::uint32_t handle, ByteView extra_data) override {
    ENSC_TRY_ASSIGN(const ESYS_TR key, handle_of(handle, "looking for the attestation key"));
    TPM2B_DATA data{};
    if (extra_data.size() > sizeof(data.buffer)) {
      return Error(TeeError::kUnsupported, "more extraData than a quote takes");
    }
    data.size = static_cast<UINT16>(extra_data.size());
    std::copy(extra_data.begin(), extra_data.end(), std::begin(data.buffer));
    TPMT_SIG_SCHEME scheme{};
    scheme.scheme = TPM2_ALG_NULL;  // the key's own
    const TPML_PCR_SELECTION all = selection_of(0xffffff);
    TPM2B_ATTEST* raw_attest = nullptr;
    TPMT_SIGNATURE* raw_signature = nullptr;
    const TSS2_RC code = Esys_Quote(esys_, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data,
                                    &scheme, &all, &raw_attest, &raw_signature);
    const Taken<TPM2B_ATTEST> attest(raw_attest);
    const Taken<TPMT_SIGNATURE> signature(raw_signature);
    if (code != 0) {
      return tpm_error("quoting", code);
    }
    if (signature->sigAlg != TPM2_ALG_RSASSA ||
        signature->signature.rsassa.hash != TPM2_ALG_SHA256) {
      return Error(TeeError::kBadAnswer, "the TPM quote is not signed with RSASSA and SHA-256");
    }
    const TPM2B_PUBLIC_KEY_RSA& value = signature->signature.rsassa.sig;
    return Quote{to_bytes(ByteView(attest->attestationData, attest->size)),
                 to_bytes(ByteView(value.buffer, value.size))};
  }

 private:
  void close_all() {
    Esys_Finalize(&esys_);
    tcti_.reset();
  }

  Result<ESYS_TR> handle_of(TPM2_HANDLE handle, const char* doing) {
    ESYS_TR out = ESYS_TR_NONE;
    const TSS2_RC code =
        Esys_TR_FromTPMPublic(esys_, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &out);
    return code == 0 ? Result<ESYS_TR>(out) : tpm_error(doing, code);
  }

  // How much of an NV index one command may read.
  Result<std::size_t> nv_step() {
    constexpr std::size_t kMost = 1024;
    TPMS_CAPABILITY_DATA* raw = nullptr;
    TPMI_YES_NO more = TPM2_NO;
    const TSS2_RC code =
        Esys_GetCapability(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
                           TPM2_PT_NV_BUFFER_MAX, 1, &more, &raw);
    const Taken<TPMS_CAPABILITY_DATA> capability(raw);
    if (code != 0) {
      return tpm_error("asking how much can be read at once", code);
    }
    const TPML_TAGGED_TPM_PROPERTY& properties = capability->data.tpmProperties;
    if (properties.count == 0 || properties.tpmProperty[0].property != TPM2_PT_NV_BUFFER_MAX ||
        properties.tpmProperty[0].value == 0) {
      return Error(TeeError::kBadAnswer, "the TPM does not say how much can be read at once");
    }
    return std::min<std::size_t>(properties.tpmProperty[0].value, kMost);
  }

  Result<void> read_nv_part(ESYS_TR nv, std::size_t len, Bytes& out) {
    TPM2B_MAX_NV_BUFFER* raw = nullptr;
    const TSS2_RC code =
        Esys_NV_Read(esys_, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                     static_cast<UINT16>(len), static_cast<UINT16>(out.size()), &raw);
    const Taken<TPM2B_MAX_NV_BUFFER> part(raw);
    if (code != 0) {
      return tpm_error("reading the NV index", code);
    }
    if (part->size != len) {
      return Error(TeeError::kBadAnswer, "reading the NV index: expected " + std::to_string(len) +
                                             " bytes, got " + std::to_string(part->size));
    }
    out.insert(out.end(), std::begin(part->buffer), std::begin(part->buffer) + part->size);
    return ok();
  }

  static Result<void> take_values(std::uint32_t bits, const TPML_DIGEST& values,
                                  std::vector<ByteArray<32>>& out) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < kNumPcrs; ++i) {
      if ((bits >> i & 1) == 0) {
        continue;
      }
      if (next >= values.count || values.digests[next].size != out[i].size()) {
        return Error(TeeError::kBadAnswer, "the TPM gave other PCRs than were asked for");
      }
      std::copy_n(std::begin(values.digests[next].buffer), out[i].size(), out[i].begin());
      ++next;
    }
    return next != 0 && next == values.count
               ? ok()
               : Result<void>(Error(TeeError::kBadAnswer,
                                    "the TPM gave other PCRs than were asked for; has it a SHA-256 "
                                    "bank?"));
  }

  OpenTcti open_;
  Tcti tcti_;
  ESYS_CONTEXT* esys_ = nullptr;
};

}  // namespace

std::unique_ptr<VtpmDevice> make_esys_device(OpenTcti open) {
  // tpm2-tss writes what fails to standard error, and reads this when it first has something to
  // say. Errors are ours to tell.
  [[maybe_unused]] static const int quiet = ::setenv("TSS2_LOG", "all+none", 1);
  return std::make_unique<EsysDevice>(std::move(open));
}

}  // namespace ensconce::internal
