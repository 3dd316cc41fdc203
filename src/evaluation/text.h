// Text to measure on, as windows of tokens, and its split into a part for calibration and one for tests that
// have no article in common.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenizer.h"
#include "evaluation/squad_file.h"

namespace dilemma {

struct Document {
  std::string title;
  std::string text;  // UTF-8
};

// A SQuAD file (*.json): one document an article, made of its contexts; a folder: one document for each of
// its
// *.txt files, by name; any other file: one document. kInvalidArgument for text that is empty or not UTF-8,
// with the place.
absl::StatusOr<std::vector<Document>> ReadDocuments(const std::filesystem::path& path);

enum class Part { kAll, kCalibration, kTest };
std::string_view Name(Part part);
absl::StatusOr<Part> ParsePart(std::string_view text);  // "all", "calibration", "test"

// Which half a title belongs to. It depends on the title alone (a bit of its SHA-256), so that it stays the
// same whatever else the file holds.
Part PartOf(std::string_view title);

// kInvalidArgument where nothing is left.
absl::StatusOr<std::vector<Document>> SelectPart(std::vector<Document> documents, Part part);
absl::StatusOr<std::vector<SquadArticle>> SelectPart(std::vector<SquadArticle> articles, Part part);

struct WindowOptions {
  int64_t window =
      512;             // tokens; where the model begins texts with a special token, that is the first of them
  int64_t count = 20;  // at most so many; 0: all
  uint32_t seed = 0;   // 0: spread evenly over the text; otherwise drawn at random, in the text's order
  int64_t skip = 0;  // where they are drawn: so many are drawn first and left out, those that `count` = skip
                     // would give; none may be left then
};

using TokenWindow = std::vector<int32_t>;

// Windows do not overlap and none crosses from one document into the next. kInvalidArgument where the text
// has too few tokens for one window.
absl::StatusOr<std::vector<TokenWindow>> MakeWindows(const std::vector<Document>& documents,
                                                     const Tokenizer& tokenizer,
                                                     const WindowOptions& options);

// The tokens that the model wants before every text: none or one.
std::vector<int32_t> TextStart(const Tokenizer& tokenizer);

}  // namespace dilemma
