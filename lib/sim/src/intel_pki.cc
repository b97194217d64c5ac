#include "ensconce/sim/intel_pki.h"

#include <algorithm>
#include <chrono>

#include "ensconce/codec/der.h"
#include "intel_state.h"
#include "vendor.h"

namespace ensconce {
namespace {

using sim_intel::from_front;
using sim_vendor::kDay;
using sim_vendor::kYear;
using std::chrono::hours;

constexpr std::uint8_t kBooleanTag = 0x01;
constexpr std::uint8_t kOidTag = 0x06;
constexpr std::uint8_t kEnumeratedTag = 0x0a;
constexpr std::uint8_t kKeyIdTag = 0x80;  // AuthorityKeyIdentifier.keyIdentifier [0]
constexpr std::uint8_t kUriTag = 0x86;    // GeneralName [6] IA5String
constexpr std::uint8_t kContext0 = 0xa0;

// Intel SGX PCK Certificate and CRL Profile, "SGX Extensions".
constexpr std::string_view kSgxExtension = "1.2.840.113741.1.13.1";
constexpr ByteArray<9> kSgxArc = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

constexpr std::uint16_t kPckChain = 5;  // certification data: PEM, leaf first
constexpr std::uint16_t kFirstVersionWithBodyType = 5;
constexpr ByteArray<16> kIntelQeVendor = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                          0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
// ATTRIBUTES (Intel SDM vol. 3D): INIT and MODE64BIT, the quoting enclaves PROVISION_KEY too; XFRM
// of a processor with AVX-512.
constexpr ByteArray<16> kEnclaveAttributes = {0x05, 0, 0, 0, 0, 0, 0, 0, 0xe7};
constexpr ByteArray<16> kQeAttributes = {0x15, 0, 0, 0, 0, 0, 0, 0, 0xe7};
constexpr ByteArray<8> kTdAttributes = {0, 0, 0, 0x10};  // SEPT_VE_DISABLE
constexpr ByteArray<8> kXfam = {0xe7, 0x42, 0x06};

Bytes sequence(ByteView content) { return der::write_element(der::kSequence, content); }
Bytes octets(ByteView content) { return der::write_element(der::kOctetString, content); }

// ---- Certificates ---------------------------------------------------------------------------

// key_id is RFC 7093 §2, method 1: it needs no SHA-1, and nothing depends on how it was made.
Bytes key_id(const EcPublicKey& key) { return to_bytes(ByteView(sha256(key.point())).first(20)); }

// What Intel has in every certificate: whose key signed, where the list is, and its own key's id.
void add_identifiers(CertificateBuilder& builder, const EcPublicKey& issuer, std::string_view crl,
                     const EcPublicKey& own) {
  builder.extension("2.5.29.35", sequence(der::write_element(kKeyIdTag, key_id(issuer))));
  Bytes point = der::write_element(kUriTag, as_bytes(crl));
  point = der::write_element(kContext0, der::write_element(kContext0, point));
  builder.extension("2.5.29.31", sequence(sequence(point)));
  builder.extension("2.5.29.14", octets(key_id(own)));
}

// A host that no name server will ever know (RFC 2606 §2), with Intel's own paths.
constexpr std::string_view kRootCrlUri =
    "https://certificates.trustedservices.ensconce.invalid/IntelSGXRootCA.der";
constexpr std::string_view kPckCrlUri =
    "https://api.trustedservices.ensconce.invalid/sgx/certification/v4/pckcrl?ca=";

// serial is 20 bytes long, like Intel's; some of those take a sign octet.
Bytes serial(Random& random) {
  ByteArray<20> out = random.array<20>();
  out[0] |= 1;
  return to_bytes(out);
}

struct Validity {
  Instant from;
  Instant until;
};
// A certificate that a test lets end in the past began before that.
Validity valid_until(Instant until, Instant now) { return {std::min(now, until) - kDay, until}; }

CertificateBuilder& start(CertificateBuilder& builder, const std::string& cn, Random& random,
                          const Validity& validity) {
  return sim_vendor::organisation(builder, "")
      .subject_cn(cn)
      .serial(serial(random))
      .validity(validity.from, validity.until);
}

Certificate make_root(const IntelPkiOptions& options, const EcPrivateKey& key, Random& random,
                      Instant now) {
  CertificateBuilder builder;
  start(builder, options.root_cn, random,
        valid_until(options.root_not_after.value_or(now + kYear * 25), now));
  add_identifiers(builder, key.public_key(), kRootCrlUri, key.public_key());
  builder.ca(1, true);
  if (options.simulated_oid) {
    sim_vendor::mark(builder);
  }
  Certificate root = builder.self_sign(key);
  if (!options.root_signature_broken) {
    return root;
  }
  Bytes der = root.der();
  der.back() ^= 1;  // the last byte of s
  return Certificate::from_der(der).value();
}

// An issuer as its certificates name it, and the key that signs, which may be another's.
struct Issuer {
  const Certificate& certificate;
  EcPublicKey key;
  const EcPrivateKey& signs;
};

Certificate make_pck_ca(const IntelPkiOptions& options, const Issuer& root, const EcPublicKey& key,
                        Random& random, Instant now) {
  const std::string cn =
      options.processor_ca ? "Intel SGX PCK Processor CA" : "Intel SGX PCK Platform CA";
  CertificateBuilder builder;
  start(builder, options.ca_cn.empty() ? cn : options.ca_cn, random,
        valid_until(options.ca_not_after.value_or(now + kYear * 15), now));
  add_identifiers(builder, root.key, kRootCrlUri, key);
  if (!options.ca_without_ca) {
    builder.ca(0, true);
  }
  return builder.key(key).issue(root.certificate, root.signs);
}

Certificate make_tcb_signing(const IntelPkiOptions& options, const Issuer& root,
                             const EcPublicKey& key, Random& random, Instant now) {
  CertificateBuilder builder;
  start(builder, options.signing_cn, random,
        valid_until(options.signing_not_after.value_or(now + kYear * 7), now));
  add_identifiers(builder, root.key, kRootCrlUri, key);
  return builder.signing_leaf().key(key).issue(root.certificate, root.signs);
}

// entry is SEQUENCE { OID of SGX's arc and `suffix`, value }.
Bytes entry(const Bytes& suffix, ByteView value) {
  return sequence(concat({der::write_element(kOidTag, concat({kSgxArc, suffix})), value}));
}

Bytes tcb_entry(const IntelPkiOptions& options) {
  Bytes tcb;
  for (std::size_t i = 0; i < options.components.size(); ++i) {
    const auto number = static_cast<std::uint8_t>(i + 1);
    tcb = concat({tcb, entry({2, number}, der::write_small_uint(options.components[i]))});
  }
  tcb = concat({tcb, entry({2, 17}, der::write_small_uint(options.pce_svn)),
                entry({2, 18}, octets(options.components))});
  return entry({2}, sequence(tcb));
}

// The 5 members of a single-package platform, or the 7 of one that the Platform CA knows.
Bytes pck_extension(const IntelPkiOptions& options, Random& random) {
  const std::uint8_t sgx_type = options.processor_ca ? 0 : 1;  // standard, scalable
  const Bytes members = concat({
      entry({1}, octets(random.array<16>())),
      tcb_entry(options),
      entry({3}, octets(options.pce_id)),
      entry({4}, octets(options.fmspc)),
      entry({5}, der::write_element(kEnumeratedTag, Bytes{sgx_type})),
  });
  if (options.processor_ca) {
    return sequence(members);
  }
  const Bytes yes = der::write_element(kBooleanTag, Bytes{0xff});
  const Bytes configuration = concat({entry({7, 1}, yes), entry({7, 2}, yes), entry({7, 3}, yes)});
  return sequence(concat(
      {members, entry({6}, octets(random.array<16>())), entry({7}, sequence(configuration))}));
}

Certificate make_pck(const IntelPkiOptions& options, const Issuer& ca, const EcPublicKey& key,
                     Random& random, Instant now) {
  CertificateBuilder builder;
  Validity validity = valid_until(options.pck_not_after.value_or(now + kYear * 7), now);
  validity.from = options.pck_not_before.value_or(validity.from);
  start(builder, options.pck_cn, random, validity);
  const std::string crl =
      std::string(kPckCrlUri) + (options.processor_ca ? "processor" : "platform") + "&encoding=der";
  add_identifiers(builder, ca.key, crl, key);
  if (options.pck_with_ca) {
    builder.ca(-1, true);
  } else {
    builder.signing_leaf();
  }
  builder.extension(std::string(kSgxExtension),
                    options.pck_extension.value_or(pck_extension(options, random)));
  if (options.pck_critical_unknown) {
    builder.extension("1.2.3.4", der::write_small_uint(1), true);
  }
  return builder.key(key).issue(ca.certificate, ca.signs);
}

}  // namespace

IntelPki::IntelPki(std::unique_ptr<State> state) : state_(std::move(state)) {}
IntelPki::~IntelPki() = default;
IntelPki::IntelPki(IntelPki&&) noexcept = default;
IntelPki& IntelPki::operator=(IntelPki&&) noexcept = default;

IntelPki IntelPki::generate(const IntelPkiOptions& options, Random& random, Instant now) {
  const auto generate_key = [] { return EcPrivateKey::generate(Curve::kP256); };
  EcPrivateKey root_key = generate_key();
  EcPrivateKey ca_key = generate_key();
  EcPrivateKey pck_key = EcPrivateKey::generate(options.pck_on_p384 ? Curve::kP384 : Curve::kP256);
  EcPrivateKey signing_key = generate_key();
  const EcPrivateKey another = generate_key();

  Certificate root = make_root(options, root_key, random, now);
  const auto by_root = [&](bool by_another) {
    return Issuer{root, root_key.public_key(), by_another ? another : root_key};
  };
  Certificate ca =
      make_pck_ca(options, by_root(options.ca_by_another_root), ca_key.public_key(), random, now);
  const Issuer by_ca{ca, ca_key.public_key(), options.pck_by_another_ca ? another : ca_key};
  Certificate pck = make_pck(options, by_ca, pck_key.public_key(), random, now);
  Certificate signing = make_tcb_signing(options, by_root(options.signing_by_another_root),
                                         signing_key.public_key(), random, now);
  return IntelPki(std::make_unique<State>(
      State{options, std::move(root_key), std::move(ca_key), std::move(pck_key),
            std::move(signing_key), generate_key(), std::move(root), std::move(ca), std::move(pck),
            std::move(signing), random.array<16>()}));
}

const Certificate& IntelPki::root() const { return state_->root; }
const Certificate& IntelPki::pck_ca() const { return state_->pck_ca; }
const Certificate& IntelPki::pck() const { return state_->pck; }
const Certificate& IntelPki::tcb_signing() const { return state_->tcb_signing; }
const EcPrivateKey& IntelPki::root_key() const { return state_->root_key; }
const EcPrivateKey& IntelPki::ca_key() const { return state_->ca_key; }
std::string IntelPki::root_pem() const { return sim_vendor::pem_of(state_->root); }

Bytes IntelPki::pck_crl(Instant now, const std::vector<Bytes>& revoked) const {
  return CertificateBuilder::make_crl(state_->pck_ca, state_->ca_key, now - hours(1),
                                      now + kDay * 30, revoked);
}

Bytes IntelPki::root_crl(Instant now, const std::vector<Bytes>& revoked) const {
  return CertificateBuilder::make_crl(state_->root, state_->root_key, now - hours(1),
                                      now + kDay * 30, revoked);
}

// ---- Quotes ---------------------------------------------------------------------------------

namespace {

SgxReport qe_report(const IntelPkiOptions& options, bool tdx) {
  const sim_intel::QuotingEnclave qe = sim_intel::quoting_enclave(tdx);
  SgxReport report;
  report.cpu_svn = options.components;
  report.attributes = kQeAttributes;
  report.mr_enclave = sha256(as_bytes(qe.id));
  report.mr_signer = qe.mr_signer;
  report.isv_prod_id = qe.isv_prod_id;
  report.isv_svn = qe.isv_svn;
  return report;
}

IntelQuote quote_template(const IntelPkiOptions& options, const ByteArray<16>& qe_id,
                          std::uint16_t version, bool tdx) {
  IntelQuote quote;
  quote.version = version;
  quote.qe_vendor_id = kIntelQeVendor;
  quote.user_data = from_front<20>(qe_id);
  quote.qe_report = qe_report(options, tdx);
  if (version == 3) {  // later versions keep these reserved
    quote.qe_svn = quote.qe_report.isv_svn;
    quote.pce_svn = options.pce_svn;
  }
  for (std::uint8_t i = 0; i < 32; ++i) {
    quote.qe_auth_data.push_back(i);
  }
  quote.certification_type = kPckChain;
  return quote;
}

}  // namespace

IntelQuote IntelPki::td_quote_template(std::uint16_t version, bool td10) const {
  TdReport td;
  td.tee_tcb_svn = {sim_intel::kTdxModuleSvn, sim_intel::kTdxModuleMajor,
                    sim_intel::kTdxMicrocodeSvn};
  td.mr_seam = sha384(as_bytes("ensconce simulated TDX module"));
  td.td_attributes = kTdAttributes;
  td.xfam = kXfam;
  if (!td10 && version >= kFirstVersionWithBodyType) {
    td.tee_tcb_svn_2 = td.tee_tcb_svn;
    td.mr_service_td.emplace();
  }
  IntelQuote quote = quote_template(state_->options, state_->qe_id, version, true);
  quote.body = td;
  return quote;
}

IntelQuote IntelPki::sgx_quote_template(std::uint16_t version) const {
  SgxReport enclave;
  enclave.cpu_svn = state_->options.components;
  enclave.attributes = kEnclaveAttributes;
  IntelQuote quote = quote_template(state_->options, state_->qe_id, version, false);
  quote.body = enclave;
  return quote;
}

IntelQuote IntelPki::sign(IntelQuote quote) const {
  // The point without its leading 04.
  quote.attestation_key =
      from_front<64>(ByteView(state_->attestation_key.public_key().point()).subspan(1));
  quote.qe_report.report_data =
      from_front<64>(sha256(concat({quote.attestation_key, quote.qe_auth_data})));
  if (quote.certification_type == kPckChain) {
    quote.certification_data =
        to_bytes(sim_vendor::pem_of(state_->pck) + sim_vendor::pem_of(state_->pck_ca) + root_pem());
  }
  return resign_as_is(std::move(quote));
}

IntelQuote IntelPki::resign_as_is(IntelQuote quote) const {
  // A signature on P-384 (a knob for tests) is longer and loses its end.
  quote.qe_report_signature =
      from_front<64>(state_->pck_key.sign(write_sgx_report(quote.qe_report)));
  quote.signature = from_front<64>(state_->attestation_key.sign(intel_quote_signed_part(quote)));
  return quote;
}

}  // namespace ensconce
