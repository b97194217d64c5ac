#include "ensconce/server/v2_service.h"

#include <algorithm>

#include "ensconce/base/log.h"
#include "ensconce/channel/evidence_document.h"
#include "ensconce/codec/json.h"
#include "ensconce/oip/oip.h"
#include "ensconce/server/error.h"
#include "served_request.h"

namespace ensconce {

namespace {

constexpr std::string_view kPrefix = "/v2";

json::Array describe(const std::vector<TensorSpec>& specs) {
  json::Array out;
  for (const TensorSpec& spec : specs) {
    json::Array shape;
    for (const std::int64_t dim : spec.shape) {
      shape.emplace_back(dim);
    }
    out.emplace_back(json::Object{{"name", spec.name},
                                  {"datatype", std::string(name_of(spec.type))},
                                  {"shape", std::move(shape)}});
  }
  return out;
}

// Takes "/name" off the front of a path; empty when there is none.
std::string_view take_segment(std::string_view& rest) {
  if (rest.empty() || rest.front() != '/') {
    return {};
  }
  rest.remove_prefix(1);
  const std::size_t end = std::min(rest.find('/'), rest.size());
  const std::string_view out = rest.substr(0, end);
  rest.remove_prefix(end);
  return out;
}

HttpResponse metadata_of(const ServedEntry& entry) {
  return json_response(
      200, json::write(json::Object{{"name", entry.name},
                                    {"versions", json::Array{std::to_string(entry.version)}},
                                    {"platform", "ensconce_" + entry.model->task()},
                                    {"inputs", describe(entry.model->inputs())},
                                    {"outputs", describe(entry.model->outputs())}}));
}

// What the model configuration extension calls our types.
std::string config_name_of(DataType type) {
  return type == DataType::kBytes ? "TYPE_STRING" : "TYPE_" + std::string(name_of(type));
}

json::Array configure(const std::vector<TensorSpec>& specs) {
  json::Array out;
  for (const TensorSpec& spec : specs) {
    json::Array dims;
    for (const std::int64_t dim : spec.shape) {
      dims.emplace_back(dim);
    }
    out.emplace_back(json::Object{
        {"name", spec.name}, {"data_type", config_name_of(spec.type)}, {"dims", std::move(dims)}});
  }
  return out;
}

// The parts of Triton's ModelConfig that there are here: max_batch_size 0 says that dims are whole
// shapes, the batch included.
HttpResponse config_of(const ServedEntry& entry) {
  return json_response(200,
                       json::write(json::Object{{"name", entry.name},
                                                {"platform", "ensconce_" + entry.model->task()},
                                                {"max_batch_size", 0},
                                                {"input", configure(entry.model->inputs())},
                                                {"output", configure(entry.model->outputs())}}));
}

// Whether a request for the index asks for ready models alone. An empty body asks for all.
Result<bool> ready_alone(ByteView body) {
  if (body.empty()) {
    return false;
  }
  json::Limits limits;
  limits.max_bytes = 4096;
  ENSC_TRY_ASSIGN(const json::Value root, json::parse(as_text(body), limits));
  const json::Value* ready = root.find("ready");
  return ready == nullptr ? Result<bool>(false) : ready->as_bool("ready");
}

}  // namespace

HttpResponse json_response(int status, std::string body) {
  HttpResponse out;
  out.status = status;
  out.headers.set("Content-Type", "application/json");
  out.body = to_bytes(body);
  return out;
}

HttpResponse response_of(const Error& error) {
  log_failure("request refused", error);
  return json_response(http_status_of(error), json::write(json::Object{{"error", outward(error)}}));
}

HttpResponse V2Service::handle(const HttpRequest& request) const {
  Result<HttpResponse> answer = route(request);
  return answer ? std::move(*answer) : response_of(answer.error());
}

Result<HttpResponse> V2Service::route(const HttpRequest& request) const {
  std::string_view rest = path_of(request.target);
  if (!rest.starts_with(kPrefix)) {
    return Error(ServerError::kNotFound, "no such path");
  }
  rest.remove_prefix(kPrefix.size());
  if (rest.empty() || rest == "/") {
    ENSC_TRY(expect_method(request, "GET"));
    return json_response(
        200, json::write(json::Object{
                 {"name", "ensconce"},
                 {"version", ENSC_VERSION},
                 {"extensions", json::Array{"binary_tensor_data", "model_configuration"}}}));
  }
  const std::string_view first = take_segment(rest);
  if (first == "health") {
    ENSC_TRY(expect_method(request, "GET"));
    if (rest == "/live") {
      return json_response(200, R"({"live":true})");
    }
    if (rest == "/ready") {
      const auto entries = registry_.all();
      const bool ready =
          !entries.empty() && std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
            return check_lease(entry, clock_).has_value();
          });
      if (!ready) {
        return Error(ServerError::kNotReady, "no model with a lease");
      }
      return json_response(200, R"({"ready":true})");
    }
  } else if (first == "models") {
    return model_route(request, rest);
  } else if (first == "repository" && rest == "/index") {
    ENSC_TRY(expect_method(request, "POST"));
    return repository_index(request);
  }
  return Error(ServerError::kNotFound, "no such path");
}

Result<HttpResponse> V2Service::repository_index(const HttpRequest& request) const {
  const Result<bool> ready = ready_alone(request.body);
  if (!ready) {
    return Error(oip::OipError::kBadJson, ready.error().detail());
  }
  json::Array out;
  for (const ServedEntry& entry : registry_.all()) {
    const bool served = check_lease(entry, clock_).has_value();
    if (served || !*ready) {
      out.emplace_back(json::Object{{"name", entry.name},
                                    {"version", std::to_string(entry.version)},
                                    {"state", served ? "READY" : "UNAVAILABLE"},
                                    {"reason", served ? "" : "the lease has ended"}});
    }
  }
  return json_response(200, json::write(json::Value(std::move(out))));
}

Result<HttpResponse> V2Service::model_route(const HttpRequest& request,
                                            std::string_view rest) const {
  const std::string_view name = take_segment(rest);
  const std::optional<ServedEntry> entry = registry_.find(name);
  if (!entry) {
    return Error(ServerError::kUnknownModel, "no such model is served here");
  }
  if (rest.starts_with("/versions/")) {
    rest.remove_prefix(std::string_view("/versions").size());
    if (take_segment(rest) != std::to_string(entry->version)) {
      return Error(ServerError::kUnknownVersion, "this version of the model is not served here");
    }
  }
  if (rest == "/infer") {
    ENSC_TRY(expect_method(request, "POST"));
    return infer(request, *entry);
  }
  if (rest == "/ready") {
    ENSC_TRY(expect_method(request, "GET"));
    ENSC_TRY(check_lease(*entry, clock_));
    return json_response(200, json::write(json::Object{{"name", entry->name}, {"ready", true}}));
  }
  if (rest == "/config") {
    ENSC_TRY(expect_method(request, "GET"));
    return config_of(*entry);
  }
  if (rest.empty()) {
    ENSC_TRY(expect_method(request, "GET"));
    return metadata_of(*entry);
  }
  return Error(ServerError::kNotFound, "no such path");
}

Result<HttpResponse> V2Service::infer(const HttpRequest& request, const ServedEntry& entry) const {
  ENSC_TRY(check_lease(entry, clock_));
  if (rule_ == BundleRule::kRequired) {
    ENSC_TRY(check_bundle(request, entry));
  }
  std::optional<std::size_t> header_length;
  if (const auto text = request.headers.get(oip::kHeaderLengthName)) {
    ENSC_TRY_ASSIGN(header_length, oip::parse_header_length(*text));
  }
  ENSC_TRY_ASSIGN(oip::InferRequest parsed, oip::parse_infer_request(request.body, header_length));
  std::vector<std::string> wanted;
  std::vector<bool> binary;
  for (const oip::RequestedOutput& output : parsed.outputs) {
    wanted.push_back(output.name);
    binary.push_back(output.binary);
  }
  ENSC_TRY_ASSIGN(const std::vector<Tensor> outputs,
                  entry.model->infer(std::move(parsed.inputs), wanted));
  if (wanted.empty()) {
    binary.assign(outputs.size(), parsed.binary_output);
  }
  ENSC_TRY_ASSIGN(oip::Message message,
                  oip::write_infer_response(entry.name, std::to_string(entry.version), parsed.id,
                                            outputs, binary));
  HttpResponse out;
  if (rule_ == BundleRule::kRequired) {
    out.headers.set(std::string(kBundleHeader), to_hex(entry.manifest_digest));
  }
  out.body = std::move(message.body);
  if (message.header_length) {
    out.headers.set("Content-Type", "application/octet-stream");
    out.headers.set(std::string(oip::kHeaderLengthName), std::to_string(*message.header_length));
  } else {
    out.headers.set("Content-Type", "application/json");
  }
  return out;
}

}  // namespace ensconce
