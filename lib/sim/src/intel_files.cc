#include <array>
#include <utility>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "intel_state.h"
#include "vendor.h"

namespace ensconce {
namespace {

constexpr const char* kPlatformFile = "platform.json";

Result<EcPrivateKey> load_key(const std::filesystem::path& path) {
  ENSC_TRY_ASSIGN(const SecretBytes der, read_secret_file(path));
  return EcPrivateKey::from_pkcs8_der(der.expose());
}

template <std::size_t N>
Result<ByteArray<N>> hex_member(json::Fields& fields, std::string_view name) {
  ENSC_TRY_ASSIGN(const json::Value* value, fields.take(name));
  ENSC_TRY_ASSIGN(const std::string text, value->as_text(name));
  ENSC_TRY_ASSIGN(const Bytes bytes, from_hex(text));
  return to_array<N>(bytes);
}

struct Platform {
  IntelPkiOptions options;
  ByteArray<16> qe_id{};
};

Result<Platform> load_platform(const std::filesystem::path& path) {
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
  ENSC_TRY_ASSIGN(const json::Value value, json::parse(text));
  ENSC_TRY_ASSIGN(auto fields, json::Fields::of(value, kPlatformFile));
  Platform out;
  ENSC_TRY_ASSIGN(out.options.fmspc, hex_member<6>(fields, "fmspc"));
  ENSC_TRY_ASSIGN(out.options.pce_id, hex_member<2>(fields, "pce_id"));
  ENSC_TRY_ASSIGN(out.options.components, hex_member<16>(fields, "components"));
  ENSC_TRY_ASSIGN(const json::Value* pce_svn, fields.take("pce_svn"));
  ENSC_TRY_ASSIGN(const std::uint64_t svn, pce_svn->as_uint("pce_svn"));
  if (svn > UINT16_MAX) {
    return Error(BaseError::kInvalidArgument, path.string() + ": pce_svn is too large");
  }
  out.options.pce_svn = static_cast<std::uint16_t>(svn);
  ENSC_TRY_ASSIGN(const json::Value* processor_ca, fields.take("processor_ca"));
  ENSC_TRY_ASSIGN(out.options.processor_ca, processor_ca->as_bool("processor_ca"));
  ENSC_TRY_ASSIGN(out.qe_id, hex_member<16>(fields, "qe_id"));
  ENSC_TRY(fields.finish());
  return out;
}

}  // namespace

Result<void> IntelPki::save(const std::filesystem::path& dir) const {
  const std::array<std::pair<const char*, const EcPrivateKey*>, 5> keys = {
      {{"root.key", &state_->root_key},
       {"pck_ca.key", &state_->ca_key},
       {"pck.key", &state_->pck_key},
       {"tcb_signing.key", &state_->signing_key},
       {"attestation.key", &state_->attestation_key}}};
  for (const auto& [name, key] : keys) {
    ENSC_TRY(write_file_atomically(dir / name, key->pkcs8_der().expose(), 0600));
  }
  const std::array<std::pair<const char*, const Certificate*>, 4> certificates = {
      {{"root.pem", &state_->root},
       {"pck_ca.pem", &state_->pck_ca},
       {"pck.pem", &state_->pck},
       {"tcb_signing.pem", &state_->tcb_signing}}};
  for (const auto& [name, certificate] : certificates) {
    ENSC_TRY(write_file_atomically(dir / name, as_bytes(sim_vendor::pem_of(*certificate)), 0644));
  }
  const IntelPkiOptions& options = state_->options;
  const json::Value platform(json::Object{
      {"fmspc", to_hex(options.fmspc)},
      {"pce_id", to_hex(options.pce_id)},
      {"components", to_hex(options.components)},
      {"pce_svn", options.pce_svn},
      {"processor_ca", options.processor_ca},
      {"qe_id", to_hex(state_->qe_id)},
  });
  // Last: a directory with it is whole.
  return write_file_atomically(dir / kPlatformFile, as_bytes(json::write_pretty(platform)), 0644);
}

Result<IntelPki> IntelPki::load(const std::filesystem::path& dir) {
  ENSC_TRY_ASSIGN(Platform platform, load_platform(dir / kPlatformFile));
  ENSC_TRY_ASSIGN(EcPrivateKey root_key, load_key(dir / "root.key"));
  ENSC_TRY_ASSIGN(EcPrivateKey ca_key, load_key(dir / "pck_ca.key"));
  ENSC_TRY_ASSIGN(EcPrivateKey pck_key, load_key(dir / "pck.key"));
  ENSC_TRY_ASSIGN(EcPrivateKey signing_key, load_key(dir / "tcb_signing.key"));
  ENSC_TRY_ASSIGN(EcPrivateKey attestation_key, load_key(dir / "attestation.key"));
  ENSC_TRY_ASSIGN(Certificate root, sim_vendor::load_certificate(dir / "root.pem"));
  ENSC_TRY_ASSIGN(Certificate pck_ca, sim_vendor::load_certificate(dir / "pck_ca.pem"));
  ENSC_TRY_ASSIGN(Certificate pck, sim_vendor::load_certificate(dir / "pck.pem"));
  ENSC_TRY_ASSIGN(Certificate signing, sim_vendor::load_certificate(dir / "tcb_signing.pem"));
  return IntelPki(std::make_unique<State>(
      State{std::move(platform.options), std::move(root_key), std::move(ca_key), std::move(pck_key),
            std::move(signing_key), std::move(attestation_key), std::move(root), std::move(pck_ca),
            std::move(pck), std::move(signing), platform.qe_id}));
}

}  // namespace ensconce
