#include "ensconce/attestation/verify/check.h"

#include <array>

#include "ensconce/base/check.h"

namespace ensconce {
namespace {

using E = AttestationError;
constexpr Stage kForm = Stage::kForm;
constexpr Stage kSig = Stage::kSignature;
constexpr Stage kRev = Stage::kRevocation;
constexpr Stage kPol = Stage::kPolicy;

constexpr std::size_t kNumChecks = static_cast<std::size_t>(E::kCount);

// code, id, stage, rule and source, what an attacker gains without it, remedy.
constexpr std::array<CheckInfo, kNumChecks> kChecks{{
    {E::kArkPinned, "snp.chain.ark_pinned", kSig,
     "the root's key is a trust anchor (AMD 57230, ARK; pinned by SPKI hash)",
     "anybody can make a root of his own and sign any report under it",
     "if this root is one you choose to trust, list its spki_sha256 under [[anchors.listed]] of "
     "the "
     "policy or pass --trust-anchor; evidence of a simulated processor is never trusted by "
     "default"},
    {E::kArkSelfSigned, "snp.chain.ark_self_signed", kSig,
     "the root's signature over itself holds (AMD 57230: RSASSA-PSS, SHA-384, salt 48)",
     "a root certificate with the pinned key and changed contents (dates, marks) would be believed",
     "fetch the root certificate again from the vendor"},
    {E::kArkOrigin, "snp.chain.origin", kSig,
     "a root that is marked as simulated is listed as simulated, any other is not",
     "a simulated processor could pass for a real one in verdicts",
     "write origin = \"simulated\" for this root in the policy"},
    {E::kChainNames, "snp.chain.names", kSig,
     "each certificate is issued by the name above it, and names are those of the product (RFC "
     "5280 "
     "section 6.1.3; AMD 57230)",
     "a certificate of one role or product could stand in for another",
     "collect the chain of the product that made the report: VCEK under ASK, VLEK under ASVK"},
    {E::kChainCa, "snp.chain.ca", kSig,
     "root and intermediate are CAs that may sign certificates; the chip's certificate is none "
     "(RFC 5280 section 6.1.4)",
     "the owner of one chip's key could issue certificates for chips that do not exist",
     "collect the chain from the vendor"},
    {E::kChainCriticalExtensions, "snp.chain.critical_extensions", kSig,
     "no certificate has a critical extension we do not know (RFC 5280 section 4.2)",
     "a limit the issuer set on a certificate would be ignored",
     "this chain needs a newer version of this software"},
    {E::kIntermediateSignature, "snp.chain.intermediate_signature", kSig,
     "the root signed the intermediate (AMD 57230: RSASSA-PSS, SHA-384, salt 48)",
     "anybody can make an intermediate of the right name", "collect the chain from the vendor"},
    {E::kVekSignature, "snp.chain.vek_signature", kSig,
     "the intermediate signed the chip's certificate (AMD 57230: RSASSA-PSS, SHA-384, salt 48)",
     "anybody can make a chip certificate for a key of his own",
     "VCEK needs the ASK and VLEK the ASVK of the same product: collect the matching chain"},
    {E::kVekExtensions, "snp.vek.extensions", kForm,
     "the chip's certificate has the extensions of its kind (AMD 57230, table \"VCEK certificate "
     "extensions\")",
     "TCB and chip of the certificate could not be compared", "fetch the certificate again"},
    {E::kVekKey, "snp.vek.key", kSig, "the chip's key is on P-384 (AMD 57230)",
     "a weaker key could sign reports", "fetch the certificate again"},
    {E::kReportSignature, "snp.signature", kSig,
     "the chip's key signed the report's bytes 0x000 to 0x29f (AMD 56860: ECDSA P-384, SHA-384)",
     "any field of a report could be invented",
     "the report was changed, or the certificate is of another chip or TCB: fetch the certificate "
     "for the report's CHIP_ID and REPORTED_TCB"},
    {E::kVekKind, "snp.vek.kind", kSig,
     "SIGNING_KEY names the kind of the certificate (AMD 56860, SIGNING_KEY; 57230: hwID in a "
     "VCEK, "
     "none in a VLEK)",
     "a key shared by a cloud's chips could pass for one chip's own",
     "give the certificate of the kind the report names"},
    {E::kVekProduct, "snp.vek.product", kSig,
     "processor in the report, product of the certificate and product of the root are one (AMD "
     "56860, CPUID; 57230, productName1)",
     "a report of one product could be vouched for by another's keys, and its TCB read by the "
     "wrong "
     "layout",
     "collect the chain of the product that made the report"},
    {E::kVekTcb, "snp.vek.tcb", kSig,
     "each SPL of the certificate equals the component of REPORTED_TCB (AMD 57230, 56860)",
     "firmware could report a newer TCB than its key was derived for",
     "fetch the certificate for the report's REPORTED_TCB"},
    {E::kVekChipId, "snp.vek.chip_id", kSig,
     "the certificate's hwID equals CHIP_ID (AMD 57230; 8 bytes on Turin, else 64)",
     "one chip's report could pass for another's",
     "fetch the certificate for the report's CHIP_ID; if that is all zero the host masks it, and "
     "only a VLEK can vouch for the report"},
    {E::kReportData, "snp.report_data", kSig,
     "REPORT_DATA is exactly what was expected (design: binding of evidence to statement)",
     "genuine evidence of one service or moment could be replayed for another",
     "ask the service for new evidence with your nonce; if it persists, the evidence is not about "
     "this statement"},
    {E::kCertNotYetValid, "snp.cert.not_yet_valid", kRev,
     "notBefore of every certificate has come (RFC 5280 section 6.1.3)",
     "a certificate outside its time could be used",
     "check this machine's clock, or the time given with --at"},
    {E::kCertExpired, "snp.cert.expired", kRev,
     "notAfter of every certificate has not passed (RFC 5280 section 6.1.3)",
     "a key whose issuer no longer vouches for it could be used",
     "fetch the certificate again (a VLEK lives one year); check this machine's clock"},
    {E::kCrlSignature, "snp.crl.signature", kRev,
     "the root issued and signed the revocation list (RFC 5280 section 6.3.3; AMD 57230)",
     "an empty list of somebody else could hide a revocation",
     "fetch the vendor's CRL of this product"},
    {E::kCrlTime, "snp.crl.time", kRev,
     "now is between thisUpdate and nextUpdate of the revocation list (RFC 5280 section 6.3.3)",
     "an old list could hide a revocation", "fetch the vendor's CRL again"},
    {E::kCrlRevoked, "snp.crl.revoked", kRev,
     "the intermediate's serial is not on the revocation list (AMD 57230)",
     "an intermediate the vendor gave up could sign any chip's certificate",
     "do not trust this evidence; the platform needs certificates under the vendor's new "
     "intermediate"},
    // Intel quotes.
    {E::kIntelRootPinned, "intel.chain.root_pinned", kSig,
     "the root's key is a trust anchor for Intel quotes (Intel SGX PCK Certificate and CRL "
     "Profile, SGX Root CA; pinned by SPKI hash)",
     "anybody can make a root of his own, and platform and collateral under it",
     "if this root is one you choose to trust, list its spki_sha256 under [[anchors.listed]] of "
     "the policy or pass --trust-anchor; evidence of a simulated processor is never trusted by "
     "default"},
    {E::kIntelRootSelfSigned, "intel.chain.root_self_signed", kSig,
     "the root's signature over itself holds (Intel SGX PCK Certificate and CRL Profile: ECDSA "
     "P-256, SHA-256)",
     "a root certificate with the pinned key and changed contents (dates, marks) would be believed",
     "fetch the root certificate again from the vendor"},
    {E::kIntelOrigin, "intel.chain.origin", kSig,
     "a root that is marked as simulated is listed as simulated, any other is not",
     "a simulated processor could pass for a real one in verdicts",
     "write origin = \"simulated\" for this root in the policy"},
    {E::kIntelNames, "intel.chain.names", kSig,
     "each certificate is issued by the name above it, and names are those of root, PCK Platform "
     "or Processor CA, and PCK (RFC 5280 section 6.1.3; Intel SGX PCK Certificate and CRL Profile)",
     "a certificate of another role, such as TCB signing, could stand in for a platform's",
     "collect the PCK certificate's own chain"},
    {E::kIntelCa, "intel.chain.ca", kSig,
     "root and PCK CA are CAs that may sign certificates; the PCK certificate is none (RFC 5280 "
     "section 6.1.4)",
     "the owner of one platform's key could issue certificates for platforms that do not exist",
     "collect the chain from the vendor"},
    {E::kIntelCriticalExtensions, "intel.chain.critical_extensions", kSig,
     "no certificate has a critical extension we do not know (RFC 5280 section 4.2)",
     "a limit the issuer set on a certificate would be ignored",
     "this chain needs a newer version of this software"},
    {E::kPckCaSignature, "intel.chain.ca_signature", kSig,
     "the root signed the PCK CA's certificate (Intel SGX PCK Certificate and CRL Profile: ECDSA "
     "P-256, SHA-256)",
     "anybody can make a PCK CA of the right name", "collect the chain from the vendor"},
    {E::kPckSignature, "intel.chain.pck_signature", kSig,
     "the PCK CA signed the PCK certificate (Intel SGX PCK Certificate and CRL Profile: ECDSA "
     "P-256, SHA-256)",
     "anybody can make a PCK certificate for a key of his own",
     "a PCK certificate needs the CA that issued it, Platform or Processor: collect the matching "
     "chain"},
    {E::kPckExtension, "intel.pck.extension", kForm,
     "the PCK certificate has the SGX extension (Intel SGX PCK Certificate and CRL Profile, OID "
     "1.2.840.113741.1.13.1)",
     "TCB and platform of the certificate could not be compared",
     "fetch the PCK certificate again"},
    {E::kPckKey, "intel.pck.key", kSig,
     "the PCK is on P-256 (Intel SGX PCK Certificate and CRL Profile)",
     "a key of another kind could vouch for a quoting enclave", "fetch the PCK certificate again"},
    {E::kIntelCertNotYetValid, "intel.cert.not_yet_valid", kRev,
     "notBefore of root, PCK CA, PCK and TCB signing certificate has come (RFC 5280 section 6.1.3)",
     "a certificate outside its time could be used",
     "check this machine's clock, or the time given with --at"},
    {E::kIntelCertExpired, "intel.cert.expired", kRev,
     "notAfter of root, PCK CA, PCK and TCB signing certificate has not passed (RFC 5280 section "
     "6.1.3)",
     "a key whose issuer no longer vouches for it could be used",
     "fetch certificates and collateral again; check this machine's clock"},
    {E::kRootCrlSignature, "intel.root_crl.signature", kRev,
     "the root issued and signed its revocation list (RFC 5280 section 6.3.3)",
     "an empty list of somebody else could hide a revocation", "fetch Intel's root CA CRL"},
    {E::kRootCrlTime, "intel.root_crl.time", kRev,
     "now is between thisUpdate and nextUpdate of the root's revocation list (RFC 5280 section "
     "6.3.3)",
     "an old list could hide a revocation", "fetch Intel's root CA CRL again"},
    {E::kRootCrlRevoked, "intel.root_crl.revoked", kRev,
     "neither the PCK CA nor the TCB signing certificate is on the root's revocation list (RFC "
     "5280 section 6.3.3)",
     "a CA or signer the vendor gave up could vouch for any platform and any TCB",
     "do not trust this evidence; the platform needs certificates and collateral under the "
     "vendor's new keys"},
    {E::kPckCrlSignature, "intel.pck_crl.signature", kRev,
     "the PCK's own issuer issued and signed the PCK revocation list (Intel quote verification "
     "library, PckCrlVerifier; RFC 5280 section 6.3.3)",
     "the other CA's list, or an empty one of somebody else, could hide a revocation",
     "fetch the PCK CRL of the CA that issued the PCK certificate, platform or processor"},
    {E::kPckCrlTime, "intel.pck_crl.time", kRev,
     "now is between thisUpdate and nextUpdate of the PCK revocation list (RFC 5280 section 6.3.3)",
     "an old list could hide a revocation", "fetch the PCK CRL again"},
    {E::kPckCrlRevoked, "intel.pck_crl.revoked", kRev,
     "the PCK certificate is not on the PCK revocation list (RFC 5280 section 6.3.3)",
     "a platform whose keys leaked could sign any quote", "do not trust this platform"},
    {E::kTcbSigningChain, "intel.signing.chain", kSig,
     "TCB info and QE identity have a signer that the root itself issued and named: no CA, a key "
     "on P-256 (Intel quote verification library, TCBSigningChain)",
     "the owner of any certificate under the root could declare his own platform up to date",
     "fetch the collateral again, with its issuer chain"},
    {E::kTcbInfoSignature, "intel.tcb_info.signature", kSig,
     "the TCB signing key signed the TCB info's bytes as sent (Intel PCS API v4: ECDSA P-256, "
     "SHA-256)",
     "a host could write its own TCB levels",
     "keep Intel's answer byte for byte: no white space, no re-encoding"},
    {E::kTcbInfoTime, "intel.tcb_info.time", kRev,
     "now is between issueDate and nextUpdate of the TCB info (Intel PCS API v4)",
     "an old TCB info could hide a flaw found since", "fetch the TCB info again"},
    {E::kTcbInfoTee, "intel.tcb_info.tee", kSig,
     "the TCB info is for the quote's TEE (Intel PCS API v4, id)",
     "levels of another TEE, which leave the TDX module out, could be taken",
     "fetch the TCB info of the quote's TEE, /sgx/ or /tdx/"},
    {E::kTcbInfoPlatform, "intel.tcb_info.platform", kSig,
     "the TCB info's fmspc and pceId equal the PCK certificate's (Intel quote verification "
     "library, QuoteVerifier)",
     "levels of another kind of platform, with lower SVNs, could be taken",
     "fetch the TCB info for the PCK certificate's FMSPC"},
    {E::kQeIdentitySignature, "intel.qe_identity.signature", kSig,
     "the TCB signing key signed the QE identity's bytes as sent (Intel PCS API v4: ECDSA P-256, "
     "SHA-256)",
     "a host could declare an enclave of its own to be Intel's quoting enclave",
     "keep Intel's answer byte for byte: no white space, no re-encoding"},
    {E::kQeIdentityTime, "intel.qe_identity.time", kRev,
     "now is between issueDate and nextUpdate of the QE identity (Intel PCS API v4)",
     "an old identity could hide a flaw of the quoting enclave found since",
     "fetch the QE identity again"},
    {E::kQeIdentityTee, "intel.qe_identity.tee", kSig,
     "the QE identity is that of the quote's TEE, QE or TD_QE (Intel PCS API v4, id)",
     "an SGX quoting enclave, which does not look at trust domains, could vouch for one",
     "fetch the QE identity of the quote's TEE, /sgx/ or /tdx/"},
    {E::kQeIdentityMiscSelect, "intel.qe_identity.misc_select", kSig,
     "MISCSELECT of the QE report equals the identity's under its mask (Intel quote verification "
     "library, EnclaveReportVerifier)",
     "a quoting enclave run with other features, which may spill its state, could vouch",
     "the platform's quoting enclave is not Intel's: reinstall it"},
    {E::kQeIdentityAttributes, "intel.qe_identity.attributes", kSig,
     "ATTRIBUTES of the QE report equal the identity's under their mask (Intel quote verification "
     "library, EnclaveReportVerifier)",
     "a quoting enclave in debug mode, whose key the host reads, could vouch",
     "the platform's quoting enclave is not Intel's: reinstall it"},
    {E::kQeIdentityMrSigner, "intel.qe_identity.mr_signer", kSig,
     "MRSIGNER of the QE report is the identity's (Intel quote verification library, "
     "EnclaveReportVerifier)",
     "any enclave on a genuine platform could sign quotes of its own making",
     "the platform's quoting enclave is not Intel's: reinstall it"},
    {E::kQeIdentityIsvProdId, "intel.qe_identity.isv_prod_id", kSig,
     "ISVPRODID of the QE report is the identity's (Intel quote verification library, "
     "EnclaveReportVerifier)",
     "another enclave of Intel's could pass for the quoting enclave",
     "the platform's quoting enclave is not Intel's: reinstall it"},
    {E::kQeIdentityLevel, "intel.qe_identity.level", kRev,
     "ISVSVN of the QE report reaches a level of the identity (Intel quote verification library, "
     "EnclaveReportVerifier)",
     "a quoting enclave older than any Intel still judges could vouch",
     "update the platform's quoting enclave"},
    {E::kQeVendor, "intel.qe.vendor", kSig,
     "the quote names Intel's quoting enclave (Intel SGX DCAP API appendix A, QE Vendor ID "
     "939a7233-f79c-4ca9-940a-0db3957f0607)",
     "a quote in another vendor's form could be read by Intel's rules",
     "use a quote of Intel's quoting enclave"},
    {E::kQeSignature, "intel.qe.signature", kSig,
     "the PCK signed the QE report (Intel SGX DCAP API appendix A: ECDSA P-256, SHA-256)",
     "any software could play the quoting enclave",
     "the quote was changed, or the PCK certificate is of another platform or TCB: fetch the PCK "
     "certificate for the quote"},
    {E::kQeBinding, "intel.qe.binding", kSig,
     "REPORTDATA of the QE report is SHA-256(attestation key, QE authentication data) and 32 zero "
     "bytes (Intel SGX DCAP API appendix A)",
     "a genuine QE report could be shown with an attestation key of one's own",
     "the quote was changed: ask for a new one"},
    {E::kQuoteSignature, "intel.signature", kSig,
     "the attestation key signed the quote's header and body (Intel SGX and TDX DCAP API, "
     "appendices: ECDSA P-256, SHA-256)",
     "any field of a quote could be invented", "the quote was changed: ask for a new one"},
    {E::kIntelReportData, "intel.report_data", kSig,
     "REPORTDATA is exactly what was expected (design: binding of evidence to statement)",
     "genuine evidence of one service or moment could be replayed for another",
     "ask the service for new evidence with your nonce; if it persists, the evidence is not about "
     "this statement"},
    {E::kIntelTcbLevel, "intel.tcb.level", kRev,
     "the platform reaches a TCB level of the TCB info: SGX components and PCESVN of the PCK "
     "certificate, for TDX also TEE_TCB_SVN (Intel quote verification library, TcbLevelCheck)",
     "firmware older than any Intel still judges could be used",
     "update the platform's firmware (BIOS, microcode, TDX module and its loader), then fetch a "
     "new PCK certificate and newer collateral"},
    {E::kIntelTcbRevoked, "intel.tcb.revoked", kRev,
     "the TCB status converged from platform, TDX module and quoting enclave is not Revoked (Intel "
     "quote verification library, QuoteVerifier)",
     "a TCB the vendor gave up, whose keys may be known, could be used",
     "update the platform's firmware, TDX module and quoting enclave, then fetch a new PCK "
     "certificate"},
    {E::kTdxModuleIdentity, "tdx.module.identity", kSig,
     "the TCB info knows the TDX module the TD was launched under, and the one that runs now where "
     "that decides the status (Intel quote verification library, TdxModuleCheck, TDRelaunchCheck; "
     "TEE_TCB_SVN[1])",
     "a TDX module Intel never judged could hold the TD's memory",
     "fetch newer TCB info, or update the platform's TDX module"},
    {E::kTdxModuleSigner, "tdx.module.signer", kSig,
     "MRSIGNERSEAM is the module's, SEAMATTRIBUTES are zero and the module's under its mask (Intel "
     "quote verification library, TdxModuleCheck)",
     "a TDX module of another signer, or one run with debug attributes, could read the TD",
     "the platform's TDX module is not Intel's: reinstall it"},
    {E::kTdxModuleLevel, "tdx.module.level", kRev,
     "the TDX module's SVN reaches a level of its identity (Intel quote verification library, "
     "TdxModuleCheck; TEE_TCB_SVN[0])",
     "a TDX module older than any Intel still judges could be used",
     "update the platform's TDX module, then launch the TD again"},
    {E::kEventLogReplay, "event_log.replay", kSig,
     "the event log replays to the registers, and has no event of one that is not vouched for: "
     "RTMR0 to RTMR3 of a quote by SHA-384 (UEFI 2.10 section 38; MRTD is not replayed), the "
     "quoted PCRs of a TPM by SHA-256, of 0 to 7 all that are not zero (TCG PC Client Platform "
     "Firmware Profile)",
     "a log could tell of a boot that never was",
     "send the event log of the guest that made the evidence, whole"},
    // Azure.
    {E::kAzureHardwareKind, "azure.hardware_kind", kSig,
     "the HCL report's hardware is that of the evidence: SNP beside a VCEK, TDX beside a TD quote "
     "(Microsoft, Confidential VM guest attestation design)",
     "a report read by the wrong hardware's layout could be taken for another one",
     "send vcek with an SNP guest's report, td_quote with a TDX guest's"},
    {E::kAzureRuntimeClaims, "azure.runtime_claims", kSig,
     "report data of the hardware's report is SHA-256(runtime data) and 32 zero bytes (Microsoft, "
     "Confidential VM guest attestation design)",
     "a genuine report could be shown with runtime claims that name somebody else's key",
     "the runtime data is not what this hardware vouched for: read HCL report and TD quote anew, "
     "byte for byte"},
    {E::kAzureVmpl, "azure.vmpl", kSig,
     "the SNP report was asked for at VMPL 0, where the paravisor alone runs (Microsoft, "
     "Confidential VM guest attestation design; AMD 56860, VMPL)",
     "code in the guest could ask for a report about claims of its own, and play the vTPM",
     "take the report from TPM NV index 0x01400001, not from the guest's own device"},
    {E::kAzureTdReport, "azure.td_report", kSig,
     "the TDREPORT in the HCL report has the quote's REPORTDATA, attributes and registers (Intel "
     "TDX Module ABI, TDREPORT_STRUCT, TDINFO_STRUCT)",
     "what is shown of a guest beside its quote could be another guest's",
     "ask for the quote of the very TDREPORT that the HCL report holds"},
    {E::kAzureAkForm, "azure.ak_form", kForm,
     "the runtime claims name one RSA key for signing, HCLAkPub (Microsoft, Confidential VM guest "
     "attestation design; RFC 7517)",
     "nothing would say whose quotes the hardware vouches for",
     "this guest's paravisor speaks another version of the runtime claims"},
    {E::kAzureTpmForm, "azure.tpm.form", kForm,
     "what the attestation key signed is a TPM's quote of its SHA-256 bank (TCG TPM 2.0 Part 2, "
     "section 10.12.8 TPMS_ATTEST)",
     "other data that the key signed could pass for a quote",
     "quote the SHA-256 bank alone, with at most 64 bytes of extraData"},
    {E::kAzureTpmSignature, "azure.tpm.signature", kSig,
     "the key the runtime claims name signed the TPM's quote (RFC 8017 section 8.2: "
     "RSASSA-PKCS1-v1_5, SHA-256)",
     "PCRs and extraData could be invented",
     "quote with the key at handle 0x81000003, under RSASSA with SHA-256"},
    {E::kAzureTpmPcrDigest, "azure.tpm.pcr_digest", kSig,
     "SHA-256 over the selected PCRs in order is the quoted digest (TCG TPM 2.0 Part 3, "
     "TPM2_Quote)",
     "PCR values of another boot could be shown beside a genuine quote",
     "a PCR changed between reading and quoting: read and quote again"},
    {E::kAzureReportData, "azure.report_data", kSig,
     "the quote's extraData is what was expected: 32, 48 or 64 bytes, and zeros behind them "
     "(design: binding of evidence to statement)",
     "genuine evidence of one service or moment could be replayed for another",
     "ask the service for new evidence with your nonce; if it persists, the evidence is not about "
     "this statement"},
    {E::kStatementBinding, "statement.binding", kSig,
     "REPORT_DATA is SHA-256(statement) and 32 zero bytes (docs/protocols/statement.md section 2)",
     "genuine evidence could be shown with somebody else's keys",
     "the statement is not the one this hardware vouched for: ask the service for a new document"},
    {E::kStatementForm, "statement.form", kForm,
     "the statement is of its form (docs/protocols/statement.md section 1)",
     "two readers could understand one statement differently",
     "the service speaks another version of the statement"},
    {E::kRcarBinding, "rcar.binding", kSig,
     "REPORT_DATA is SHA-384(runtime data) and 16 zero bytes (CoCo KBS attestation protocol 0.4.0)",
     "genuine evidence could ask for keys in somebody else's name",
     "the worker must hash additional-evidence, nonce and tee-pubkey by RFC 8785"},
    {E::kRcarForm, "rcar.form", kForm,
     "runtime data is canonical JSON with our statement inside (docs/protocols/statement.md "
     "section 3)",
     "two readers could understand one request differently",
     "the worker must put {\"ensconce\":{\"statement\":\"...\"}} into additional-evidence"},
    {E::kRcarNonce, "rcar.nonce", kSig, "the nonce is the one this broker gave for this session",
     "an old request could be replayed", "authenticate again and attest within the session"},
    {E::kRcarTeePubkey, "rcar.tee_pubkey", kSig,
     "tee-pubkey is the statement's own release key (docs/protocols/statement.md section 3)",
     "a key could be wrapped to somebody outside the attested process",
     "the worker must ask with the release key of its statement"},
    {E::kBeaconSignature, "beacon.signature", kSig,
     "one of the named brokers signed the beacon (RFC 9052 section 4.4)",
     "a host could invent the age of evidence",
     "name the broker's key in the policy, or use freshness by hardware"},
    {E::kBeaconForm, "beacon.form", kForm,
     "the beacon is of its form (docs/protocols/statement.md section 4)",
     "two readers could understand one beacon differently",
     "the broker speaks another version of the beacon"},
    {E::kRaTlsBinding, "ratls.binding", kSig,
     "REPORT_DATA is SHA-256(claims-buffer) and 32 zero bytes (CCC interoperable RA-TLS); in a "
     "legacy certificate SHA-256 of its key: SubjectPublicKeyInfo, or PKCS#1 RSAPublicKey",
     "a genuine quote of somebody else's could be put into any certificate",
     "the quote in this certificate is about something else: ask the service for its own "
     "certificate. Whatever this check says, no channel of ours is opened on such a certificate"},
    {E::kRaTlsPubkeyHash, "ratls.pubkey_hash", kSig,
     "pubkey-hash is the hash of the certificate's SubjectPublicKeyInfo (CCC interoperable "
     "RA-TLS)",
     "a certificate could carry an attested service's quote and claims with an attacker's key",
     "the attested key is not this certificate's: somebody else ends this connection"},
    {E::kAnchorAccepted, "anchor.accepted", kPol,
     "the policy accepts the root the evidence leads to",
     "a root trusted for another purpose could vouch for this one",
     "if you mean to trust it, list the root under [[anchors.listed]] or accept = [\"vendor\"]"},
    {E::kEvidenceKind, "evidence.kind", kPol, "the policy has a section for this kind of evidence",
     "evidence of a kind nobody wrote rules for would pass unjudged",
     "add the section [snp], [tdx], [sgx] or [azure] for the evidence you accept: `ensconce policy "
     "init` writes one"},
    {E::kEndorsementsCurrent, "evidence.endorsements_current", kRev,
     "certificates and revocation list have not ended since the evidence was verified",
     "a verdict kept in memory could outlive what it rests on",
     "fetch the evidence document again"},
    {E::kReportVersion, "snp.report_version", kPol,
     "the report's version is one the policy names (AMD 56860, VERSION)",
     "fields the policy relies on may not exist in an older report",
     "update the platform's firmware, or widen snp.report_version"},
    {E::kMeasurement, "snp.measurement", kPol,
     "the launch digest is a reference value (AMD 56860, MEASUREMENT)",
     "any code could run in a genuine TEE and get keys and inputs",
     "compare with the measurement of the release you deployed; if you meant to change the worker, "
     "add the new value to snp.measurement"},
    {E::kMeasurementCovers, "snp.measurement_covers", kPol,
     "the measurement reaches the worker's code",
     "on most clouds the measurement is the provider's firmware: whatever runs above it is not "
     "known",
     "use an image whose kernel, initrd and command line are measured; with firmware alone no key "
     "is "
     "released and no input is sent"},
    {E::kDebug, "snp.debug", kPol,
     "the guest policy's DEBUG bit is as the policy says (AMD 56860, GUEST_POLICY)",
     "the host may read a debug guest's memory", "launch the guest without the DEBUG bit"},
    {E::kMigrationAgent, "snp.migration_agent", kPol,
     "the guest policy's MIGRATE_MA bit is as the policy says (AMD 56860, GUEST_POLICY)",
     "a migration agent may take the guest's memory elsewhere",
     "launch the guest without the MIGRATE_MA bit"},
    {E::kSmt, "snp.smt", kPol,
     "the guest policy's SMT bit is as the policy says (AMD 56860, GUEST_POLICY)",
     "a sibling thread of the host may observe the guest",
     "launch the guest with the SMT bit the policy wants"},
    {E::kVmpl, "snp.vmpl", kPol,
     "the report was asked for at a privilege level the policy names (AMD 56860, VMPL)",
     "less privileged code in the guest, or the host itself, could ask in the worker's name",
     "the worker must ask for its report at the level the policy names"},
    {E::kSigningKey, "snp.signing_key", kPol,
     "the report is signed with a key of a kind the policy names (AMD 56860, SIGNING_KEY)",
     "a VLEK is shared by a provider's chips: one broken chip speaks for all",
     "widen snp.signing_key if your provider uses VLEK"},
    {E::kProduct, "snp.product", kPol, "the processor is of a product the policy names",
     "weaker hardware than the policy's author meant", "deploy on a product the policy names"},
    {E::kHostData, "snp.host_data", kPol, "HOST_DATA is as the policy says (AMD 56860)",
     "a deployment the host configured otherwise", "launch the guest with the expected HOST_DATA"},
    {E::kIdKeyDigest, "snp.id_key_digest", kPol, "ID_KEY_DIGEST is as the policy says (AMD 56860)",
     "an image nobody signed", "launch the guest with the ID block of the expected signer"},
    {E::kAuthorKeyDigest, "snp.author_key_digest", kPol,
     "AUTHOR_KEY_DIGEST is as the policy says (AMD 56860)", "an image of another author",
     "launch the guest with the ID block of the expected author"},
    {E::kChipId, "snp.chip_id", kPol, "CHIP_ID is as the policy says (AMD 56860)",
     "a machine outside the ones you know", "deploy on a machine the policy names"},
    {E::kMinimumTcb, "snp.minimum_tcb", kPol,
     "each component of REPORTED_TCB is at least the policy's (AMD 56860, TCB_VERSION)",
     "firmware with known holes", "update the platform's firmware, then fetch new certificates"},
    {E::kPlatformInfo, "snp.platform_info", kPol, "PLATFORM_INFO is as the policy says (AMD 56860)",
     "a platform configured more weakly than the policy's author meant",
     "change the platform's settings (SMT, TSME, ciphertext hiding)"},
    {E::kGuestPolicy, "snp.guest_policy", kPol,
     "the guest policy is as the policy says, all 64 bits (AMD 56860, GUEST_POLICY)",
     "a guest launched with weaker conditions than the policy's author meant",
     "launch the guest with the expected guest policy"},
    {E::kGuestSvn, "snp.guest_svn", kPol, "GUEST_SVN is as the policy says (AMD 56860)",
     "an older image of the same signer", "launch the guest with the ID block of a newer image"},
    {E::kFamilyId, "snp.family_id", kPol, "FAMILY_ID is as the policy says (AMD 56860)",
     "an image of another family of the same signer",
     "launch the guest with the expected ID block"},
    {E::kImageId, "snp.image_id", kPol, "IMAGE_ID is as the policy says (AMD 56860)",
     "another image of the same signer", "launch the guest with the expected ID block"},
    {E::kCrlRequired, "snp.crl.required", kPol,
     "a revocation list was there where the policy requires one",
     "leaving the list out would hide a revocation",
     "have the worker send the CRL, give it with --endorsements, or write crl = \"if_present\""},
    {E::kTdxQuoteVersion, "tdx.quote_version", kPol,
     "the quote's version is one the policy names (Intel TDX DCAP API, quote header)",
     "fields the policy relies on may not exist in an older quote",
     "update the platform, or widen tdx.quote_version"},
    {E::kTdxMeasurement, "tdx.measurement", kPol,
     "MRTD is a reference value (Intel TDX DCAP API, TD quote body)",
     "any initial image could run in a genuine TD and get keys and inputs",
     "compare with the MRTD of the image you deployed; if you meant to change it, add the new "
     "value to tdx.measurement"},
    {E::kTdxMeasurementCovers, "tdx.measurement_covers", kPol,
     "MRTD and the run-time registers the policy names reach the worker's code",
     "on most clouds MRTD is the provider's firmware: whatever runs above it is not known",
     "name rtmr1 and rtmr2 (kernel, initrd, command line) of the image; with firmware alone no key "
     "is released and no input is sent"},
    {E::kTdxRtmr0, "tdx.rtmr0", kPol,
     "RTMR0 (firmware configuration) is as the policy says (Intel TDX DCAP API, TD quote body)",
     "other code or configuration than the reference could have been booted",
     "replay the event log (`ensconce evidence show`) to see what differs; then update the image "
     "or the policy"},
    {E::kTdxRtmr1, "tdx.rtmr1", kPol,
     "RTMR1 (boot loader and kernel) is as the policy says (Intel TDX DCAP API, TD quote body)",
     "other code or configuration than the reference could have been booted",
     "replay the event log (`ensconce evidence show`) to see what differs; then update the image "
     "or the policy"},
    {E::kTdxRtmr2, "tdx.rtmr2", kPol,
     "RTMR2 (kernel command line and initrd) is as the policy says (Intel TDX DCAP API, TD quote "
     "body)",
     "other code or configuration than the reference could have been booted",
     "replay the event log (`ensconce evidence show`) to see what differs; then update the image "
     "or the policy"},
    {E::kTdxRtmr3, "tdx.rtmr3", kPol,
     "RTMR3 (what the guest extended at run time) is as the policy says (Intel TDX DCAP API, TD "
     "quote body)",
     "other code or configuration than the reference could have been booted",
     "replay the event log (`ensconce evidence show`) to see what differs; then update the image "
     "or the policy"},
    {E::kTdxDebug, "tdx.debug", kPol,
     "no bit of the debug group of TDATTRIBUTES, or as the policy says (Intel TDX DCAP API, TD "
     "quote body; bits 7:0)",
     "the host may read a debug TD's memory", "launch the TD without debug"},
    {E::kTdxMigratable, "tdx.migratable", kPol,
     "TDATTRIBUTES.MIGRATABLE is as the policy says (Intel TDX DCAP API, TD quote body; bit 29)",
     "a migration TD may take the guest's memory elsewhere", "launch the TD without MIGRATABLE"},
    {E::kTdxSeptVeDisable, "tdx.sept_ve_disable", kPol,
     "TDATTRIBUTES.SEPT_VE_DISABLE is as the policy says (Intel TDX DCAP API, TD quote body; bit "
     "28)",
     "the host can inject exceptions at chosen memory accesses",
     "launch the TD with SEPT_VE_DISABLE"},
    {E::kTdxPerfmon, "tdx.perfmon", kPol,
     "TDATTRIBUTES.PERFMON is as the policy says (Intel TDX DCAP API, TD quote body; bit 63)",
     "performance counters widen side channels", "launch the TD without PERFMON"},
    {E::kTdxXfam, "tdx.xfam", kPol,
     "XFAM is as the policy says (Intel TDX DCAP API, TD quote body)",
     "processor features the policy's author did not mean", "launch the TD with the expected XFAM"},
    {E::kTdxMrSeam, "tdx.mr_seam", kPol,
     "MRSEAM is as the policy says (Intel TDX DCAP API, TD quote body)",
     "another TDX module than the ones you know",
     "update the platform's TDX module, or the policy"},
    {E::kTdxMrConfigId, "tdx.mr_config_id", kPol,
     "MRCONFIGID is as the policy says (Intel TDX DCAP API, TD quote body)",
     "a deployment the host configured otherwise", "launch the TD with the expected MRCONFIGID"},
    {E::kTdxMrOwner, "tdx.mr_owner", kPol,
     "MROWNER is as the policy says (Intel TDX DCAP API, TD quote body)", "a TD of another owner",
     "launch the TD with the expected MROWNER"},
    {E::kTdxMrOwnerConfig, "tdx.mr_owner_config", kPol,
     "MROWNERCONFIG is as the policy says (Intel TDX DCAP API, TD quote body)",
     "a TD its owner configured otherwise", "launch the TD with the expected MROWNERCONFIG"},
    {E::kTdxMrServiceTd, "tdx.mr_service_td", kPol,
     "MRSERVICETD is as the policy says (Intel TDX DCAP API, TD quote body, TDX 1.5; zero before)",
     "a service TD bound to this one could act on it",
     "launch the TD without service TDs, or name them"},
    {E::kTdxMinimumTcbSvn, "tdx.minimum_tcb_svn", kPol,
     "each byte of TEE_TCB_SVN is at least the policy's (Intel TDX DCAP API, TD quote body)",
     "a TDX module with known holes", "update the platform's TDX module"},
    {E::kTdxEventLog, "tdx.event_log", kPol, "an event log was there where the policy requires one",
     "registers without their log say that something was booted and not what",
     "have the worker send its CCEL, give it with --endorsements, or write event_log = "
     "\"if_present\""},
    {E::kSgxQuoteVersion, "sgx.quote_version", kPol,
     "the quote's version is one the policy names (Intel SGX DCAP API, appendix A)",
     "fields the policy relies on may not exist in an older quote",
     "update the platform, or widen sgx.quote_version"},
    {E::kSgxMeasurement, "sgx.measurement", kPol,
     "MRENCLAVE is a reference value (Intel SGX DCAP API, appendix A, report body)",
     "any enclave could get keys and inputs",
     "compare with the MRENCLAVE of the release you deployed; if you meant to change it, add the "
     "new value to sgx.measurement"},
    {E::kSgxMeasurementCovers, "sgx.measurement_covers", kPol,
     "the policy names MRENCLAVE, or MRSIGNER with a product",
     "any enclave that anybody signed would pass",
     "name sgx.measurement, or sgx.mr_signer with sgx.isv_prod_id"},
    {E::kSgxMrSigner, "sgx.mr_signer", kPol,
     "MRSIGNER is as the policy says (Intel SGX DCAP API, appendix A, report body)",
     "an enclave nobody you trust has signed", "sign the enclave with the expected key"},
    {E::kSgxIsvProdId, "sgx.isv_prod_id", kPol,
     "ISVPRODID is as the policy says (Intel SGX DCAP API, appendix A, report body)",
     "another product of the same signer", "build the enclave with the expected product id"},
    {E::kSgxIsvSvn, "sgx.isv_svn", kPol,
     "ISVSVN is as the policy says (Intel SGX DCAP API, appendix A, report body)",
     "an older version with known holes", "deploy a newer enclave"},
    {E::kSgxDebug, "sgx.debug", kPol,
     "ATTRIBUTES.DEBUG is as the policy says (Intel SGX DCAP API, appendix A, report body; bit 1)",
     "the host may read a debug enclave's memory", "build and launch the enclave without debug"},
    {E::kSgxConfigId, "sgx.config_id", kPol,
     "CONFIGID is as the policy says (Intel SGX DCAP API, appendix A, report body; KSS)",
     "an enclave the host configured otherwise", "launch the enclave with the expected CONFIGID"},
    {E::kSgxConfigSvn, "sgx.config_svn", kPol,
     "CONFIGSVN is as the policy says (Intel SGX DCAP API, appendix A, report body; KSS)",
     "an older configuration", "launch the enclave with a newer configuration"},
    {E::kSgxIsvExtProdId, "sgx.isv_ext_prod_id", kPol,
     "ISVEXTPRODID is as the policy says (Intel SGX DCAP API, appendix A, report body; KSS)",
     "another product of the same signer",
     "build the enclave with the expected extended product id"},
    {E::kSgxIsvFamilyId, "sgx.isv_family_id", kPol,
     "ISVFAMILYID is as the policy says (Intel SGX DCAP API, appendix A, report body; KSS)",
     "another family of the same signer", "build the enclave with the expected family id"},
    {E::kIntelTcbStatus, "intel.tcb.status", kPol,
     "the platform's TCB status is one the policy accepts (Intel PCS API v4, tcbStatus)",
     "firmware with known holes",
     "update the platform (BIOS, microcode, TDX module); or, if you accept the advisories listed, "
     "add the status to tcb_status"},
    {E::kIntelAdvisories, "intel.tcb.advisories", kPol,
     "each advisory of the platform's level is one the policy accepts (Intel PCS API v4, "
     "advisoryIDs)",
     "a hole its owner has not thought about",
     "read the advisory, mitigate it, then add it to advisories"},
    {E::kIntelEvaluationDataNumber, "intel.tcb.evaluation_data_number", kPol,
     "tcbEvaluationDataNumber of the collateral is at least the policy's (Intel PCS API v4)",
     "collateral from before a TCB recovery, unexpired, would hide what it found",
     "fetch newer collateral (update=standard or a higher tcbEvaluationDataNumber)"},
    {E::kIntelCollateralAge, "intel.collateral_age", kPol,
     "TCB info and QE identity were issued no longer ago than the policy says (Intel PCS API v4, "
     "issueDate)",
     "old collateral could hide a newer verdict", "fetch the collateral again"},
    {E::kIntelPckCa, "intel.pck_ca", kPol,
     "the PCK certificate is of a CA the policy names (Intel PCK certificate profile)",
     "a platform of another kind than you meant",
     "widen pck_ca: servers of several packages are under the Platform CA"},
    {E::kIntelFmspc, "intel.fmspc", kPol,
     "FMSPC is as the policy says (Intel PCK certificate profile)",
     "another processor model or configuration than you meant",
     "deploy on a platform the policy names"},
    {E::kIntelPlatformId, "intel.platform_id", kPol,
     "PPID is as the policy says (Intel PCK certificate profile)",
     "a machine outside the ones you know", "deploy on a machine the policy names"},
    {E::kIntelCrlRequired, "intel.crl.required", kPol,
     "both revocation lists were there where the policy requires them",
     "leaving a list out would hide a revocation",
     "have the worker send both CRLs, give them with --endorsements, or write crl = "
     "\"if_present\""},
    {E::kAzurePcrs, "azure.pcrs", kPol,
     "each PCR the policy names is quoted and has one of its values (TCG TPM 2.0 Part 2; Microsoft "
     "guest attestation design)",
     "any kernel could run above the provider's firmware",
     "compare with the event log of the image you deployed; then update the image or azure.pcrs"},
    {E::kAzureSecureBoot, "azure.secure_boot", kPol,
     "vm-configuration secure-boot is as the policy says (runtime claims)",
     "code nobody signed could have been booted", "create the VM with secure boot"},
    {E::kAzureConsole, "azure.console", kPol,
     "vm-configuration console-enabled is as the policy says (runtime claims)",
     "the host may type at the guest's console", "create the VM without a console"},
    {E::kAzureVmUniqueId, "azure.vm_unique_id", kPol,
     "vmUniqueId is as the policy says (runtime claims)", "a VM outside the ones you know",
     "deploy on the VM the policy names"},
    {E::kAzureEventLog, "azure.event_log", kPol,
     "an event log was there where the policy requires one",
     "PCRs without their log say that something was booted and not what",
     "have the worker send its TPM event log, give it with --endorsements, or write event_log = "
     "\"if_present\""},
    {E::kStatementGiven, "statement.given", kPol, "a statement came with the evidence",
     "bare evidence says nothing of keys and configuration",
     "give the evidence document rather than the bare report"},
    {E::kSecurityPadding, "security.padding", kPol, "the worker pads answers as the policy says",
     "lengths tell about contents", "configure the worker's padding"},
    {E::kSecurityTenancy, "security.tenancy", kPol, "the worker's tenancy is as the policy says",
     "another tenant's requests may share the process", "configure the worker's tenancy"},
    {E::kSecuritySandbox, "security.sandbox", kPol, "the worker's sandbox is as the policy says",
     "a flaw in the engine reaches files, programs and networks beyond the worker",
     "give the worker a kernel with what is missing: ensconce-worker --explain-sandbox"},
    {E::kSecuritySoftware, "security.software", kPol,
     "the worker's software is one the policy names", "a version with known holes",
     "update the worker, or the policy"},
    {E::kSecurityOwnerKeys, "security.owner_keys", kPol,
     "the worker opens bundles of the policy's owners and of nobody else",
     "a genuine worker could serve somebody else's model under your model's name",
     "start the worker with the owner keys of the policy"},
    {E::kSecurityBrokerKey, "security.broker_key", kPol,
     "the worker believes the broker the policy names",
     "beacons and leases of a broker you do not know",
     "start the worker with the policy's broker key"},
    {E::kFreshnessBinding, "freshness.binding", kPol,
     "the evidence is bound in the way of the policy's role: a client's to the statement, a "
     "broker's "
     "to its RCAR session",
     "evidence made for one exchange could serve another",
     "use a client's policy for documents and a broker's for key release"},
    {E::kFreshnessKnown, "freshness.known", kPol,
     "freshness is shown in the way the policy asks for",
     "evidence of any age, of a machine long since compromised, would pass",
     "without a beacon the age of evidence is unknown: fetch with your own nonce and hardware = "
     "true, "
     "or let the worker reach its broker"},
    {E::kFreshnessChallenge, "freshness.challenge", kPol,
     "the statement's challenge is SHA-256 of the beacon, or the verifier's own nonce",
     "a fresh beacon could be shown beside stale evidence", "fetch the evidence document again"},
    {E::kFreshnessBootId, "freshness.boot_id", kPol,
     "the beacon was made for the boot the statement names",
     "a beacon of another worker could be shown", "fetch the evidence document again"},
    {E::kFreshnessBrokerKey, "freshness.broker_key", kPol,
     "a broker the policy names signed the beacon",
     "any broker could vouch for the age of evidence", "name the broker's key under [freshness]"},
    {E::kFreshnessFuture, "freshness.future", kPol,
     "the beacon is not from the future (two minutes of skew are tolerated)",
     "a beacon made ahead of time would stay fresh for long",
     "set the clocks of this machine and of the broker"},
    {E::kFreshnessAge, "freshness.age", kPol,
     "the beacon is no older than the policy's evidence_age, by this verifier's clock",
     "evidence of a machine compromised since would pass",
     "fetch the evidence document again; if it stays old, the worker cannot reach its broker"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kChecks.size(); ++i) {
    if (static_cast<std::size_t>(kChecks[i].code) != i || kChecks[i].id.empty() ||
        kChecks[i].remedy.empty()) {
      return false;
    }
  }
  return true;
}
static_assert(in_order(), "the table follows AttestationError");

}  // namespace

std::span<const CheckInfo> all_checks() { return kChecks; }

#ifdef ENSC_MUTATION
namespace internal {
std::optional<AttestationError> rule_off;
void (*on_broken_rule)(AttestationError) = [](AttestationError) {};
}  // namespace internal
#endif

bool CheckLog::require(AttestationError code, bool holds, std::string expected, std::string got) {
  if (!holds && !refusal_.has_value()) {
    refusal_ = Error(code, "expected " + expected + ", got " + got)
                   .with_remedy(std::string(kChecks[static_cast<std::size_t>(code)].remedy));
  }
  record(code, holds, std::move(expected), std::move(got), false);
  return holds;
}

void CheckLog::not_applied(AttestationError code, std::string expected, std::string got) {
  record(code, std::nullopt, std::move(expected), std::move(got), false);
}

void CheckLog::warn(AttestationError code, bool holds, std::string expected, std::string got) {
  warned_ = warned_ || !holds;
  record(code, holds, std::move(expected), std::move(got), !holds);
}

Result<void> CheckLog::verdict() const {
  if (refusal_.has_value()) {
    return *refusal_;
  }
  return ok();
}

void CheckLog::record(AttestationError code, std::optional<bool> holds, std::string expected,
                      std::string got, bool is_warning) {
#ifdef ENSC_MUTATION
  if (!holds.value_or(true)) {
    internal::on_broken_rule(code);
  }
#endif
  const CheckInfo& info = kChecks[static_cast<std::size_t>(code)];
  checks_.push_back({.id = info.id,
                     .rule = info.rule,
                     .expected = std::move(expected),
                     .got = std::move(got),
                     .holds = holds,
                     .remedy = holds.value_or(true) ? std::string_view() : info.remedy,
                     .is_warning = is_warning});
}

}  // namespace ensconce
