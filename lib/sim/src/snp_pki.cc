#include "ensconce/sim/snp_pki.h"

#include <algorithm>
#include <chrono>

#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/base/check.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/der.h"
#include "ensconce/codec/json.h"
#include "vendor.h"

namespace ensconce {
namespace {

using std::chrono::hours;

using sim_vendor::kDay;
using sim_vendor::kYear;
using sim_vendor::load_certificate;
using sim_vendor::pem_of;

constexpr std::string_view kArc = "1.3.6.1.4.1.3704.1.";

std::string oid(std::string_view suffix) { return std::string(kArc) + std::string(suffix); }

CertificateBuilder& as_vendor(CertificateBuilder& builder) {
  return sim_vendor::organisation(builder, "Engineering");
}

Certificate make_ark(const SnpPkiOptions& options, const RsaPrivateKey& key, Instant now) {
  CertificateBuilder builder;
  as_vendor(builder)
      .subject_cn("ARK-" + std::string(name_of(options.product)))
      .serial(0x10000)
      .validity(now - kDay, options.ark_not_after.value_or(now + kYear * 25))
      .ca(-1, true);
  if (options.simulated_oid) {
    sim_vendor::mark(builder);
  }
  return builder.self_sign(key);
}

Certificate make_ask(const SnpPkiOptions& options, const Certificate& ark,
                     const RsaPrivateKey& ark_key, const RsaPrivateKey& ask_key, Instant now) {
  const bool vlek = options.key == SnpSigningKey::kVlek;
  CertificateBuilder builder;
  as_vendor(builder)
      .subject_cn((vlek ? "SEV-VLEK-" : "SEV-") + std::string(name_of(options.product)))
      .serial(vlek ? 0x10101 : 0x10001)
      .validity(now - kDay, options.ask_not_after.value_or(now + kYear * 25))
      .key(ask_key);
  if (!options.ask_without_ca) {
    builder.ca(0, false);
  }
  return builder.issue(ark, ark_key);
}

// The extensions of AMD 57230, in the layout of the product.
void add_vek_extensions(CertificateBuilder& builder, const SnpPkiOptions& options,
                        const TcbVersion& tcb, const ByteArray<64>& chip_id) {
  const bool turin = options.product == SnpProduct::kTurin;
  const auto integer = [&](std::string_view suffix, std::uint32_t value) {
    builder.extension(oid(suffix), der::write_small_uint(value));
  };
  integer("1", turin ? 1 : 0);
  const std::string product = options.vek_product_name.empty()
                                  ? std::string(name_of(options.product))
                                  : options.vek_product_name;
  builder.extension(oid("2"), der::write_ia5_string(product));
  integer("3.1", tcb.bootloader);
  integer("3.2", tcb.tee);
  integer("3.3", tcb.snp);
  if (!turin) {
    integer("3.4", 0);
  }
  integer("3.5", 0);
  integer("3.6", 0);
  integer("3.7", 0);
  integer("3.8", tcb.microcode);
  if (turin) {
    integer("3.9", tcb.fmc.value_or(0));
  }
  if (options.vek_hwid.has_value()) {
    builder.extension(oid("4"), *options.vek_hwid);
  } else if (options.key == SnpSigningKey::kVcek) {
    builder.extension(oid("4"), to_bytes(ByteView(chip_id).first(turin ? 8 : 64)));
  } else {
    builder.extension(oid("5"), der::write_ia5_string("CN=cc-sim.ensconce.invalid"));
  }
}

ByteArray<64> make_chip_id(const SnpPkiOptions& options, Random& random) {
  if (options.chip_id.has_value()) {
    return *options.chip_id;
  }
  ByteArray<64> id{};
  if (options.key == SnpSigningKey::kVcek) {
    random.fill(MutableByteView(id).first(options.product == SnpProduct::kTurin ? 8 : 64));
  }
  return id;
}

TcbVersion plausible_tcb(SnpProduct product) {
  if (product == SnpProduct::kTurin) {
    return {.fmc = 1, .bootloader = 1, .tee = 1, .snp = 4, .microcode = 81};
  }
  return {.fmc = std::nullopt, .bootloader = 4, .tee = 0, .snp = 24, .microcode = 219};
}

}  // namespace

struct SnpPki::State {
  RsaPrivateKey ark_key;
  RsaPrivateKey ask_key;
  EcPrivateKey vek_key;
  Certificate ark;
  Certificate ask;
  Certificate vek;
  SnpProduct product;
  SnpSigningKey key;
  ByteArray<64> chip_id;
  RawTcb tcb;
};

SnpPki::SnpPki(std::unique_ptr<State> state) : state_(std::move(state)) {}
SnpPki::~SnpPki() = default;
SnpPki::SnpPki(SnpPki&&) noexcept = default;
SnpPki& SnpPki::operator=(SnpPki&&) noexcept = default;

SnpPki SnpPki::generate(const SnpPkiOptions& options, Random& random, Instant now) {
  RsaPrivateKey ark_key = RsaPrivateKey::generate(options.rsa_bits);
  RsaPrivateKey ask_key = RsaPrivateKey::generate(options.rsa_bits);
  EcPrivateKey vek_key = EcPrivateKey::generate(options.vek_on_p256 ? Curve::kP256 : Curve::kP384);
  Certificate ark = make_ark(options, ark_key, now);
  Certificate ask = make_ask(options, ark, ark_key, ask_key, now);
  const ByteArray<64> chip_id = make_chip_id(options, random);
  const TcbVersion tcb = options.tcb.value_or(plausible_tcb(options.product));

  const bool vlek = options.key == SnpSigningKey::kVlek;
  CertificateBuilder builder;
  as_vendor(builder)
      .subject_cn(vlek ? "SEV-VLEK" : "SEV-VCEK")
      .serial(0)
      .validity(options.vek_not_before.value_or(now - kDay),
                options.vek_not_after.value_or(now + kYear * (vlek ? 1 : 7)))
      .key(vek_key.public_key());
  add_vek_extensions(builder, options, options.vek_tcb.value_or(tcb), chip_id);
  Certificate vek = builder.issue(ask, ask_key);

  return SnpPki(std::make_unique<State>(State{
      std::move(ark_key), std::move(ask_key), std::move(vek_key), std::move(ark), std::move(ask),
      std::move(vek), options.product, options.key, chip_id, tcb_to_raw(tcb, options.product)}));
}

Result<void> SnpPki::save(const std::filesystem::path& dir) const {
  const auto write = [&](const char* name, ByteView content, unsigned mode) {
    return write_file_atomically(dir / name, content, mode);
  };
  ENSC_TRY(write("ark.key", state_->ark_key.pkcs8_der().expose(), 0600));
  ENSC_TRY(write("ask.key", state_->ask_key.pkcs8_der().expose(), 0600));
  ENSC_TRY(write("vek.key", state_->vek_key.pkcs8_der().expose(), 0600));
  ENSC_TRY(write("ark.pem", as_bytes(ark_pem()), 0644));
  ENSC_TRY(write("ask.pem", as_bytes(pem_of(state_->ask)), 0644));
  ENSC_TRY(write("vek.pem", as_bytes(pem_of(state_->vek)), 0644));
  const json::Value processor(json::Object{
      {"product", name_of(state_->product)},
      {"key", name_of(state_->key)},
      {"chip_id", to_hex(state_->chip_id)},
      {"tcb", to_hex(state_->tcb)},
  });
  // Last: a directory with it is whole.
  return write("processor.json", as_bytes(json::write_pretty(processor)), 0644);
}

namespace {

Result<std::string> text_member(json::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value, fields.take(name));
  return value->as_text(name);
}

}  // namespace

Result<SnpPki> SnpPki::load(const std::filesystem::path& dir) {
  ENSC_TRY_ASSIGN(const SecretBytes ark_der, read_secret_file(dir / "ark.key"));
  ENSC_TRY_ASSIGN(const SecretBytes ask_der, read_secret_file(dir / "ask.key"));
  ENSC_TRY_ASSIGN(const SecretBytes vek_der, read_secret_file(dir / "vek.key"));
  ENSC_TRY_ASSIGN(RsaPrivateKey ark_key, RsaPrivateKey::from_pkcs8_der(ark_der.expose()));
  ENSC_TRY_ASSIGN(RsaPrivateKey ask_key, RsaPrivateKey::from_pkcs8_der(ask_der.expose()));
  ENSC_TRY_ASSIGN(EcPrivateKey vek_key, EcPrivateKey::from_pkcs8_der(vek_der.expose()));
  ENSC_TRY_ASSIGN(Certificate ark, load_certificate(dir / "ark.pem"));
  ENSC_TRY_ASSIGN(Certificate ask, load_certificate(dir / "ask.pem"));
  ENSC_TRY_ASSIGN(Certificate vek, load_certificate(dir / "vek.pem"));

  ENSC_TRY_ASSIGN(const std::string text, read_text_file(dir / "processor.json"));
  ENSC_TRY_ASSIGN(const json::Value value, json::parse(text));
  ENSC_TRY_ASSIGN(auto fields, json::Fields::of(value, "processor.json"));
  ENSC_TRY_ASSIGN(const std::string product_name, text_member(fields, "product"));
  ENSC_TRY_ASSIGN(const std::string key_name, text_member(fields, "key"));
  ENSC_TRY_ASSIGN(const std::string chip_id_hex, text_member(fields, "chip_id"));
  ENSC_TRY_ASSIGN(const std::string tcb_hex, text_member(fields, "tcb"));
  ENSC_TRY(fields.finish());
  const auto product = snp_product_from_name(product_name);
  if (!product.has_value() || (key_name != "vcek" && key_name != "vlek")) {
    return Error(BaseError::kInvalidArgument, "processor.json names no product or key we play");
  }
  ENSC_TRY_ASSIGN(const Bytes chip_id_bytes, from_hex(chip_id_hex));
  ENSC_TRY_ASSIGN(const auto chip_id, to_array<64>(chip_id_bytes));
  ENSC_TRY_ASSIGN(const Bytes tcb_bytes, from_hex(tcb_hex));
  ENSC_TRY_ASSIGN(const auto tcb, to_array<8>(tcb_bytes));
  return SnpPki(std::make_unique<State>(
      State{std::move(ark_key), std::move(ask_key), std::move(vek_key), std::move(ark),
            std::move(ask), std::move(vek), *product,
            key_name == "vcek" ? SnpSigningKey::kVcek : SnpSigningKey::kVlek, chip_id, tcb}));
}

const Certificate& SnpPki::ark() const { return state_->ark; }
const Certificate& SnpPki::ask() const { return state_->ask; }
const Certificate& SnpPki::vek() const { return state_->vek; }
const RsaPrivateKey& SnpPki::ark_key() const { return state_->ark_key; }
const RsaPrivateKey& SnpPki::ask_key() const { return state_->ask_key; }
std::string SnpPki::ark_pem() const { return pem_of(state_->ark); }

Bytes SnpPki::crl_der(Instant now, const std::vector<std::uint64_t>& revoked) const {
  return CertificateBuilder::make_crl(state_->ark, state_->ark_key, now - hours(1), now + kDay * 49,
                                      revoked);
}

Bytes SnpPki::cert_table(ByteView crl_der) const {
  std::vector<CertTableEntry> entries{
      {kCertTableArk, state_->ark.der()},
      {kCertTableAsk, state_->ask.der()},
      {state_->key == SnpSigningKey::kVcek ? kCertTableVcek : kCertTableVlek, state_->vek.der()},
  };
  if (!crl_der.empty()) {
    entries.push_back({kCertTableCrl, to_bytes(crl_der)});
  }
  return write_cert_table(entries);
}

std::vector<EndorsementItem> SnpPki::endorsements(ByteView crl_der) const {
  std::vector<EndorsementItem> items{
      {"application/pkix-cert", state_->vek.der()},
      {"application/pkix-cert", state_->ask.der()},
      {"application/pkix-cert", state_->ark.der()},
  };
  if (!crl_der.empty()) {
    items.push_back({"application/pkix-crl", to_bytes(crl_der)});
  }
  return items;
}

SnpReport SnpPki::report_template() const {
  SnpReport report;
  report.version = state_->product == SnpProduct::kTurin ? 5 : 3;
  report.policy = 0x30000;
  report.platform_info = 0x25;
  report.signing_key = state_->key;
  std::fill(report.report_id_ma.begin(), report.report_id_ma.end(), std::uint8_t{0xff});
  report.current_tcb = state_->tcb;
  report.reported_tcb = state_->tcb;
  report.committed_tcb = state_->tcb;
  report.launch_tcb = state_->tcb;
  report.current_firmware = {.build = 29, .minor = 55, .major = 1};
  report.committed_firmware = report.current_firmware;
  switch (state_->product) {
    case SnpProduct::kMilan:
      report.cpuid_family = 0x19;
      report.cpuid_model = 0x01;
      break;
    case SnpProduct::kGenoa:
      report.cpuid_family = 0x19;
      report.cpuid_model = 0x11;
      break;
    case SnpProduct::kTurin:
      report.cpuid_family = 0x1a;
      report.cpuid_model = 0x02;
      break;
  }
  report.cpuid_stepping = 1;
  report.chip_id = state_->chip_id;
  return report;
}

Bytes SnpPki::sign_report(SnpReport report) const {
  report.signature_r = {};
  report.signature_s = {};
  const Bytes unsigned_bytes = write_snp_report(report);
  const Bytes signature = state_->vek_key.sign(ByteView(unsigned_bytes).first(kSnpSignedLen));
  // A P-256 key (a knob for tests) leaves the upper bytes zero.
  const std::size_t half = signature.size() / 2;
  std::copy_n(signature.begin(), half,
              report.signature_r.end() - static_cast<std::ptrdiff_t>(half));
  std::copy_n(signature.begin() + static_cast<std::ptrdiff_t>(half), half,
              report.signature_s.end() - static_cast<std::ptrdiff_t>(half));
  return write_snp_report(report);
}

}  // namespace ensconce
