#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/attestation/evidence/evidence_item.h"
#include "ensconce/attestation/evidence/intel_quote.h"
#include "ensconce/base/clock.h"
#include "ensconce/crypto/x509.h"

namespace ensconce {

inline constexpr std::size_t kMaxIntelJson = std::size_t{256} * 1024;
inline constexpr std::size_t kMaxTcbLevels = 256;

// PckExtensions is the SGX extension of a PCK certificate (Intel SGX PCK Certificate and CRL
// Profile, OID 1.2.840.113741.1.13.1). Members are looked up by OID, in any order.
struct PckExtensions {
  ByteArray<16> ppid{};
  std::array<std::uint8_t, 16> components{};
  std::uint16_t pce_svn = 0;
  ByteArray<16> cpu_svn{};
  ByteArray<2> pce_id{};
  ByteArray<6> fmspc{};
  std::uint8_t sgx_type = 0;                          // 0 standard, 1 scalable, 2 with integrity
  std::optional<ByteArray<16>> platform_instance_id;  // Platform CA
  std::optional<bool> dynamic_platform;
  std::optional<bool> cached_keys;
  std::optional<bool> smt_enabled;
};
// parse_pck_extensions reads it from a certificate; without one, or of another form, it is
// EvidenceError::kIntelPck. parse_pck_extension_value reads the contents of its extnValue.
Result<PckExtensions> parse_pck_extensions(const Certificate& pck);
Result<PckExtensions> parse_pck_extension_value(ByteView extn_value);

// IntelTcbStatus is what Intel says of a TCB level (PCS API v4), and what convergence makes of
// several.
enum class IntelTcbStatus : std::uint8_t {
  kUpToDate,
  kSwHardeningNeeded,
  kConfigurationNeeded,
  kConfigurationAndSwHardeningNeeded,
  kOutOfDate,
  kOutOfDateConfigurationNeeded,
  kTdRelaunchAdvised,                     // never in collateral
  kTdRelaunchAdvisedConfigurationNeeded,  // never in collateral
  kRevoked,
};
std::string_view name_of(IntelTcbStatus status);  // "SWHardeningNeeded", as Intel writes it
std::optional<IntelTcbStatus> intel_tcb_status_from_name(std::string_view name);

struct TcbLevel {
  std::array<std::uint8_t, 16> sgx{};
  std::optional<std::array<std::uint8_t, 16>> tdx;
  std::uint16_t pce_svn = 0;
  Instant date;
  IntelTcbStatus status = IntelTcbStatus::kRevoked;
  std::vector<std::string> advisories;
};

// SvnLevel is a level of a TDX module identity or a QE identity.
struct SvnLevel {
  std::uint16_t isv_svn = 0;
  Instant date;
  IntelTcbStatus status = IntelTcbStatus::kRevoked;
  std::vector<std::string> advisories;
};

struct TdxModule {
  ByteArray<48> mr_signer{};
  ByteArray<8> attributes{};
  ByteArray<8> attributes_mask{};
};
struct TdxModuleIdentity {
  std::string id;  // "TDX_01"
  TdxModule module;
  std::vector<SvnLevel> levels;  // highest first
};

// TcbInfo is Intel's TCB info, version 2 (SGX) or 3 (SGX, TDX). `signed_bytes` are the exact bytes
// of the inner object as sent, which the signature covers.
struct TcbInfo {
  bool is_tdx = false;
  std::uint32_t version = 3;
  Instant issued;
  Instant next_update;
  ByteArray<6> fmspc{};
  ByteArray<2> pce_id{};
  std::uint32_t evaluation_data_number = 0;
  std::optional<TdxModule> tdx_module;
  std::vector<TdxModuleIdentity> module_identities;
  std::vector<TcbLevel> levels;  // highest first, whatever order they came in
  Bytes signed_bytes;
  ByteArray<64> signature{};
};
// parse_tcb_info reads {"tcbInfo":{…},"signature":"<128 hex>"}. A duplicate or missing member, or a
// value out of its range, is EvidenceError::kIntelTcbInfo; members it does not know are left alone.
Result<TcbInfo> parse_tcb_info(ByteView json);

// QeIdentity is Intel's identity of a quoting enclave.
struct QeIdentity {
  std::string id;  // "QE", "TD_QE" (others are refused)
  std::uint32_t version = 2;
  Instant issued;
  Instant next_update;
  std::uint32_t evaluation_data_number = 0;
  ByteArray<4> misc_select{};  // memory order
  ByteArray<4> misc_select_mask{};
  ByteArray<16> attributes{};
  ByteArray<16> attributes_mask{};
  ByteArray<32> mr_signer{};
  std::uint16_t isv_prod_id = 0;
  std::vector<SvnLevel> levels;  // highest first
  Bytes signed_bytes;
  ByteArray<64> signature{};
};
Result<QeIdentity> parse_qe_identity(ByteView json);  // EvidenceError::kIntelQeIdentity

// IntelEndorsements is what vouches for one quote, sorted by what each thing is: form, no trust.
struct IntelEndorsements {
  Certificate pck;
  Certificate pck_ca;
  Certificate root;
  Certificate tcb_signing;
  TcbInfo tcb_info;
  QeIdentity qe_identity;
  std::optional<RevocationList> pck_crl;   // by the PCK CA
  std::optional<RevocationList> root_crl;  // by the root
};

// certificates_of_quote are those a quote carries: of certification type 5 a chain, PEM or DER one
// after another, in any order, at most 8; of type 4 the PCK certificate alone; none for other
// types. Another form is EvidenceError::kIntelCertification.
Result<std::vector<Certificate>> certificates_of_quote(const IntelQuote& quote);

// collect_intel_endorsements takes the PCK chain from the quote (or, where the quote has none,
// from the pool) and the rest from the pool, of which it keeps what fits by content: TCB info by
// TEE, FMSPC and PCE id; the identity by TEE; lists by issuer; of several that fit the one issued
// last. Where nothing fits but something of the kind is there, that is kept, for the verifier to
// say what is wrong; but a list of another issuer is no list at all, and one whose issuer neither
// pool nor quote have a certificate of is kEndorsementUnknown. A role left empty is
// kEndorsementMissing (CRLs may be absent), with the path of Intel's service that has it as remedy.
// Items of types this code does not know are passed over; one of a known type that does not parse
// is refused.
Result<IntelEndorsements> collect_intel_endorsements(const IntelQuote& quote,
                                                     std::span<const EndorsementItem> items);

// missing_intel_endorsements names what a verifier of this quote will need and neither the quote
// nor `items` have: "pck_chain" (a part of it), "tcb_info", "qe_identity", "tcb_signing",
// "pck_crl", "root_crl". What is there but fits another platform, TEE or issuer counts as missing.
std::vector<std::string> missing_intel_endorsements(const IntelQuote& quote,
                                                    std::span<const EndorsementItem> items);

}  // namespace ensconce
