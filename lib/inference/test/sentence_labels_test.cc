#include "ensconce/inference/sentence_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ensconce {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string normalised(std::string_view text) {
  const auto out = normalise_text(as_bytes(text));
  EXPECT_TRUE(out);
  std::string result(out->begin(), out->end());
  for (std::size_t at = 0; (at = result.find("\xe2\x96\x81", at)) != std::string::npos;) {
    result.replace(at, 3, "_");
  }
  return result;
}

TEST(NormaliseText, PutsOneSpaceMarkBeforeEachWord) {
  EXPECT_EQ(normalised("a b"), "_a_b");
  EXPECT_EQ(normalised("  a \t\r\n b  "), "_a_b");
  EXPECT_EQ(normalised("a\xc2\xa0\xe3\x80\x80"
                       "b"),
            "_a_b");  // U+00A0, U+3000
}

TEST(NormaliseText, BringsTextToNfkc) {
  EXPECT_EQ(normalised("\xef\xac\x81"), "_fi");              // U+FB01, a ligature
  EXPECT_EQ(normalised("e\xcc\x81"), "_\xc3\xa9");           // composes
  EXPECT_EQ(normalised("\xef\xbc\xa1\xe2\x91\xa0"), "_A1");  // U+FF21, U+2460
}

TEST(NormaliseText, MakesBlankTextEmpty) {
  EXPECT_EQ(normalised(""), "");
  EXPECT_EQ(normalised(" \n\xe2\x80\xa9"), "");
}

TEST(NormaliseText, RejectsWhatIsNotUtf8) {
  for (const char* text : {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    const auto out = normalise_text(as_bytes(text));
    ASSERT_FALSE(out) << to_hex(as_bytes(text));
    EXPECT_TRUE(out.error().is(InferenceError::kBadText));
  }
}

class UnigramEncode : public testing::Test {
 protected:
  // ids:                                        0          1         2        3        4
  const Unigram vocabulary_ =
      *Unigram::parse(as_bytes("<unk>\t0\na\t-2\nb\t-2\nab\t-3\nabc\t-9\n"
                               "c\t-4\n<s>\t-1000\n\xc3\xa9\t-5\nx\t\n"));
  std::vector<std::int64_t> encode(std::string_view text) const {
    const auto ids = vocabulary_.encode(as_bytes(text));
    return {ids.begin(), ids.end()};
  }
};

TEST_F(UnigramEncode, TakesTheHighestSum) {
  EXPECT_THAT(encode("ab"), ElementsAre(3));      // -3 over -2 - 2
  EXPECT_THAT(encode("abc"), ElementsAre(3, 5));  // -3 - 4 over -9
  EXPECT_THAT(encode("ba"), ElementsAre(2, 1));
  EXPECT_THAT(encode("aab"), ElementsAre(1, 3));
  EXPECT_THAT(encode(""), IsEmpty());
}

TEST_F(UnigramEncode, MakesOneUnknownOfARunOfThem) {
  EXPECT_THAT(encode("a\xe4\xb8\xad\xe4\xb8\xad"
                     "b"),
              ElementsAre(1, 0, 2));
  EXPECT_THAT(encode("z"), ElementsAre(0));
  EXPECT_THAT(encode("zaz"), ElementsAre(0, 1, 0));
}

TEST_F(UnigramEncode, NeverMatchesMarksOrTheUnknownPieceItself) {
  EXPECT_THAT(encode("<s>"), ElementsAre(0));
  EXPECT_THAT(encode("<unk>"), ElementsAre(0));
  EXPECT_THAT(encode("x"), ElementsAre(0));  // its score is empty
}

TEST_F(UnigramEncode, KeepsCharactersOfSeveralBytesWhole) {
  EXPECT_THAT(encode("\xc3\xa9"), ElementsAre(7));
  EXPECT_THAT(encode("\xc3\xa8"), ElementsAre(0));  // shares its first byte with a piece
}

TEST(UnigramParse, RejectsLinesThatAreNotAPieceAndItsScore) {
  const std::string long_piece(kMaxPieceBytes + 1, 'a');
  for (const std::string& file :
       {std::string(), std::string("a"), std::string("\t-1"), std::string("u\t0\n\na\t-1"),
        std::string("u\t0\na\t-1x"), std::string("u\t0\na\tnan"), std::string("u\t0\na\tinf"),
        std::string("u\t0\na\t-1\t-2"), std::string("u\t0\na\t-1\r\n"),
        std::string("u\t0\na\t-1\na\t-2"), "u\t0\n" + long_piece + "\t-1"}) {
    const auto vocabulary = Unigram::parse(as_bytes(file));
    ASSERT_FALSE(vocabulary) << file;
    EXPECT_TRUE(vocabulary.error().is(InferenceError::kBadModel));
  }
}

class SentenceTensors : public UnigramEncode {
 protected:
  const Unigram words_ = *Unigram::parse(as_bytes("<unk>\t0\n\xe2\x96\x81\t-1\na\t-1\nb\t-1\n"));
  Result<std::vector<Tensor>> tensors(std::vector<std::string_view> sentences,
                                      std::size_t max_tokens = 128) {
    std::vector<ByteView> views;
    for (const auto sentence : sentences) {
      views.push_back(as_bytes(sentence));
    }
    return sentence_tensors(views, words_, max_tokens);
  }
};

TEST_F(SentenceTensors, PadsToTheLongest) {
  const auto made = tensors({"a", "ab"});
  ASSERT_TRUE(made);
  ASSERT_EQ(made->size(), 2U);
  EXPECT_EQ((*made)[0].name(), "input_ids");
  EXPECT_EQ((*made)[1].name(), "attention_mask");
  EXPECT_THAT((*made)[0].shape(), ElementsAre(2, 3));
  EXPECT_THAT((*made)[0].values<std::int64_t>(), ElementsAre(1, 2, 0, 1, 2, 3));
  EXPECT_THAT((*made)[1].values<std::int64_t>(), ElementsAre(1, 1, 0, 1, 1, 1));
}

TEST_F(SentenceTensors, CutsAtTheMostTokens) {
  const auto made = tensors({"abab"}, 3);
  ASSERT_TRUE(made);
  EXPECT_THAT((*made)[0].values<std::int64_t>(), ElementsAre(1, 2, 3));
}

TEST_F(SentenceTensors, RejectsNoSentenceAndTooMany) {
  const auto none = tensors({});
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().is(InferenceError::kWrongShape));
  EXPECT_TRUE(tensors(std::vector<std::string_view>(kMaxSentences, "a")));
  const auto many = tensors(std::vector<std::string_view>(kMaxSentences + 1, "a"));
  ASSERT_FALSE(many);
  EXPECT_TRUE(many.error().is(InferenceError::kTooLarge));
}

TEST_F(SentenceTensors, RejectsLongBlankAndBrokenSentences) {
  const std::string longest(kMaxSentenceBytes, 'a');
  EXPECT_TRUE(tensors({longest}));
  const auto too_long = tensors({longest + "a"});
  ASSERT_FALSE(too_long);
  EXPECT_TRUE(too_long.error().is(InferenceError::kTooLarge));
  const auto blank = tensors({"a", " "});
  ASSERT_FALSE(blank);
  EXPECT_TRUE(blank.error().is(InferenceError::kBadText));
  const auto broken = tensors({"a\xff"});
  ASSERT_FALSE(broken);
  EXPECT_TRUE(broken.error().is(InferenceError::kBadText));
}

}  // namespace
}  // namespace ensconce
