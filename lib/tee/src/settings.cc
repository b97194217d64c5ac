#include "ensconce/tee/settings.h"

#include <array>
#include <string>
#include <utility>

#include "ensconce/tee/error.h"

namespace ensconce {
namespace {

constexpr std::array<std::pair<AttesterKind, std::string_view>, 5> kNames = {{
    {AttesterKind::kAuto, "auto"},
    {AttesterKind::kConfigfsTsm, "configfs-tsm"},
    {AttesterKind::kSevGuest, "sev-guest"},
    {AttesterKind::kGramine, "gramine"},
    {AttesterKind::kAzureVtpm, "azure-vtpm"},
}};

Error bad(std::string detail) { return {TeeError::kConfig, std::move(detail)}; }

// Given is what the file says, before defaults.
struct Given {
  AttesterSettings settings;
  bool attester = false;
  bool tsm_root = false;
  std::string_view other;  // a key beside these two
};

Result<bool> read_path(json::Fields& fields, std::string_view name, std::filesystem::path& out) {
  const json::Value* value = fields.take_optional(name);
  if (value == nullptr) {
    return false;
  }
  const auto text = value->as_text(name);
  if (!text || text->empty()) {
    return bad(std::string(name) + ": expected a path");
  }
  out = *text;
  return true;
}

Result<Given> read(json::Fields& fields) {
  Given out;
  AttesterSettings& settings = out.settings;
  if (const json::Value* value = fields.take_optional("attester"); value != nullptr) {
    const auto text = value->as_text("attester");
    const auto kind = text ? attester_kind_from_name(*text) : std::nullopt;
    if (!kind) {
      return bad(
          "attester: expected \"auto\", \"configfs-tsm\", \"sev-guest\", \"gramine\" or "
          "\"azure-vtpm\"");
    }
    settings.attester = *kind;
    out.attester = true;
  }
  ENSC_TRY_ASSIGN(out.tsm_root, read_path(fields, "tsm_root", settings.tsm_root));
  const std::array<std::pair<std::string_view, std::filesystem::path*>, 4> others = {{
      {"sev_guest", &settings.sev_guest},
      {"gramine_root", &settings.gramine_root},
      {"tpm", &settings.tpm},
      {"endorsements", &settings.endorsements},
  }};
  for (const auto& [name, path] : others) {
    ENSC_TRY_ASSIGN(const bool there, read_path(fields, name, *path));
    out.other = there ? name : out.other;
  }
  return out;
}

}  // namespace

std::string_view name_of(AttesterKind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) {
      return name;
    }
  }
  return "unknown";
}

std::optional<AttesterKind> attester_kind_from_name(std::string_view name) {
  for (const auto& [kind, known] : kNames) {
    if (known == name) {
      return kind;
    }
  }
  return std::nullopt;
}

Result<AttesterSettings> read_attester_settings(json::Fields& fields) {
  ENSC_TRY_ASSIGN(Given given, read(fields));
  return std::move(given.settings);
}

Result<std::optional<AttesterSettings>> read_optional_attester(json::Fields& fields) {
  ENSC_TRY_ASSIGN(Given given, read(fields));
  if (!given.attester && !given.tsm_root) {
    if (!given.other.empty()) {
      return bad(std::string(given.other) +
                 ": no attester is asked for; write attester = \"auto\" beside it");
    }
    return std::optional<AttesterSettings>();
  }
  if (!given.attester) {
    given.settings.attester = AttesterKind::kConfigfsTsm;
  }
  return std::optional<AttesterSettings>(std::move(given.settings));
}

}  // namespace ensconce
