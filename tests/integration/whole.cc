#include "whole.h"

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is not in <cstdlib>.

#include "ensconce/base/file.h"
#include "ensconce/codec/base64.h"
#include "ensconce/inference/onnxruntime.h"
#include "ensconce/keybroker/admin.h"
#include "onnx_writer.h"
#include "tls_fixture.h"

namespace ensconce::whole {

namespace {

SnpPki make_pki() {
  SnpPkiOptions options;
  options.rsa_bits = 2048;
  options.vek_not_after = kChipCertificateEnds;
  SystemRandom random;
  return SnpPki::generate(options, random, kNow);
}

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "whole-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string floats(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

std::string hardware_section(const Sha256Digest& root, ByteView measurement) {
  return "[anchors]\naccept = []\n[[anchors.listed]]\nspki_sha256 = \"" + to_hex(root) +
         "\"\norigin = \"simulated\"\nproduct = \"Milan\"\n"
         "[snp]\nreport_version = { at_least = 3 }\nmeasurement = { exactly = \"" +
         to_hex(measurement) +
         "\" }\nmeasurement_covers = \"process\"\nguest_policy = { exactly = 0x30000 }\n"
         "guest_svn = { unconstrained = \"test\" }\nfamily_id = { unconstrained = \"test\" }\n"
         "image_id = { unconstrained = \"test\" }\ndebug = { exactly = false }\n"
         "migration_agent = { exactly = false }\nsmt = { unconstrained = \"test\" }\n"
         "vmpl = { exactly = 0 }\nsigning_key = { exactly = \"vcek\" }\n"
         "product = { exactly = \"Milan\" }\nhost_data = { unconstrained = \"test\" }\n"
         "id_key_digest = { unconstrained = \"test\" }\n"
         "author_key_digest = { unconstrained = \"test\" }\n"
         "chip_id = { unconstrained = \"test\" }\nminimum_tcb = { unconstrained = \"test\" }\n"
         "platform_info = { unconstrained = \"test\" }\ncrl = \"required\"\n";
}

std::string security_section(const Ed25519PublicKey& broker, const std::string& padding) {
  return "[security]\npadding = " + padding +
         "\ntenancy = { exactly = \"shared\" }\n"
         "sandbox = { exactly = \"" +
         std::string(kWholeSandbox) +
         "\" }\nsoftware = { unconstrained = \"measured\" }\n"
         "owner_keys = { unconstrained = \"test\" }\nbroker_key = { exactly = \"" +
         to_hex(broker.bytes) + "\" }\n";
}

}  // namespace

const SnpPki& pki() {
  static const SnpPki made = make_pki();
  return made;
}
const SnpPki& other_pki() {
  static const SnpPki made = make_pki();
  return made;
}

ByteArray<48> measurement() {
  ByteArray<48> out{};
  out.fill(0xa5);
  return out;
}

Ed25519PrivateKey key_of(std::uint8_t seed) {
  return Ed25519PrivateKey::from_seed(Bytes(32, seed)).value();
}

EngineFactory& engines() {
  static const std::unique_ptr<EngineFactory> made = make_onnxruntime().value();
  return *made;
}

std::string graph() {
  using namespace onnx_writer;  // NOLINT: its language.
  static constexpr std::array<float, 12> kW{0.5F, -1.25F, 2.0F,  0.125F, 3.0F,  -0.75F,
                                            1.5F, 0.25F,  -2.0F, 1.0F,   0.75F, -0.5F};
  static constexpr std::array<float, 3> kB{0.1F, -0.2F, 0.3F};
  Graph out;
  out.add_node(node("MatMul", {"x", "w"}, {"xw"}))
      .add_node(node("Add", {"xw", "b"}, {"sum"}))
      .add_node(node("Tanh", {"sum"}, {"y"}))
      .add_initializer(tensor("w", kFloat, {4, 3}, floats(kW)))
      .add_initializer(tensor("b", kFloat, {3}, floats(kB)))
      .add_input(value_info("x", kFloat, {-1, 4}))
      .add_output(value_info("y", kFloat, {-1, 3}));
  return model(out);
}

Tensor input() {
  static constexpr std::array<float, 8> kX{0.25F, -0.5F, 0.125F, 1.0F, -1.0F, 0.75F, 0.0F, 0.375F};
  return Tensor::floats("x", {2, 4}, kX).value();
}

std::vector<Tensor> inputs() {
  std::vector<Tensor> out;
  out.push_back(input());
  return out;
}

std::filesystem::path scratch(const std::string& name) {
  static const Folder folder;
  return folder.path() / name;
}

Sealed seal(const std::string& file, const Ed25519PrivateKey& by, std::uint64_t version,
            const ContentKey* key) {
  const std::filesystem::path from = scratch("files-of-" + file);
  std::filesystem::create_directories(from);
  SystemRandom random;
  Bytes filler(std::size_t{7} << 19);
  random.fill(filler);
  write_file_atomically(from / "filler.bin", filler).value();
  write_file_atomically(from / "model.onnx", as_bytes(graph())).value();
  write_file_atomically(
      from / "model.toml",
      as_bytes("format = \"ensconce-model/1\"\ntask = \"tensor\"\ngraph = \"model.onnx\"\n"))
      .value();
  SealOptions options;
  options.name = kModel;
  options.version = version;
  options.num_threads = 1;
  options.content_key_for_test = key;
  const std::filesystem::path to = scratch(file);
  return {to, seal_directory(from, to, by, options, random).value()};
}

const Sealed& genuine() {
  static const Sealed made = seal("genuine.sealed", owner());
  return made;
}

// ---- Processor ---------------------------------------------------------------------------------

Processor::Processor(const SnpPki& chip, Instant crl_from)
    : report(chip.report_template()), chip_(chip), crl_from_(crl_from) {
  report.measurement = measurement();
}

Result<HardwareEvidence> Processor::attest(const ByteArray<64>& report_data) {
  SnpReport said = report;
  said.report_data = report_data;
  return HardwareEvidence{
      {"snp", chip_.sign_report(said)}, chip_.endorsements(chip_.crl_der(crl_from_)), {}};
}

// ---- Broker ------------------------------------------------------------------------------------

class Broker::Store final : public BrokerStore {
 public:
  Result<std::optional<Bytes>> root_check() override { return root_check_; }
  Result<void> set_root_check(ByteView value) override {
    root_check_ = to_bytes(value);
    return ok();
  }
  Result<std::vector<StoredPolicy>> policies() override { return std::vector<StoredPolicy>(); }
  Result<std::vector<StoredKey>> keys() override { return std::vector<StoredKey>(); }
  Result<std::vector<Bytes>> log(std::uint64_t from, std::size_t limit) override {
    const auto begin = entries_.begin() +
                       static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(from, entries_.size()));
    const auto left = static_cast<std::size_t>(entries_.end() - begin);
    return std::vector<Bytes>(begin, begin + static_cast<std::ptrdiff_t>(std::min(limit, left)));
  }
  // Nobody opens this store twice, so nothing but the log has to come back.
  Result<void> commit(const StoreChange& change) override {
    if (change.index != entries_.size()) {
      return Error(KeyBrokerError::kStore, "not the next entry");
    }
    entries_.push_back(change.entry);
    return ok();
  }

 private:
  std::optional<Bytes> root_check_;
  std::vector<Bytes> entries_;
};

Broker::Broker(const Clock& clock, Random& random, std::uint64_t lease_seconds,
               const Sha256Digest& audience)
    : clock_(clock), random_(random), audience_(audience), store_(std::make_unique<Store>()) {
  KeyBrokerOptions options;
  options.owners = {owner().public_key(), other_owner().public_key()};
  options.tls_spki_sha256 = audience_;
  options.lease_seconds = lease_seconds;
  broker_ = KeyBroker::open(std::move(options), broker_key(),
                            Aes256Key::from(random_.array<32>()).value(), *store_, clock_, random_,
                            nullptr)
                .value();
}
Broker::~Broker() = default;

Result<WireResponse> Broker::exchange(const WireRequest& request) {
  targets.push_back(request.target);
  if (!available) {
    return Error(NetError::kConnect, "told to be away");
  }
  return broker_->handle(request);
}

void Broker::ask(const Ed25519PrivateKey& by, const std::string& path, const json::Value& body) {
  WireRequest request{"POST", "/ensconce/v1/admin/" + path, {}, to_bytes(json::write(body))};
  request = sign_admin_request(std::move(request), by, audience_, clock_.now(), random_);
  const WireResponse response = broker_->handle(request);
  ASSERT_EQ(response.status, 200) << path << ": " << as_text(response.body);
}

void Broker::add_policy(const Ed25519PrivateKey& by) {
  const std::string toml =
      "format = \"ensconce-policy/1\"\nrole = \"broker\"\n" +
      hardware_section(pki().ark().spki_sha256(), measurement()) +
      security_section(broker_key().public_key(), "{ unconstrained = \"test\" }");
  ask(by, "policies", json::Object{{"name", "workers"}, {"toml", toml}});
}

void Broker::add_key(const Ed25519PrivateKey& by, const SealedResult& bundle,
                     const ContentKey* instead) {
  const ContentKey& key = instead == nullptr ? bundle.content_key : *instead;
  ask(by, "keys",
      json::Object{{"key_id", to_hex(bundle.header.key_id)},
                   {"key", base64_encode(key.expose())},
                   {"name", bundle.header.name},
                   {"version", bundle.header.version},
                   {"manifest", to_hex(bundle.manifest_digest)},
                   {"owner", to_hex(by.public_key().bytes)},
                   {"policy", "workers"},
                   {"lease_seconds", nullptr},
                   {"max_uses", nullptr},
                   {"not_after", nullptr}});
}

// ---- Policy ------------------------------------------------------------------------------------

std::string client_policy(const PolicySays& says) {
  std::string out = "format = \"ensconce-policy/1\"\nrole = \"client\"\n" +
                    hardware_section(says.root, says.measurement) +
                    security_section(says.broker, "{ exactly = \"" + says.padding + "\" }") +
                    "[freshness]\n";
  out += says.freshness.empty()
             ? "evidence_age = { at_most = \"20m\" }\nbroker_key = { exactly = \"" +
                   to_hex(says.beacon_broker.bytes) + "\" }\n"
             : says.freshness;
  return out + "[[model]]\nname = \"" + says.model + "\"\nowner_key = { exactly = \"" +
         to_hex(says.owner.bytes) +
         "\" }\nminimum_version = { at_least = " + std::to_string(says.minimum_version) + " }\n";
}

std::string peer_policy(const PolicySays& says) {
  std::string out = client_policy(says);
  const std::string_view client = "role = \"client\"";
  out.replace(out.find(client), client.size(), "role = \"peer\"");
  out.erase(out.find("[[model]]"));
  return out;
}

// ---- Whole -------------------------------------------------------------------------------------

Whole::Whole(std::uint64_t lease_seconds) : broker_(clock_, random_, lease_seconds) {
  broker_.add_policy(owner());
  broker_.add_key(owner(), genuine().result);
  start(config());
}

void Whole::start(const WorkerConfig& config) {
  worker_ = boot(config).value();
  server_ = serve(
      worker_->tls_identity(),
      [this](const HttpRequest& request, const ConnectionInfo& connection) {
        return worker_->handle(request, connection);
      },
      [this](const HttpRequest& head) { return worker_->intake(head); });
  worker_->on_new_identity(
      [this](TlsIdentity identity) { ASSERT_TRUE(server_->set_identity(std::move(identity))); });
}

void Whole::TearDown() { expect_good_answer(); }

WorkerConfig Whole::config() const {
  WorkerConfig out;
  out.broker_key = broker_key().public_key();
  out.owner_keys = {owner().public_key()};
  out.models = {{genuine().path, 1}};
  return out;
}

Result<std::unique_ptr<AttestedWorker>> Whole::boot(const WorkerConfig& config) {
  return AttestedWorker::boot(
      config, {clock_, random_, processor_, broker_, engines(), std::string(kWholeSandbox)});
}

std::unique_ptr<HttpServer> Whole::serve(TlsIdentity identity, HttpHandler handler, Intake intake) {
  ServerOptions options;
  options.intake = std::move(intake);
  options.limits.max_body = std::size_t{1} << 20;
  options.tls = std::move(identity);
  options.ask_client_certificate = true;
  return HttpServer::start(std::move(options), std::move(handler)).value();
}

ConnectOutcome Whole::connect(std::uint16_t port, const PolicySays& says) {
  const AppraisalPolicy policy = AppraisalPolicy::parse(client_policy(says), "client.toml").value();
  return AttestedClient::connect(test::local("https", port), policy, {}, client_clock_, random_);
}

Result<AttestedClient::Answer> Whole::infer(AttestedClient& client, const std::string& model) {
  return client.infer(model, inputs(), {});
}

HttpResponse Whole::exchange(const HttpRequest& request) {
  const auto client = HttpClient::connect(test::local("https", server_->port())).value();
  return client->request(request).value();
}

std::string_view Whole::good_body() {
  return R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})";
}

HttpRequest Whole::infer_request(std::string_view body) {
  HttpRequest out{"POST", "/v2/models/" + std::string(kModel) + "/infer", {}, to_bytes(body)};
  out.headers.set("Content-Type", "application/json");
  out.headers.set(std::string(kBundleHeader), to_hex(genuine().result.manifest_digest));
  return out;
}

EvidenceDocument Whole::fetch_document(const ByteArray<32>& nonce) {
  const HttpResponse response =
      exchange(get(std::string(kEvidencePath) + "?nonce=" + to_hex(nonce)));
  return parse_evidence_document(as_text(response.body)).value();
}

void Whole::expect_good_answer() {
  const ConnectOutcome outcome = connect();
  ASSERT_TRUE(outcome.client) << outcome.client.error().to_string();
  const auto answer = infer(**outcome.client);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->outputs.size(), 1U);
}

::testing::AssertionResult answered(const HttpResponse& response, int status, std::string_view id) {
  const std::string_view text = as_text(response.body);
  const auto body = json::parse(text);
  const json::Value* error = body ? body->find("error") : nullptr;
  const std::string said = error == nullptr ? "" : error->as_text("error").value();
  if (response.status == status && (said == id || said.starts_with(std::string(id) + ": "))) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "expected " << status << " " << id << ", got "
                                       << response.status << " " << text.substr(0, 400);
}

}  // namespace ensconce::whole
