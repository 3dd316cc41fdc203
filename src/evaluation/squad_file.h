// The Stanford Question Answering Dataset, version 1.1, as its official JSON has it (P. Rajpurkar et al.,
// 2016).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dilemma {

struct SquadQuestion {
  std::string id, question;
  std::vector<std::string> answers;  // gold answers; at least one
};

struct SquadParagraph {
  std::string context;
  std::vector<SquadQuestion> questions;
};

struct SquadArticle {
  std::string title;
  std::vector<SquadParagraph> paragraphs;
};

// kInvalidArgument, naming the field, for broken JSON, missing fields, questions without an answer, and
// version 2 of the data (it asks unanswerable questions, which are scored otherwise).
absl::StatusOr<std::vector<SquadArticle>> ParseSquad(std::string_view json, std::string_view source);
absl::StatusOr<std::vector<SquadArticle>> ReadSquad(const std::filesystem::path& path);

}  // namespace dilemma
