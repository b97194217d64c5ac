#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/attestation/evidence/event_log.h"
#include "ensconce/attestation/evidence/evidence_kind.h"
#include "ensconce/attestation/result/render.h"
#include "ensconce/codec/json.h"
#include "evidence_commands.h"
#include "evidence_input.h"

namespace ensconce::cli {

namespace {

json::Value error_value(const Error& error) { return json::Object{{"error", error.to_string()}}; }

json::Object& members(json::Value& value) { return std::get<json::Object>(value.variant()); }

template <typename Range>
json::Value hex_list(const Range& range) {
  json::Array out;
  for (const auto& item : range) {
    out.emplace_back(to_hex(item));
  }
  return out;
}

json::Value text_list(const std::vector<std::string>& texts) {
  json::Array out;
  for (const std::string& text : texts) {
    out.emplace_back(text);
  }
  return out;
}

// ---- Certificates and lists ------------------------------------------------------------------

json::Value show_vek_extensions(const SnpVekExtensions& vek) {
  json::Object out{
      {"struct_version", std::uint64_t{vek.struct_version}},
      {"product", vek.product_name},
      {"bootloader", std::uint64_t{vek.bootloader}},
      {"tee", std::uint64_t{vek.tee}},
      {"snp", std::uint64_t{vek.snp}},
      {"microcode", std::uint64_t{vek.microcode}},
  };
  if (vek.fmc) {
    out.emplace_back("fmc", std::uint64_t{*vek.fmc});
  }
  if (vek.hwid) {
    out.emplace_back("hwid", to_hex(*vek.hwid));
  }
  if (vek.csp_id) {
    out.emplace_back("csp_id", *vek.csp_id);
  }
  return out;
}

json::Value show_ra_tls(const RaTlsCertificate& ra_tls) {
  if (!ra_tls.claims) {
    return json::Object{{"form", "legacy"}, {"evidence", ra_tls.evidence.type}};
  }
  const RaTlsClaims& claims = *ra_tls.claims;
  return json::Object{
      {"form", ra_tls.evidence.type == name_of(EvidenceKind::kSnp) ? "cmw" : "tagged"},
      {"evidence", ra_tls.evidence.type},
      {"claims_buffer", to_hex(claims.buffer)},
      {"pubkey_hash_algorithm", name_of(claims.pubkey_hash_algorithm)},
      {"pubkey_hash", to_hex(claims.pubkey_hash)},
      {"nonce", claims.nonce ? json::Value(to_hex(*claims.nonce)) : json::Value(nullptr)},
  };
}

json::Value show_certificate(const Certificate& certificate) {
  json::Object out{
      {"kind", "certificate"},
      {"subject", certificate.subject_cn()},
      {"issuer", certificate.issuer_cn()},
      {"serial", to_hex(certificate.serial())},
      {"not_before", to_rfc3339(certificate.not_before())},
      {"not_after", to_rfc3339(certificate.not_after())},
      {"ca", certificate.is_ca()},
      {"critical_extensions", text_list(certificate.critical_extensions())},
      {"spki_sha256", to_hex(certificate.spki_sha256())},
      {"sha256", to_hex(sha256(certificate.der()))},
      {"simulated_mark", is_marked_simulated(certificate)},
  };
  if (const auto vek = parse_snp_vek_extensions(certificate)) {
    out.emplace_back("snp", show_vek_extensions(*vek));
  }
  if (const auto pck = parse_pck_extensions(certificate)) {
    out.emplace_back("pck", claims_to_json(*pck));
  }
  if (const auto ra_tls = parse_ra_tls(certificate)) {
    out.emplace_back("ra_tls", show_ra_tls(*ra_tls));
  }
  return out;
}

json::Value show_certificates(const Result<std::vector<Certificate>>& certificates) {
  if (!certificates) {
    return error_value(certificates.error());
  }
  json::Array out;
  for (const Certificate& certificate : *certificates) {
    out.push_back(show_certificate(certificate));
  }
  return out;
}

json::Value show_list(const RevocationList& list, ByteView der) {
  return json::Object{
      {"kind", "revocation list"},
      {"issuer", list.issuer_cn()},
      {"this_update", to_rfc3339(list.this_update())},
      {"next_update",
       list.next_update() ? json::Value(to_rfc3339(*list.next_update())) : json::Value(nullptr)},
      {"revoked_serials", hex_list(list.serials())},
      {"sha256", to_hex(sha256(der))},
  };
}

// ---- Intel's collateral ----------------------------------------------------------------------

json::Value show_level(const TcbLevel& level) {
  json::Object out{
      {"sgx", to_hex(level.sgx)},
      {"pce_svn", std::uint64_t{level.pce_svn}},
      {"date", to_rfc3339(level.date)},
      {"status", name_of(level.status)},
      {"advisory_ids", text_list(level.advisories)},
  };
  if (level.tdx) {
    out.insert(out.begin() + 1, {"tdx", to_hex(*level.tdx)});
  }
  return out;
}

json::Value show_levels(const std::vector<SvnLevel>& levels) {
  json::Array out;
  for (const SvnLevel& level : levels) {
    out.push_back(json::Object{{"isv_svn", std::uint64_t{level.isv_svn}},
                               {"date", to_rfc3339(level.date)},
                               {"status", name_of(level.status)},
                               {"advisory_ids", text_list(level.advisories)}});
  }
  return out;
}

json::Value show_tcb_info(ByteView bytes) {
  const auto info = parse_tcb_info(bytes);
  if (!info) {
    return error_value(info.error());
  }
  json::Array levels;
  for (const TcbLevel& level : info->levels) {
    levels.push_back(show_level(level));
  }
  json::Array modules;
  for (const TdxModuleIdentity& module : info->module_identities) {
    modules.push_back(json::Object{{"id", module.id},
                                   {"mr_signer", to_hex(module.module.mr_signer)},
                                   {"levels", show_levels(module.levels)}});
  }
  return json::Object{
      {"kind", "TCB info"},
      {"tee", info->is_tdx ? "tdx" : "sgx"},
      {"version", std::uint64_t{info->version}},
      {"issued", to_rfc3339(info->issued)},
      {"next_update", to_rfc3339(info->next_update)},
      {"fmspc", to_hex(info->fmspc)},
      {"pce_id", to_hex(info->pce_id)},
      {"evaluation_data_number", std::uint64_t{info->evaluation_data_number}},
      {"tdx_modules", std::move(modules)},
      {"levels", std::move(levels)},
  };
}

json::Value show_qe_identity(ByteView bytes) {
  const auto identity = parse_qe_identity(bytes);
  if (!identity) {
    return error_value(identity.error());
  }
  return json::Object{
      {"kind", "QE identity"},
      {"id", identity->id},
      {"version", std::uint64_t{identity->version}},
      {"issued", to_rfc3339(identity->issued)},
      {"next_update", to_rfc3339(identity->next_update)},
      {"evaluation_data_number", std::uint64_t{identity->evaluation_data_number}},
      {"mr_signer", to_hex(identity->mr_signer)},
      {"isv_prod_id", std::uint64_t{identity->isv_prod_id}},
      {"levels", show_levels(identity->levels)},
  };
}

// ---- Event logs ------------------------------------------------------------------------------

std::string algorithm_name(std::uint16_t algorithm) {
  return algorithm == kTcgAlgSha256   ? "sha256"
         : algorithm == kTcgAlgSha384 ? "sha384"
                                      : std::to_string(algorithm);
}

template <typename Registers>
json::Value show_registers(const Registers& registers) {
  json::Object out;
  for (const auto& [index, value] : registers) {
    out.emplace_back(std::to_string(index), to_hex(value));
  }
  return out;
}

json::Value show_event_log(ByteView bytes) {
  const auto log = parse_event_log(bytes);
  if (!log) {
    return error_value(log.error());
  }
  json::Array events;
  for (const MeasuredEvent& event : log->events) {
    json::Object digests;
    for (const auto& [algorithm, digest] : event.digests) {
      digests.emplace_back(algorithm_name(algorithm), to_hex(digest));
    }
    events.push_back(json::Object{{"register", std::uint64_t{event.index}},
                                  {"type", std::uint64_t{event.type}},
                                  {"digests", std::move(digests)},
                                  {"data_len", std::uint64_t{event.data.size()}}});
  }
  json::Array algorithms;
  for (const std::uint16_t algorithm : log->algorithms) {
    algorithms.emplace_back(algorithm_name(algorithm));
  }
  return json::Object{
      {"kind", "event log"},
      {"algorithms", std::move(algorithms)},
      {"registers", json::Object{{"sha256", show_registers(replay_sha256(*log))},
                                 {"sha384", show_registers(replay_sha384(*log))}}},
      {"events", std::move(events)},
  };
}

json::Value show_endorsement(const EndorsementItem& item) {
  if (item.type == kTcbInfoType) {
    return show_tcb_info(item.data);
  }
  if (item.type == kQeIdentityType) {
    return show_qe_identity(item.data);
  }
  if (item.type == kEventLogType) {
    return show_event_log(item.data);
  }
  if (const auto list = RevocationList::from_der(item.data)) {
    return show_list(*list, item.data);
  }
  const auto certificate = Certificate::from_der(item.data);
  if (!certificate) {
    return json::Object{{"kind", item.type}, {"error", certificate.error().to_string()}};
  }
  return show_certificate(*certificate);
}

json::Value show_all(const std::vector<EndorsementItem>& items) {
  json::Array out;
  for (const EndorsementItem& item : items) {
    out.push_back(show_endorsement(item));
  }
  return out;
}

// ---- Evidence --------------------------------------------------------------------------------

Result<json::Value> show_snp(ByteView bytes) {
  ENSC_TRY_ASSIGN(const SnpReport report, parse_snp_report(bytes));
  json::Value out = claims_to_json(report);
  if (const auto path = kds_vcek_path(report)) {
    members(out).emplace_back("kds_vcek_path", *path);
  }
  return out;
}

Result<json::Value> show_quote(ByteView bytes) {
  ENSC_TRY_ASSIGN(const IntelQuote quote, parse_intel_quote(bytes));
  json::Value out = claims_to_json(quote);
  members(out).emplace_back("certificates", show_certificates(certificates_of_quote(quote)));
  return out;
}

json::Value shown(const Result<json::Value>& value) {
  return value ? *value : error_value(value.error());
}

json::Value show_runtime_claims(const RuntimeClaims& claims) {
  const auto flag = [](const std::optional<bool>& one) {
    return one ? json::Value(*one) : json::Value(nullptr);
  };
  return json::Object{
      {"ak_modulus", to_hex(claims.ak_modulus)},
      {"ak_exponent", to_hex(claims.ak_exponent)},
      {"secure_boot", flag(claims.secure_boot)},
      {"tpm_enabled", flag(claims.tpm_enabled)},
      {"console_enabled", flag(claims.console_enabled)},
      {"vm_unique_id", claims.vm_unique_id},
      {"user_data", to_hex(claims.user_data)},
  };
}

json::Value show_hcl(const HclReport& report) {
  const auto claims = parse_runtime_claims(report.runtime_data);
  const bool snp = report.hardware == HclReport::Hardware::kSnp;
  return json::Object{
      {"version", std::uint64_t{report.version}},
      {"hardware", snp ? "snp" : "tdx"},
      {"runtime_claims", claims ? show_runtime_claims(*claims) : error_value(claims.error())},
      {"runtime_data_sha256", to_hex(sha256(as_bytes(report.runtime_data)))},
      // A TDREPORT says nothing that its quote does not.
      {"report", snp ? shown(show_snp(report.hardware_report)) : json::Value(nullptr)},
  };
}

json::Value show_tpm_quote(const AzureEvidence& evidence) {
  const auto attest = parse_tpm_attest(evidence.tpm_message);
  if (!attest) {
    return error_value(attest.error());
  }
  json::Object pcrs;
  for (std::size_t i = 0; i < evidence.pcrs.size(); ++i) {
    if ((attest->pcr_select >> i & 1) != 0) {
      pcrs.emplace_back(std::to_string(i), to_hex(evidence.pcrs[i]));
    }
  }
  return json::Object{
      {"extra_data", to_hex(attest->extra_data)},
      {"clock_info", to_hex(attest->clock_info)},
      {"pcr_digest", to_hex(attest->pcr_digest)},
      {"pcrs", std::move(pcrs)},
  };
}

Result<json::Value> show_azure(ByteView bytes) {
  ENSC_TRY_ASSIGN(const AzureEvidence evidence, parse_azure_evidence(bytes));
  const auto hcl = parse_hcl_report(evidence.hcl_report);
  json::Object out{
      {"hcl_report", hcl ? show_hcl(*hcl) : error_value(hcl.error())},
      {"tpm_quote", show_tpm_quote(evidence)},
  };
  if (evidence.vcek) {
    out.emplace_back("vcek", show_endorsement({std::string(kCertificateType), *evidence.vcek}));
  }
  if (evidence.td_quote) {
    out.emplace_back("td_quote", shown(show_quote(*evidence.td_quote)));
  }
  return json::Value(std::move(out));
}

Result<json::Value> show_evidence(const EvidenceItem& item) {
  ENSC_TRY_ASSIGN(const EvidenceKind kind, parse_evidence_kind(item.type));
  switch (kind) {
    case EvidenceKind::kSnp:
      return show_snp(item.data);
    case EvidenceKind::kTdx:
    case EvidenceKind::kSgx:
      return show_quote(item.data);
    case EvidenceKind::kAzureSnp:
    case EvidenceKind::kAzureTdx:
      break;
  }
  return show_azure(item.data);
}

// ---- Documents -------------------------------------------------------------------------------

json::Value show_keys(const std::vector<Ed25519PublicKey>& keys) {
  json::Array out;
  for (const Ed25519PublicKey& key : keys) {
    out.emplace_back(to_hex(key.bytes));
  }
  return out;
}

json::Value show_statement(ByteView bytes) {
  const auto statement = parse_statement(bytes);
  if (!statement) {
    return error_value(statement.error());
  }
  const SecurityConfiguration& security = statement->security;
  return json::Object{
      {"sha256", to_hex(sha256(bytes))},
      {"nonce", to_hex(statement->challenge)},
      {"boot", to_hex(statement->boot_id)},
      {"epoch", statement->epoch},
      {"software", statement->software},
      {"keys", json::Object{{"tls", hex_list(statement->keys.tls)},
                            {"ohttp", hex_list(statement->keys.ohttp)},
                            {"session", to_hex(statement->keys.session.bytes)},
                            {"release", to_hex(statement->keys.release)},
                            {"receipt", to_hex(statement->keys.receipt.bytes)}}},
      {"security", json::Object{{"padding", security.padding},
                                {"tenancy", security.tenancy},
                                {"sandbox", security.sandbox},
                                {"owner_keys", show_keys(security.owner_keys)},
                                {"broker_key", to_hex(security.broker_key.bytes)}}},
      {"deployment", to_hex(statement->deployment_digest)},
  };
}

json::Value show_document(const EvidenceDocument& document) {
  json::Array evidence;
  for (const EvidenceItem& item : document.evidence) {
    evidence.push_back(json::Object{
        {"type", item.type},
        {"claims",
         evidence_kind_from_name(item.type) ? shown(show_evidence(item)) : json::Value(nullptr)},
    });
  }
  return json::Object{
      {"statement", show_statement(document.statement)},
      {"beacon", document.beacon ? json::Value(to_hex(*document.beacon)) : json::Value(nullptr)},
      {"evidence", std::move(evidence)},
      {"endorsements", show_all(document.endorsements)},
      {"missing", text_list(document.missing)},
      {"session_proof", document.session.has_value()},
  };
}

// What the whole input is must decode; what lies inside a document may have errors of its own.
Result<int> show(const std::string& path) {
  ENSC_TRY_ASSIGN(const EvidenceInput input, read_evidence(path));
  const Recognised& recognised = input.recognised;
  json::Object out{{"what", input.what}, {"judged", false}};
  if (recognised.ra_tls) {
    out.emplace_back("certificate", show_certificate(recognised.ra_tls->certificate));
  }
  if (recognised.evidence) {
    ENSC_TRY_ASSIGN(json::Value claims, show_evidence(*recognised.evidence));
    out.emplace_back("claims", std::move(claims));
  }
  if (recognised.hcl_report) {
    out.emplace_back("hcl_report", show_hcl(*recognised.hcl_report));
  }
  if (input.document) {
    out.emplace_back("document", show_document(*input.document));
  }
  if (!recognised.endorsements.empty()) {
    out.emplace_back("endorsements", show_all(recognised.endorsements));
  }
  std::fprintf(stderr, "%s, decoded and not judged; `ensconce evidence verify` judges\n",
               input.what.c_str());
  std::printf("%s\n", json::write_pretty(json::Value(std::move(out))).c_str());
  return 0;
}

}  // namespace

void register_evidence_show(CLI::App& noun, Registrar registrar) {
  struct Arguments {
    std::string input;
    bool json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = noun.add_subcommand(
      "show",
      "Decode evidence or an endorsement as JSON, without judging: reports, quotes, Azure "
      "evidence\n"
      "and HCL reports, documents, certificates (with AMD's, Intel's and RA-TLS extensions), "
      "CRLs,\n"
      "TCB info, QE identity, certificate tables, event logs and the registers they give (a CCEL "
      "counts RTMR0 as 1).\n"
      "example: ensconce evidence show --input report.bin");
  verb->add_option("--input", arguments->input, "file, - for stdin")->required();
  verb->add_flag("--json", arguments->json, "JSON is what it prints anyway");
  verb->callback([arguments, registrar] {
    registrar.chosen = [arguments] { return show(arguments->input); };
  });
}

}  // namespace ensconce::cli
