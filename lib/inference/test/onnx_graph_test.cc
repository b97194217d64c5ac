#include "ensconce/inference/onnx_graph.h"

#include <gtest/gtest.h>

#include "onnx_writer.h"

namespace ensconce {
namespace {

using namespace onnx_writer;  // NOLINT: it is this test's language.

std::string external(const char* location) {
  return external_tensor("w", kFloat, {4},
                         {{"location", location}, {"offset", "8"}, {"length", "16"}});
}

std::string model_with_initializer(std::string_view content) {
  return model(Graph().add_initializer(content));
}

const std::vector<ExternalData> kExpected = {{"w.bin", 8, 16}};

TEST(OnnxGraph, FindsNothingInAnInlineGraph) {
  const auto found = external_data_of(as_bytes(model(add_one(tensor("one", kFloat, {1}, kOne)))));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->empty());
}

TEST(OnnxGraph, FindsExternalDataWhereverATensorCanBe) {
  const std::string t = external("w.bin");
  const std::string with_t =
      model(Graph().add_node(node("Constant", {}, {"y"}, bytes(5, bytes(5, t)))));
  const std::string subgraph = Graph().add_initializer(t).fields;
  const auto attribute = [](std::uint32_t field, std::string_view content) {
    return model(Graph().add_node(node("If", {}, {}, bytes(5, bytes(field, content)))));
  };
  const std::string function = node("Constant", {}, {"y"}, bytes(5, bytes(5, t)));
  Graph sparse;
  sparse.fields = bytes(15, bytes(2, t));
  Graph sparse_values;
  sparse_values.fields = bytes(15, bytes(1, t));
  const std::pair<const char*, std::string> places[] = {
      {"initializer", model_with_initializer(t)},
      {"attribute tensor", with_t},
      {"attribute tensors", attribute(10, t)},
      {"attribute subgraph", attribute(6, subgraph)},
      {"attribute subgraphs", attribute(11, subgraph)},
      {"attribute sparse tensor", attribute(22, bytes(1, t))},
      {"attribute sparse tensors", attribute(23, bytes(2, t))},
      {"sparse initializer, indices", model(sparse)},
      {"sparse initializer, values", model(sparse_values)},
      {"function", model(Graph(), bytes(25, bytes(7, function)))},
      {"function attribute", model(Graph(), bytes(25, bytes(11, bytes(5, t))))},
      {"training initialization", model(Graph(), bytes(20, bytes(1, subgraph)))},
      {"training algorithm", model(Graph(), bytes(20, bytes(2, subgraph)))},
      {"a second graph, which the engine merges", model(Graph(), bytes(7, subgraph))},
  };
  for (const auto& [place, bytes_of_model] : places) {
    const auto found = external_data_of(as_bytes(bytes_of_model));
    ASSERT_TRUE(found) << place << ": " << found.error().to_string();
    EXPECT_EQ(*found, kExpected) << place;
  }
}

TEST(OnnxGraph, FindsEntriesWithoutTheLocationMark) {
  std::string t = external("w.bin");
  t.resize(t.size() - number(14, 1).size());
  const auto found = external_data_of(as_bytes(model_with_initializer(t)));
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, kExpected);
}

TEST(OnnxGraph, RejectsTheLocationMarkWithoutEntries) {
  const auto found = external_data_of(
      as_bytes(model_with_initializer(tensor("w", kFloat, {1}, kOne) + number(14, 1))));
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().is(InferenceError::kBadModel));
}

TEST(OnnxGraph, RejectsNamesThatLeaveTheModel) {
  for (const char* name : {"/etc/passwd", "../w.bin", "a/../../w.bin", "a/./w.bin", "a//w.bin", "",
                           "w.bin/", "*/_ORT_MEM_ADDR_/*", "a\\b", "a b", ".", ".."}) {
    const auto found = external_data_of(as_bytes(model_with_initializer(external(name))));
    ASSERT_FALSE(found) << name;
    EXPECT_TRUE(found.error().is(InferenceError::kForeignExternalData)) << name;
  }
  EXPECT_TRUE(external_data_of(as_bytes(model_with_initializer(external("a/b-1_2.bin")))));
}

TEST(OnnxGraph, RejectsEntriesThatReadTwoWays) {
  using Entries = std::initializer_list<std::pair<const char*, const char*>>;
  for (const Entries& entries : {
           Entries{{"location", "w"}, {"length", "4"}, {"location", "v"}},
           Entries{{"location", "w"}, {"length", "4"}, {"length", "8"}},
           Entries{{"location", "w"}, {"length", "4"}, {"offset", "0"}, {"offset", "8"}},
           Entries{{"location", "w"}, {"length", "4"}, {"prepacked_0", "x|0;4;"}},
           Entries{{"location", "w"}},
           Entries{{"length", "4"}},
           Entries{{"location", "w"}, {"length", "-4"}},
           Entries{{"location", "w"}, {"length", "4x"}},
           Entries{{"location", "w"}, {"length", "99999999999999999999"}},
           Entries{{"location", "w"}, {"length", "4"}, {"offset", ""}},
       }) {
    const auto found = external_data_of(
        as_bytes(model_with_initializer(external_tensor("w", kFloat, {1}, entries))));
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().is(InferenceError::kBadModel));
  }
  for (const std::string& content :
       {bytes(1, "location"), bytes(1, "location") + bytes(2, "w") + bytes(2, "v"),
        bytes(1, "location") + bytes(1, "length") + bytes(2, "w"),
        entry("location", "w") + bytes(3, "")}) {
    const auto found = external_data_of(
        as_bytes(model_with_initializer(bytes(13, content) + bytes(13, entry("length", "4")))));
    ASSERT_FALSE(found);
    EXPECT_TRUE(found.error().is(InferenceError::kBadModel));
  }
}

TEST(OnnxGraph, RejectsBytesThatAreNotProtobuf) {
  const std::string good = model_with_initializer(external("w.bin"));
  for (const std::string& content : {
           good.substr(0, good.size() - 1),
           bytes(7, "").substr(0, 1),
           varint(7U << 3U | 2U) + varint(100) + "short",
           varint(7U << 3U | 3U),  // a group begins
           varint(2) + varint(0),  // field 0
           varint(std::uint64_t{1} << 33U | 7U << 3U) + varint(1),
           std::string(11, '\xff'),
           varint(9U << 3U | 1U) + "1234567",  // 8 bytes, one missing
           varint(9U << 3U | 5U) + "123",
       }) {
    const auto found = external_data_of(as_bytes(content));
    ASSERT_FALSE(found) << to_hex(as_bytes(content));
    EXPECT_TRUE(found.error().is(InferenceError::kBadModel));
  }
}

TEST(OnnxGraph, RejectsBytesThatAreAlsoOnnxRuntimesOwnFormat) {
  // Valid protobuf: a producer's name whose bytes 2 to 5 are the mark.
  const std::string polyglot = bytes(2, "..ORTM") + model(Graph());
  const auto found = external_data_of(as_bytes(polyglot));
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().is(InferenceError::kBadModel));
  EXPECT_TRUE(external_data_of(as_bytes(bytes(2, "..ORT.") + model(Graph()))));
}

TEST(OnnxGraph, RejectsGraphsNestedTooDeeply) {
  // Each subgraph is three messages: graph, node, attribute.
  const auto nested = [](int num_levels) {
    std::string graph;
    for (int i = 0; i < num_levels; ++i) {
      graph = Graph().add_node(node("If", {}, {}, bytes(5, bytes(6, graph)))).fields;
    }
    return bytes(7, graph);
  };
  EXPECT_TRUE(external_data_of(as_bytes(nested(20))));
  const auto found = external_data_of(as_bytes(nested(22)));
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().is(InferenceError::kBadModel));
}

TEST(OnnxGraph, RejectsTooManyEntries) {
  const std::string one = bytes(5, external("w"));
  Graph graph;
  graph.fields.reserve(one.size() * (kMaxExternalData + 1));
  for (std::size_t i = 0; i <= kMaxExternalData; ++i) {
    graph.fields += one;
  }
  const auto found = external_data_of(as_bytes(model(graph)));
  ASSERT_FALSE(found);
  EXPECT_TRUE(found.error().is(InferenceError::kBadModel));
}

TEST(CheckExternalData, AcceptsRangesOfTheFilesAtHand) {
  const Bytes file(24);
  EXPECT_TRUE(
      check_external_data(as_bytes(model_with_initializer(external("w.bin"))), {{"w.bin", file}}));
}

TEST(CheckExternalData, RejectsOtherFiles) {
  const Bytes file(24);
  const auto checked =
      check_external_data(as_bytes(model_with_initializer(external("w.bin"))), {{"v.bin", file}});
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().is(InferenceError::kForeignExternalData));
}

TEST(CheckExternalData, RejectsRangesBeyondTheFile) {
  const Bytes file(8);
  for (const auto& [offset, len] : std::initializer_list<std::pair<const char*, const char*>>{
           {"0", "9"}, {"8", "1"}, {"5", "4"}, {"9", "0"}, {"18446744073709551612", "8"}}) {
    const auto checked = check_external_data(
        as_bytes(model_with_initializer(external_tensor(
            "w", kFloat, {1}, {{"location", "w"}, {"offset", offset}, {"length", len}}))),
        {{"w", file}});
    ASSERT_FALSE(checked) << offset << ", " << len;
    EXPECT_TRUE(checked.error().is(InferenceError::kBadModel));
  }
}

TEST(OnnxGraph, NamesNoFileInItsErrors) {
  const auto found = external_data_of(as_bytes(model_with_initializer(external("/secret-name"))));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().to_string().find("secret"), std::string::npos);
}

}  // namespace
}  // namespace ensconce
