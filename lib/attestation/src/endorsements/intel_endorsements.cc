#include "ensconce/attestation/endorsements/intel_endorsements.h"

#include <algorithm>

#include "list_issuers.h"

namespace ensconce {
namespace {

constexpr std::size_t kMaxItems = 64;
constexpr std::string_view kSgxOid = "1.2.840.113741.1.13.1";
constexpr std::string_view kSigningCn = "Intel SGX TCB Signing";

Error bad(std::string detail) { return Error(EvidenceError::kEndorsementForm, std::move(detail)); }

// PlatformId is what certification data of types 1 to 3 says of the PCK that certifies the quoting
// enclave (Intel SGX DCAP API, appendix A, "QE Certification Data").
struct PlatformId {
  std::optional<ByteArray<16>> ppid;  // types 2 and 3 have it encrypted
  ByteArray<16> cpu_svn{};
  std::uint16_t pce_svn = 0;
  ByteArray<2> pce_id{};
};

std::optional<PlatformId> platform_id_of(const IntelQuote& quote) {
  constexpr std::array<std::size_t, 3> kPpidLen = {16, 256, 384};  // plain, RSA-2048, RSA-3072
  const unsigned type = quote.certification_type;
  if (type < 1 || type > kPpidLen.size()) {
    return std::nullopt;
  }
  const auto read = [&]() -> Result<PlatformId> {
    PlatformId out;
    ByteReader reader(quote.certification_data);
    ENSC_TRY_ASSIGN(const ByteView ppid, reader.take(kPpidLen[type - 1]));
    if (type == 1) {
      ENSC_TRY_ASSIGN(out.ppid, to_array<16>(ppid));
    }
    ENSC_TRY_ASSIGN(out.cpu_svn, reader.array<16>());
    ENSC_TRY_ASSIGN(out.pce_svn, reader.u16_le());
    ENSC_TRY_ASSIGN(out.pce_id, reader.array<2>());
    ENSC_TRY(reader.finish());
    return out;
  };
  auto id = read();
  return id ? std::optional<PlatformId>(*std::move(id)) : std::nullopt;
}

// ---- The pool -------------------------------------------------------------------------------

struct Pool {
  std::vector<Certificate> certificates;
  std::vector<RevocationList> lists;
  std::vector<TcbInfo> tcb_infos;
  std::vector<QeIdentity> identities;
};

// The CAs come with the quote, with its lists and with each of the signed JSON: bytes that were
// read before are not read again.
Result<Certificate> read_certificate(const Bytes& der, const std::vector<Certificate>& own,
                                     const std::vector<Certificate>& before) {
  for (const auto* known : {&own, &before}) {
    for (const Certificate& one : *known) {
      if (one.der() == der) {
        return one;
      }
    }
  }
  return Certificate::from_der(der);
}

Result<void> read_item(const EndorsementItem& item, const std::vector<Certificate>& own,
                       Pool& pool) {
  if (item.type == kTcbInfoType) {
    ENSC_TRY_ASSIGN(TcbInfo info, parse_tcb_info(item.data));
    pool.tcb_infos.push_back(std::move(info));
  } else if (item.type == kQeIdentityType) {
    ENSC_TRY_ASSIGN(QeIdentity identity, parse_qe_identity(item.data));
    pool.identities.push_back(std::move(identity));
  } else if (item.type == kCertificateType) {
    const auto certificate = read_certificate(item.data, own, pool.certificates);
    if (!certificate) {
      return bad(certificate.error().to_string());
    }
    pool.certificates.push_back(*certificate);
  } else {
    const auto list = RevocationList::from_der(item.data);
    if (!list) {
      return bad(list.error().to_string());
    }
    pool.lists.push_back(*list);
  }
  return ok();
}

// known_items leaves out what is of types we do not know: a pool may be a directory of everything.
std::vector<const EndorsementItem*> known_items(std::span<const EndorsementItem> items) {
  std::vector<const EndorsementItem*> out;
  for (const EndorsementItem& item : items) {
    if (item.type == kTcbInfoType || item.type == kQeIdentityType ||
        item.type == kCertificateType || item.type == kCrlType) {
      out.push_back(&item);
    }
  }
  return out;
}

// ---- Who plays which role -------------------------------------------------------------------

// Rank says how well an item fits a role: by names and numbers, which a verifier judges later.
enum class Rank : std::uint8_t {
  kNone,      // plays another role
  kOfKind,    // may play it, for lack of a better
  kClose,     // plays it, for another platform or issuer
  kFits,      // plays it for this quote
  kFitsBest,  // and at this time
};

// Pick is what was taken for a role; nullptr where nothing is of its kind. Borrowed.
template <typename T>
struct Pick {
  const T* item = nullptr;
  Rank rank = Rank::kNone;
};

// pick takes the highest rank; among equals what was issued last, and then what came first.
template <typename T, typename RankOf, typename IssuedAt>
Pick<T> pick(const std::vector<T>& items, const RankOf& rank_of, const IssuedAt& issued_at) {
  Pick<T> best;
  for (const T& item : items) {
    const Rank rank = rank_of(item);
    if (rank > best.rank ||
        (best.item != nullptr && rank == best.rank && issued_at(*best.item) < issued_at(item))) {
      best = {&item, rank};
    }
  }
  return best;
}

bool is_pck(const Certificate& c) { return c.extension(kSgxOid).has_value(); }
bool issued_by(const Certificate& c, const Pick<Certificate>& issuer) {
  return issuer.item != nullptr && c.issued_by_name(*issuer.item);
}

// Every key of Intel's hierarchy is on P-256: what others left in the pool plays no role here, not
// even where nothing better is there.
bool may_be_intels(const Certificate& c) {
  const auto key = c.ec_public_key();
  return key && key->curve() == Curve::kP256;
}

struct Selection {
  Pick<Certificate> pck;
  std::optional<PckExtensions> platform;  // of `pck`, where they parse
  Pick<Certificate> ca;
  Pick<Certificate> root;
  Pick<TcbInfo> tcb_info;
  Pick<QeIdentity> identity;
  Pick<Certificate> signing;
  Pick<RevocationList> pck_crl;
  Pick<RevocationList> root_crl;
};

// Selector fills the roles one after another; each says how its candidates rank, given those
// before.
class Selector {
 public:
  Selector(const IntelQuote& quote, const std::vector<Certificate>& own, const Pool& pool)
      : quote_(quote), id_(platform_id_of(quote)), own_(own), pool_(pool) {}

  Selection select() {
    const auto not_before = [](const Certificate& c) { return c.not_before(); };
    const auto issued = [](const auto& json) { return json.issued; };
    const auto this_update = [](const RevocationList& list) { return list.this_update(); };
    out_.pck = pick_certificate([&](const Certificate& c) { return rank_pck(c); });
    if (out_.pck.item != nullptr) {
      if (auto platform = parse_pck_extensions(*out_.pck.item)) {
        out_.platform = *std::move(platform);
      }
    }
    out_.ca = pick_certificate([&](const Certificate& c) { return rank_ca(c); });
    out_.root = pick_certificate([&](const Certificate& c) { return rank_root(c); });
    out_.tcb_info = pick(
        pool_.tcb_infos, [&](const TcbInfo& info) { return rank_tcb_info(info); }, issued);
    out_.identity = pick(
        pool_.identities, [&](const QeIdentity& i) { return rank_identity(i); }, issued);
    out_.signing = pick(
        pool_.certificates, [&](const Certificate& c) { return rank_signing(c); }, not_before);
    out_.pck_crl = pick(
        pool_.lists, [&](const RevocationList& l) { return rank_list(l, out_.ca); }, this_update);
    out_.root_crl = pick(
        pool_.lists, [&](const RevocationList& l) { return rank_list(l, out_.root); }, this_update);
    return out_;
  }

 private:
  // The quote's own certificates go before the pool's: of Intel's root there are two with one key
  // and other dates, and whoever made the quote knows which it meant.
  template <typename RankOf>
  Pick<Certificate> pick_certificate(const RankOf& rank_of) const {
    const auto issued_at = [](const Certificate& c) { return c.not_before(); };
    const Pick<Certificate> own = pick(own_, rank_of, issued_at);
    return own.item != nullptr ? own : pick(pool_.certificates, rank_of, issued_at);
  }

  // A quote without its PCK certificate may still say which one it is.
  [[nodiscard]] Rank rank_pck(const Certificate& c) const {
    if (!is_pck(c)) {
      return Rank::kNone;
    }
    if (!id_.has_value()) {
      return Rank::kFits;
    }
    const auto platform = parse_pck_extensions(c);
    const bool same = platform && platform->cpu_svn == id_->cpu_svn &&
                      platform->pce_svn == id_->pce_svn && platform->pce_id == id_->pce_id &&
                      platform->ppid == id_->ppid.value_or(platform->ppid);
    return same ? Rank::kFits : Rank::kOfKind;
  }

  [[nodiscard]] Rank rank_ca(const Certificate& c) const {
    if (c.self_issued() || is_pck(c)) {
      return Rank::kNone;
    }
    if (out_.pck.item != nullptr && out_.pck.item->issued_by_name(c)) {
      return Rank::kFits;
    }
    return c.is_ca() && may_be_intels(c) ? Rank::kOfKind : Rank::kNone;
  }

  [[nodiscard]] Rank rank_root(const Certificate& c) const {
    if (!c.self_issued() || is_pck(c)) {
      return Rank::kNone;
    }
    if (out_.ca.item != nullptr && out_.ca.item->issued_by_name(c)) {
      return Rank::kFits;
    }
    return may_be_intels(c) ? Rank::kOfKind : Rank::kNone;
  }

  [[nodiscard]] Rank rank_tcb_info(const TcbInfo& info) const {
    if (info.is_tdx != quote_.is_tdx()) {
      return Rank::kOfKind;
    }
    const bool same = out_.platform.has_value() && info.fmspc == out_.platform->fmspc &&
                      info.pce_id == out_.platform->pce_id;
    return same ? Rank::kFits : Rank::kClose;
  }

  [[nodiscard]] Rank rank_identity(const QeIdentity& identity) const {
    return identity.id == (quote_.is_tdx() ? "TD_QE" : "QE") ? Rank::kFits : Rank::kOfKind;
  }

  // Intel has two certificates of one signing key: what signed the TCB info is the one that was
  // valid then, though the other may have been issued later.
  [[nodiscard]] Rank rank_signing(const Certificate& c) const {
    const bool taken = (out_.ca.item != nullptr && *out_.ca.item == c) || c.self_issued();
    if (taken || is_pck(c)) {
      return Rank::kNone;
    }
    if (c.subject_cn() != kSigningCn) {
      return !c.is_ca() && may_be_intels(c) ? Rank::kOfKind : Rank::kNone;
    }
    if (!issued_by(c, out_.root)) {
      return Rank::kClose;
    }
    const TcbInfo* info = out_.tcb_info.item;
    const bool then =
        info != nullptr && c.not_before() <= info->issued && info->issued <= c.not_after();
    return then ? Rank::kFitsBest : Rank::kFits;
  }

  static Rank rank_list(const RevocationList& list, const Pick<Certificate>& issuer) {
    return issuer.item != nullptr && list.issued_by_name(*issuer.item) ? Rank::kFits : Rank::kNone;
  }

  const IntelQuote& quote_;
  const std::optional<PlatformId> id_;
  const std::vector<Certificate>& own_;
  const Pool& pool_;
  Selection out_;
};

// ---- What is missing ------------------------------------------------------------------------

// Paths are those of Intel's PCS API v4.
std::string ask_for(std::string_view path) {
  return "ask Intel's provisioning certification service for " + std::string(path);
}

std::string tcb_path(const IntelQuote& quote, const Selection& selection) {
  return std::string(quote.is_tdx() ? "/tdx" : "/sgx") + "/certification/v4/tcb?fmspc=" +
         (selection.platform.has_value() ? to_hex(selection.platform->fmspc)
                                         : "{FMSPC of the PCK certificate}");
}

Error missing(std::string_view what, std::string remedy) {
  return Error(EvidenceError::kEndorsementMissing, std::string(what) + " is missing")
      .with_remedy(std::move(remedy));
}

Result<void> all_there(const IntelQuote& quote, const Selection& s) {
  constexpr std::string_view kPckPath = "/sgx/certification/v4/pckcert?...";
  const std::string pck_chain = ask_for(kPckPath) + ": its header SGX-PCK-Certificate-Issuer-Chain";
  if (s.pck.item == nullptr) {
    return missing("the PCK certificate", ask_for(kPckPath));
  }
  if (s.ca.item == nullptr) {
    return missing("the certificate of the PCK's issuer (Platform or Processor CA)", pck_chain);
  }
  if (s.root.item == nullptr) {
    return missing("the root certificate (Intel SGX Root CA)", pck_chain);
  }
  if (s.tcb_info.item == nullptr) {
    return missing("TCB info", ask_for(tcb_path(quote, s)));
  }
  if (s.identity.item == nullptr) {
    return missing("the identity of the quoting enclave",
                   ask_for(quote.is_tdx() ? "/tdx/certification/v4/qe/identity"
                                          : "/sgx/certification/v4/qe/identity"));
  }
  if (s.signing.item == nullptr) {
    return missing("the TCB signing certificate",
                   ask_for(tcb_path(quote, s)) + ": its header TCB-Info-Issuer-Chain");
  }
  return ok();
}

template <typename T>
std::optional<T> copied(const Pick<T>& picked) {
  return picked.item == nullptr ? std::nullopt : std::optional<T>(*picked.item);
}

}  // namespace

Result<IntelEndorsements> collect_intel_endorsements(const IntelQuote& quote,
                                                     std::span<const EndorsementItem> items) {
  ENSC_TRY_ASSIGN(const std::vector<Certificate> own, certificates_of_quote(quote));
  const auto known = known_items(items);
  if (known.size() > kMaxItems) {
    return bad("more than 64 endorsements");
  }
  Pool pool;
  for (const EndorsementItem* item : known) {
    ENSC_TRY(read_item(*item, own, pool));
  }
  const Selection s = Selector(quote, own, pool).select();
  ENSC_TRY(all_there(quote, s));
  ENSC_TRY(internal::expect_issuers_of_lists(pool.lists, {own, pool.certificates}));
  return IntelEndorsements{*s.pck.item,       *s.ca.item,        *s.root.item,
                           *s.signing.item,   *s.tcb_info.item,  *s.identity.item,
                           copied(s.pck_crl), copied(s.root_crl)};
}

std::vector<std::string> missing_intel_endorsements(const IntelQuote& quote,
                                                    std::span<const EndorsementItem> items) {
  const auto own = certificates_of_quote(quote);
  auto known = known_items(items);
  known.resize(std::min(known.size(), kMaxItems));
  Pool pool;
  const std::vector<Certificate> none;
  for (const EndorsementItem* item : known) {
    (void)read_item(*item, none, pool);  // what does not parse is not there
  }
  const Selection s = Selector(quote, own ? *own : none, pool).select();
  std::vector<std::string> out;
  const auto name_unless = [&](bool there, const char* name) {
    if (!there) {
      out.emplace_back(name);
    }
  };
  const auto fits = [](const auto& picked) { return picked.rank >= Rank::kFits; };
  name_unless(fits(s.pck) && fits(s.ca) && fits(s.root), "pck_chain");
  name_unless(fits(s.tcb_info), "tcb_info");
  name_unless(fits(s.identity), "qe_identity");
  name_unless(fits(s.signing), "tcb_signing");
  name_unless(fits(s.pck_crl), "pck_crl");
  name_unless(fits(s.root_crl), "root_crl");
  return out;
}

}  // namespace ensconce
