// What the paper reports (DILEMMA, arXiv 2503.01704) beside what a study found, and why they differ.
#pragma once

#include "base/json.h"

namespace dilemma {

// Rows {"what", "paper", "here", "why"} of texts; "here" is null where the study has no such part.
Json ComparedWithPaper(const Json& study);

}  // namespace dilemma
