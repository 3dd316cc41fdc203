#include "evaluation/text.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <iterator>
#include <random>

#include "base/file.h"
#include "base/status.h"

namespace dilemma {
namespace {

namespace fs = std::filesystem;

// Texts are cut here before they are tokenized, so that the tokenizer's time stays linear in a text's length.
constexpr size_t kMaxPiece = 1 << 16;

absl::Status CheckText(std::string_view text, std::string_view source) {
  if (text.size() > INT32_MAX)
    return InvalidArgument("'{}' has {} bytes; a text has at most 2 GiB", source, text.size());
  const auto size = static_cast<int32_t>(text.size());
  bool blank = true;
  for (int32_t i = 0; i < size;) {
    const int32_t at = i;
    UChar32 c = 0;
    U8_NEXT(text.data(), i, size, c);
    if (c < 0 || c == 0) {
      return InvalidArgument("'{}' is no UTF-8 text: see byte {} (0x{:02x})", source, at,
                             static_cast<unsigned char>(text[static_cast<size_t>(at)]));
    }
    blank = blank && c <= ' ';
  }
  if (blank) return InvalidArgument("'{}' holds no text", source);
  return absl::OkStatus();
}

absl::StatusOr<Document> ReadTextFile(const fs::path& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  RETURN_IF_ERROR(CheckText(text, path.string()));
  return Document{path.stem().string(), std::move(text)};
}

absl::StatusOr<std::vector<Document>> ReadFolder(const fs::path& path) {
  std::vector<fs::path> files;
  std::error_code error;
  for (auto it = fs::directory_iterator(path, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    if (it->path().extension() == ".txt") files.push_back(it->path());
  }
  if (error) return NotFound("'{}' cannot be read: {}", path.string(), error.message());
  if (files.empty()) return InvalidArgument("the folder '{}' has no *.txt files", path.string());
  std::sort(files.begin(), files.end());
  std::vector<Document> documents;
  for (const fs::path& file : files) {
    ASSIGN_OR_RETURN(Document document, ReadTextFile(file));
    documents.push_back(std::move(document));
  }
  return documents;
}

absl::StatusOr<std::vector<Document>> ReadContexts(const fs::path& path) {
  ASSIGN_OR_RETURN(const auto articles, ReadSquad(path));
  std::vector<Document> documents;
  for (const SquadArticle& article : articles) {
    Document document{article.title, ""};
    for (const SquadParagraph& paragraph : article.paragraphs) document.text += paragraph.context + "\n";
    RETURN_IF_ERROR(CheckText(document.text, fmt::format("{}, article {}", path.string(), article.title)));
    documents.push_back(std::move(document));
  }
  return documents;
}

template <typename T>
absl::StatusOr<std::vector<T>> SelectByTitle(std::vector<T> items, Part part) {
  if (part == Part::kAll) return items;
  const size_t all = items.size();
  std::erase_if(items, [&](const T& item) { return PartOf(item.title) != part; });
  if (items.empty()) {
    return InvalidArgument(
        "none of the text's {} documents belongs to the {} part (a document's title decides); use all of it, "
        "or "
        "give a text with more documents",
        all, Name(part));
  }
  return items;
}

// The end of a piece that starts at `first`: after a line's end, or anywhere between characters in a longer
// line.
size_t PieceEnd(std::string_view text, size_t first) {
  if (text.size() - first <= kMaxPiece) return text.size();
  const size_t line = text.rfind('\n', first + kMaxPiece - 1);
  if (line != std::string_view::npos && line > first) return line + 1;
  size_t end = first + kMaxPiece;
  while (end > first + 1 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return end;
}

std::vector<int32_t> EncodeAll(std::string_view text, const Tokenizer& tokenizer) {
  std::vector<int32_t> tokens;
  for (size_t first = 0; first < text.size();) {
    const size_t end = PieceEnd(text, first);
    const auto piece =
        tokenizer.Encode(text.substr(first, end - first), /*special=*/false, /*add_bos=*/false);
    tokens.insert(tokens.end(), piece.begin(), piece.end());
    first = end;
  }
  return tokens;
}

std::vector<TokenWindow> Choose(std::vector<TokenWindow> all, const WindowOptions& options) {
  const size_t skip = options.seed == 0 ? 0 : std::min<size_t>(all.size(), static_cast<size_t>(options.skip));
  const size_t count = options.count == 0 ? all.size() - skip
                                          : std::min(all.size() - skip, static_cast<size_t>(options.count));
  std::vector<size_t> chosen(all.size());
  for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = i;
  if (options.seed == 0) {
    for (size_t i = 0; i < count; ++i) chosen[i] = (2 * i + 1) * all.size() / (2 * count);
  } else {
    std::mt19937_64 random(options.seed);
    for (size_t i = 0; i < skip + count; ++i) std::swap(chosen[i], chosen[i + random() % (all.size() - i)]);
  }
  chosen.resize(skip + count);
  chosen.erase(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(skip));
  std::sort(chosen.begin(), chosen.end());
  std::vector<TokenWindow> windows;
  windows.reserve(chosen.size());
  for (const size_t i : chosen) windows.push_back(std::move(all[i]));
  return windows;
}

}  // namespace

absl::StatusOr<std::vector<Document>> ReadDocuments(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return ReadFolder(path);
  if (path.extension() == ".json") return ReadContexts(path);
  ASSIGN_OR_RETURN(Document document, ReadTextFile(path));
  std::vector<Document> documents;
  documents.push_back(std::move(document));
  return documents;
}

std::string_view Name(Part part) {
  switch (part) {
    case Part::kAll:
      return "all";
    case Part::kCalibration:
      return "calibration";
    case Part::kTest:
      return "test";
  }
  return "";
}

absl::StatusOr<Part> ParsePart(std::string_view text) {
  for (const Part part : {Part::kAll, Part::kCalibration, Part::kTest}) {
    if (text == Name(part)) return part;
  }
  return InvalidArgument("'{}' is no part of a text; parts are all, calibration and test", text);
}

Part PartOf(std::string_view title) {
  const char last = Sha256(title).back();  // a hexadecimal digit
  return (last <= '9' ? last - '0' : last - 'a' + 10) % 2 == 0 ? Part::kCalibration : Part::kTest;
}

absl::StatusOr<std::vector<Document>> SelectPart(std::vector<Document> documents, Part part) {
  return SelectByTitle(std::move(documents), part);
}
absl::StatusOr<std::vector<SquadArticle>> SelectPart(std::vector<SquadArticle> articles, Part part) {
  return SelectByTitle(std::move(articles), part);
}

std::vector<int32_t> TextStart(const Tokenizer& tokenizer) {
  std::vector<int32_t> tokens = tokenizer.Encode("", /*special=*/false, /*add_bos=*/true);
  if (tokens.size() > 1) tokens.erase(tokens.begin() + 1, tokens.end());  // (resize: GCC warns under TSan)
  return tokens;
}

absl::StatusOr<std::vector<TokenWindow>> MakeWindows(const std::vector<Document>& documents,
                                                     const Tokenizer& tokenizer,
                                                     const WindowOptions& options) {
  if (options.window < 2 || options.count < 0 || options.skip < 0) {
    return InvalidArgument(
        "windows of {} tokens, {} of them: a window has at least 2 tokens, and 0 means all", options.window,
        options.count);
  }
  const std::vector<int32_t> start = TextStart(tokenizer);
  const size_t fresh = static_cast<size_t>(options.window) - start.size();
  std::vector<TokenWindow> windows;
  size_t most = 0;
  for (const Document& document : documents) {
    const std::vector<int32_t> tokens = EncodeAll(document.text, tokenizer);
    most = std::max(most, tokens.size());
    for (size_t first = 0; first + fresh <= tokens.size(); first += fresh) {
      TokenWindow& window = windows.emplace_back(start);
      std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(first), fresh, std::back_inserter(window));
    }
  }
  if (windows.empty()) {
    return InvalidArgument(
        "the text is too short: its longest document has {} tokens and a window takes {}; give more text or "
        "ask for shorter windows",
        most, options.window);
  }
  return Choose(std::move(windows), options);
}

}  // namespace dilemma
