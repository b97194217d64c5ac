#include "ensconce/attestation/endorsements/snp_endorsements.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "../evidence/snp_roles.h"
#include "ensconce/base/printable.h"
#include "list_issuers.h"

namespace ensconce {
namespace {

constexpr std::size_t kMaxItems = 16;      // of one chain
constexpr std::size_t kMaxPoolItems = 64;  // of which a chain is selected

Error bad(std::string detail) { return Error(EvidenceError::kEndorsementForm, std::move(detail)); }

// put keeps one item of a role; the same bytes again change nothing.
template <typename T>
Result<void> put(std::optional<T>& slot, const T& item, std::string_view role) {
  if (slot.has_value() && slot->der() != item.der()) {
    return Error(EvidenceError::kEndorsementDuplicate,
                 "two different endorsements play the " + std::string(role));
  }
  slot = item;
  return ok();
}

constexpr std::string_view kVekRole = "chip's certificate (VCEK or VLEK)";
constexpr std::string_view kAskRole = "intermediate (ASK or ASVK)";
constexpr std::string_view kArkRole = "root (ARK)";

struct Slots {
  std::optional<Certificate> vek;
  std::optional<Certificate> ask;
  std::optional<Certificate> ark;
  std::vector<RevocationList> crls;
};

Result<void> sort_certificate(const EndorsementItem& item, Slots& slots) {
  auto certificate = Certificate::from_der(item.data);
  if (!certificate) {
    return bad(certificate.error().to_string());
  }
  switch (internal::snp_role_of(*certificate)) {
    case internal::SnpRole::kLeaf:
      return put(slots.vek, *certificate, kVekRole);
    case internal::SnpRole::kIntermediate:
      return put(slots.ask, *certificate, kAskRole);
    case internal::SnpRole::kRoot:
      return put(slots.ark, *certificate, kArkRole);
    case internal::SnpRole::kNone:
      break;
  }
  return Error(
      EvidenceError::kEndorsementUnknown,
      "certificate \"" + printable(certificate->subject_cn()) + "\" plays no role in an SNP chain");
}

Error missing(std::string_view what, std::string remedy) {
  return Error(EvidenceError::kEndorsementMissing, std::string(what) + " is missing")
      .with_remedy(std::move(remedy));
}

// complete is a chain of which no role is empty; there may be no list.
Result<SnpEndorsements> complete(Slots slots) {
  if (!slots.vek.has_value()) {
    return missing("the chip's certificate (VCEK or VLEK)",
                   "fetch it from the vendor for this chip id and TCB, or ask the host for its "
                   "certificate table");
  }
  if (!slots.ask.has_value()) {
    return missing("the intermediate certificate (ASK, or ASVK beside a VLEK)",
                   "fetch the vendor's cert_chain for this product");
  }
  if (!slots.ark.has_value()) {
    return missing("the root certificate (ARK)", "fetch the vendor's cert_chain for this product");
  }
  std::stable_sort(slots.crls.begin(), slots.crls.end(),
                   [](const RevocationList& a, const RevocationList& b) {
                     return b.this_update() < a.this_update();
                   });
  return SnpEndorsements{*slots.vek, *slots.ask, *slots.ark, std::move(slots.crls)};
}

}  // namespace

Result<SnpEndorsements> collect_snp_endorsements(std::span<const EndorsementItem> items) {
  if (items.size() > kMaxItems) {
    return bad("more than 16 endorsements");
  }
  Slots slots;
  for (const EndorsementItem& item : items) {
    if (item.type == "application/pkix-cert") {
      ENSC_TRY(sort_certificate(item, slots));
    } else if (item.type == "application/pkix-crl") {
      auto crl = RevocationList::from_der(item.data);
      if (!crl) {
        return bad(crl.error().to_string());
      }
      slots.crls.push_back(*crl);
    } else {
      return Error(EvidenceError::kEndorsementUnknown, "an endorsement of another type");
    }
  }
  return complete(std::move(slots));
}

namespace {

// A leaf is the report's if it names its chip (a VLEK names none) and its TCB, by either layout.
bool is_leaf_of(const SnpReport& report, const Certificate& certificate) {
  const auto vek = parse_snp_vek_extensions(certificate);
  if (!vek) {
    return false;
  }
  const bool vlek = report.signing_key == SnpSigningKey::kVlek;
  if (vlek == vek->hwid.has_value()) {
    return false;
  }
  const auto product = report.cpuid_product();
  if (product.has_value() && !vek->product_name.starts_with(name_of(*product))) {
    return false;
  }
  if (!vlek && !equal(*vek->hwid, ByteView(report.chip_id).first(vek->hwid->size()))) {
    return false;
  }
  const TcbVersion tcb{vek->fmc, vek->bootloader, vek->tee, vek->snp, vek->microcode};
  const SnpProduct layout = vek->fmc.has_value() ? SnpProduct::kTurin : SnpProduct::kMilan;
  return tcb == tcb_from_raw(report.reported_tcb, layout);
}

struct Pool {
  std::vector<Certificate> leaves;
  std::vector<Certificate> intermediates;
  std::vector<Certificate> roots;
  std::vector<Certificate> others;  // issuers of other lists
  std::vector<RevocationList> crls;
};

void take_certificate(const Certificate& certificate, Pool& pool) {
  switch (internal::snp_role_of(certificate)) {
    case internal::SnpRole::kLeaf:
      pool.leaves.push_back(certificate);
      break;
    case internal::SnpRole::kIntermediate:
      pool.intermediates.push_back(certificate);
      break;
    case internal::SnpRole::kRoot:
      pool.roots.push_back(certificate);
      break;
    case internal::SnpRole::kNone:
      pool.others.push_back(certificate);
      break;
  }
}

// A list that does not parse may be the one that revokes: it is not left out like a certificate,
// whose absence refuses anyway. Of other types a pool may have what it likes.
Result<Pool> sorted(std::span<const EndorsementItem> items) {
  Pool pool;
  std::size_t known = 0;
  for (const EndorsementItem& item : items) {
    const bool list = item.type == kCrlType;
    if (!list && item.type != kCertificateType) {
      continue;
    }
    if (++known > kMaxPoolItems) {
      return bad("more than 64 certificates and revocation lists");
    }
    if (list) {
      auto crl = RevocationList::from_der(item.data);
      if (!crl) {
        return bad(crl.error().to_string());
      }
      pool.crls.push_back(*std::move(crl));
    } else if (const auto certificate = Certificate::from_der(item.data); certificate) {
      take_certificate(*certificate, pool);
    }
  }
  return pool;
}

// keep_if leaves what fits, or everything where nothing does: the verifier then says what is wrong.
template <typename T, typename Fits>
void keep_if(std::vector<T>& items, const Fits& fits) {
  std::vector<T> kept;
  std::copy_if(items.begin(), items.end(), std::back_inserter(kept), fits);
  if (!kept.empty()) {
    items = std::move(kept);
  }
}

// selected keeps, of what a pool holds, what leads from the report's chip to a root.
Pool selected(const SnpReport& report, Pool pool) {
  if (pool.leaves.empty()) {
    return {};  // without a leaf no chain is the report's
  }
  if (pool.leaves.size() > 1) {
    keep_if(pool.leaves, [&](const Certificate& leaf) { return is_leaf_of(report, leaf); });
    // The vendor re-issues: the same key for the same chip and TCB, with other dates.
    const Certificate newest = *std::max_element(
        pool.leaves.begin(), pool.leaves.end(),
        [](const Certificate& a, const Certificate& b) { return a.not_before() < b.not_before(); });
    pool.leaves = {newest};
  }
  keep_if(pool.intermediates, [&](const Certificate& intermediate) {
    return pool.leaves.front().issued_by_name(intermediate);
  });
  if (!pool.intermediates.empty()) {
    keep_if(pool.roots, [&](const Certificate& root) {
      return pool.intermediates.front().issued_by_name(root);
    });
  }
  // A list of another product's root says nothing of this chain. All of this root's count: the
  // vendor publishes one beside its VCEKs and another beside its VLEKs.
  std::erase_if(pool.crls, [&](const RevocationList& crl) {
    return pool.roots.empty() || !crl.issued_by_name(pool.roots.front());
  });
  return pool;
}

}  // namespace

std::vector<EndorsementItem> select_snp_endorsements(const SnpReport& report,
                                                     std::span<const EndorsementItem> items) {
  auto all = sorted(items);
  const Pool pool = all ? selected(report, *std::move(all)) : Pool();
  std::vector<EndorsementItem> out;
  for (const auto* group : {&pool.leaves, &pool.intermediates, &pool.roots}) {
    for (const Certificate& certificate : *group) {
      out.push_back({"application/pkix-cert", certificate.der()});
    }
  }
  for (const RevocationList& crl : pool.crls) {
    out.push_back({"application/pkix-crl", crl.der()});
  }
  return out;
}

namespace {

Result<SnpEndorsements> collected(const Pool& pool) {
  Slots slots;
  for (const Certificate& one : pool.leaves) {
    ENSC_TRY(put(slots.vek, one, kVekRole));
  }
  for (const Certificate& one : pool.intermediates) {
    ENSC_TRY(put(slots.ask, one, kAskRole));
  }
  for (const Certificate& one : pool.roots) {
    ENSC_TRY(put(slots.ark, one, kArkRole));
  }
  slots.crls = pool.crls;
  return complete(std::move(slots));
}

}  // namespace

Result<SnpEndorsements> snp_endorsements_for(const SnpReport& report,
                                             std::span<const EndorsementItem> items) {
  ENSC_TRY_ASSIGN(Pool pool, sorted(items));
  const Result<void> issuers = internal::expect_issuers_of_lists(
      pool.crls, {pool.leaves, pool.intermediates, pool.roots, pool.others});
  auto endorsements = collected(selected(report, std::move(pool)));
  if (endorsements && !issuers) {
    return issuers.error();
  }
  const auto path = kds_vcek_path(report);
  if (endorsements || !path || !endorsements.error().is(EvidenceError::kEndorsementMissing)) {
    return endorsements;
  }
  return Error(endorsements.error())
      .with_remedy(
          "give the chain with the evidence, or with --endorsements; AMD's key service "
          "(kdsintf.amd.com) has the chip's certificate at " +
          *path + ", and ASK and ARK at /vcek/v1/" + std::string(name_of(*report.cpuid_product())) +
          "/cert_chain");
}

std::optional<std::string> kds_vcek_path(const SnpReport& report) {
  const auto product = report.cpuid_product();
  if (!product.has_value() || report.signing_key != SnpSigningKey::kVcek ||
      all_zero(report.chip_id)) {
    return std::nullopt;
  }
  const TcbVersion tcb = tcb_from_raw(report.reported_tcb, *product);
  const auto spl = [](std::string_view name, std::uint8_t value) {
    const std::string digits = std::to_string(value);
    return std::string(name) + "SPL=" + (digits.size() < 2 ? "0" : "") + digits;
  };
  const bool turin = *product == SnpProduct::kTurin;
  return "/vcek/v1/" + std::string(name_of(*product)) + "/" +
         to_hex(ByteView(report.chip_id).first(turin ? 8 : 64)) + "?" +
         (tcb.fmc.has_value() ? spl("fmc", *tcb.fmc) + "&" : "") + spl("bl", tcb.bootloader) + "&" +
         spl("tee", tcb.tee) + "&" + spl("snp", tcb.snp) + "&" + spl("ucode", tcb.microcode);
}

}  // namespace ensconce
