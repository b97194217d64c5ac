#include "ensconce/oip/oip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace ensconce::oip {
namespace {

using ::testing::ElementsAre;

// The worked example of the binary tensor data extension: JSON, then the tensors in order.
Bytes with_binary(std::string_view header, ByteView binary) {
  return concat({as_bytes(header), binary});
}

Error refusal(std::string_view body, std::optional<std::size_t> header_length = std::nullopt) {
  const auto parsed = parse_infer_request(as_bytes(body), header_length);
  EXPECT_FALSE(parsed.has_value()) << body;
  return parsed ? Error(OipError::kUnsupported, "accepted") : parsed.error();
}

TEST(OipRequest, ReadsNestedAndFlatJsonAlike) {
  for (const char* data : {"[1,2,3,4]", "[[1,2],[3,4]]"}) {
    const std::string body =
        std::string(R"({"id":"7","inputs":[{"name":"x","shape":[2,2],"datatype":"INT32","data":)") +
        data + "}]}";
    const auto request = parse_infer_request(as_bytes(body), std::nullopt);
    ASSERT_TRUE(request.has_value()) << request.error().to_string();
    EXPECT_EQ(request->id, "7");
    EXPECT_THAT(request->inputs.at(0).values<std::int32_t>(), ElementsAre(1, 2, 3, 4));
  }
}

TEST(OipRequest, ReadsBinaryTensorsInOrder) {
  const std::string header =
      R"({"inputs":[{"name":"a","shape":[2],"datatype":"UINT8","parameters":{"binary_data_size":2}},)"
      R"({"name":"b","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":7}}],)"
      R"("outputs":[{"name":"y","parameters":{"binary_data":true}},{"name":"z"}]})";
  const Bytes body = with_binary(header, Bytes{9, 8, 3, 0, 0, 0, 'a', 'b', 'c'});
  const auto request = parse_infer_request(body, header.size());
  ASSERT_TRUE(request.has_value()) << request.error().to_string();
  EXPECT_THAT(request->inputs.at(0).values<std::uint8_t>(), ElementsAre(9, 8));
  EXPECT_EQ(as_text(request->inputs.at(1).element(0)), "abc");
  EXPECT_TRUE(request->outputs.at(0).binary);
  EXPECT_FALSE(request->outputs.at(1).binary);
}

TEST(OipRequest, RejectsWhatIsNoJsonObject) {
  EXPECT_TRUE(refusal("").is(OipError::kBadJson));
  EXPECT_TRUE(refusal("[]").is(OipError::kBadJson));
  EXPECT_TRUE(refusal(R"({"inputs":1})").is(OipError::kBadJson));
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x"}]})").is(OipError::kBadJson));
  EXPECT_TRUE(refusal(R"({})").is(OipError::kBadJson));
}

TEST(OipRequest, RejectsAHeaderLengthBeyondTheBody) {
  EXPECT_TRUE(refusal("{}", 3).is(OipError::kBadHeaderLength));
}

TEST(OipRequest, RejectsHeaderLengthsThatAreNoDecimalNumber) {
  for (const char* text : {"", "-1", "+1", "0x10", "1 ", " 1", "99999999999999999999", "1e3"}) {
    EXPECT_TRUE(parse_header_length(text).error().is(OipError::kBadHeaderLength)) << text;
  }
  EXPECT_EQ(parse_header_length("12").value(), 12U);
}

TEST(OipRequest, RejectsUnknownDatatypes) {
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"INT7","data":[1]}]})")
                  .is(OipError::kBadDatatype));
}

TEST(OipRequest, RejectsShapesThatAreNone) {
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x","shape":[-1],"datatype":"INT8","data":[]}]})")
                  .is(OipError::kBadShape));
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x","shape":["1"],"datatype":"INT8","data":[1]}]})")
                  .is(OipError::kBadShape));
  EXPECT_TRUE(
      refusal(
          R"({"inputs":[{"name":"x","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"datatype":"INT8","data":[1]}]})")
          .is(OipError::kBadShape));
}

TEST(OipRequest, RejectsShapesTooLargeBeforeAllocating) {
  EXPECT_TRUE(
      refusal(
          R"({"inputs":[{"name":"x","shape":[4294967296,4294967296],"datatype":"FP64","data":[1]}]})")
          .is(OipError::kTooLarge));
  EXPECT_TRUE(
      refusal(R"({"inputs":[{"name":"x","shape":[268435456],"datatype":"FP64","data":[1]}]})")
          .is(OipError::kTooLarge));
}

TEST(OipRequest, RejectsDataThatDoesNotFillTheShape) {
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x","shape":[3],"datatype":"INT8","data":[1,2]}]})")
                  .is(OipError::kDataLength));
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1,2]}]})")
                  .is(OipError::kDataLength));
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"BOOL","data":[]}]})")
                  .is(OipError::kDataLength));
  EXPECT_TRUE(
      refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["a","b"]}]})")
          .is(OipError::kDataLength));
}

TEST(OipRequest, RejectsElementsTheDatatypeCannotHold) {
  for (const char* tensor :
       {R"("UINT8","data":[256])", R"("UINT8","data":[-1])", R"("INT8","data":[128])",
        R"("INT32","data":[1.5])", R"("FP32","data":["1"])", R"("FP32","data":[-3.5e38])",
        R"("BOOL","data":[1])", R"("BYTES","data":[1])"}) {
    const std::string body =
        std::string(R"({"inputs":[{"name":"x","shape":[1],"datatype":)") + tensor + "}]}";
    EXPECT_TRUE(refusal(body).is(OipError::kBadData)) << body;
  }
}

TEST(OipRequest, RejectsBothOrNeitherFormOfData) {
  EXPECT_TRUE(
      refusal(
          R"({"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1],"parameters":{"binary_data_size":1}}]})")
          .is(OipError::kBadJson));
  EXPECT_TRUE(
      refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"INT8"}]})").is(OipError::kBadJson));
}

TEST(OipRequest, RejectsBinaryPartsThatDoNotFit) {
  const auto try_binary = [](std::string_view tensor, ByteView binary) {
    const std::string header = R"({"inputs":[{"name":"x",)" + std::string(tensor) + "}]}";
    const auto parsed = parse_infer_request(with_binary(header, binary), header.size());
    return parsed ? std::string("accepted") : std::string(parsed.error().id());
  };
  const char* two = R"("shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4})";
  EXPECT_EQ(try_binary(two, Bytes(4)), "accepted");
  EXPECT_EQ(try_binary(two, Bytes(3)), "oip.data_length");
  EXPECT_EQ(try_binary(two, Bytes(5)), "oip.data_length");
  EXPECT_EQ(
      try_binary(R"("shape":[3],"datatype":"INT16","parameters":{"binary_data_size":4})", Bytes(4)),
      "oip.data_length");
  const char* text = R"("shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5})";
  EXPECT_EQ(try_binary(text, Bytes{1, 0, 0, 0, 'a'}), "accepted");
  EXPECT_EQ(try_binary(text, Bytes{2, 0, 0, 0, 'a'}), "oip.data_length");
  EXPECT_EQ(try_binary(text, Bytes{0, 0, 0, 0, 'a'}), "oip.data_length");
  EXPECT_EQ(try_binary(text, Bytes{255, 255, 255, 255, 'a'}), "oip.data_length");
  const char* flags = R"("shape":[2],"datatype":"BOOL","parameters":{"binary_data_size":2})";
  EXPECT_EQ(try_binary(flags, Bytes{0, 1}), "accepted");
  EXPECT_EQ(try_binary(flags, Bytes{0, 2}), "oip.data");
}

TEST(OipRequest, RefusesByNameWhatWouldChangeTheAnswer) {
  const auto request = [](const std::string& of_input, const std::string& of_output,
                          const std::string& of_all) {
    return R"({"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1],"parameters":{)" +
           of_input + R"(}}],"outputs":[{"name":"y","parameters":{)" + of_output +
           R"(}}],"parameters":{)" + of_all + "}}";
  };
  const std::string shared = R"("shared_memory_region":"r")";
  for (const std::string& body :
       {request(shared, "", ""), request("", shared, ""), request("", R"("classification":2)", ""),
        request("", "", R"("sequence_id":7)"), request("", "", R"("sequence_start":true)"),
        request("", "", R"("sequence_end":true)")}) {
    EXPECT_TRUE(refusal(body).is(OipError::kUnsupported)) << body;
  }
  const std::string hints = request(R"("a":1)", R"("b":1)", R"("priority":1,"timeout":5)");
  EXPECT_TRUE(parse_infer_request(as_bytes(hints), std::nullopt)) << hints;
}

TEST(OipRequest, RejectsHalfPrecisionInJson) {
  EXPECT_TRUE(refusal(R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP16","data":[1]}]})")
                  .is(OipError::kUnsupported));
}

TEST(OipRequest, RejectsTooManyTensors) {
  std::string body = R"({"inputs":[)";
  for (std::size_t i = 0; i <= kMaxTensors; ++i) {
    body += (i == 0 ? "" : ",");
    body += R"({"name":"x","shape":[1],"datatype":"INT8","data":[1]})";
  }
  EXPECT_TRUE(refusal(body + "]}").is(OipError::kTooLarge));
}

TEST(OipRequest, WritesWhatItReads) {
  InferRequest request;
  request.id = "a";
  const std::array<float, 2> values{1.5F, -2};
  request.inputs.push_back(Tensor::floats("x", {1, 2}, values).value());
  const ByteView text = as_bytes("hé");
  request.inputs.push_back(Tensor::strings("t", {1}, {&text, 1}).value());
  request.outputs.push_back({"y", true});
  const Message message = write_infer_request(request);
  const auto back = parse_infer_request(message.body, message.header_length);
  ASSERT_TRUE(back.has_value()) << back.error().to_string();
  EXPECT_EQ(back->id, "a");
  EXPECT_THAT(back->inputs.at(0).values<float>(), ElementsAre(1.5F, -2));
  EXPECT_EQ(back->inputs.at(0).shape(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(as_text(back->inputs.at(1).element(0)), "hé");
  EXPECT_TRUE(back->binary_output);
  EXPECT_TRUE(back->outputs.at(0).binary);
}

TEST(OipResponse, RoundTripsBothForms) {
  std::vector<Tensor> outputs;
  const std::array<float, 2> values{0.1F, 3};
  outputs.push_back(Tensor::floats("p", {2}, values).value());
  const ByteView text = as_bytes("line");
  outputs.push_back(Tensor::strings("text", {1}, {&text, 1}).value());
  for (const bool binary : {false, true}) {
    const auto message = write_infer_response("m", "3", "id", outputs, {binary, !binary});
    ASSERT_TRUE(message.has_value());
    const auto back = parse_infer_response(message->body, message->header_length);
    ASSERT_TRUE(back.has_value()) << back.error().to_string();
    EXPECT_EQ(back->model_name, "m");
    EXPECT_EQ(back->model_version, "3");
    EXPECT_THAT(back->outputs.at(0).values<float>(), ElementsAre(0.1F, 3));
    EXPECT_EQ(as_text(back->outputs.at(1).element(0)), "line");
  }
}

TEST(OipResponse, RefusesToWriteBrokenTextAsJson) {
  for (const std::string_view broken :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    const ByteView element = as_bytes(broken);
    std::vector<Tensor> outputs;
    outputs.push_back(Tensor::strings("t", {1}, {&element, 1}).value());
    EXPECT_TRUE(
        write_infer_response("m", "1", "", outputs, {false}).error().is(OipError::kUnsupported));
    EXPECT_TRUE(write_infer_response("m", "1", "", outputs, {true}).has_value());
  }
}

}  // namespace
}  // namespace ensconce::oip
