// From losses of groups of matrices at single types to a unit's menu of mixes. Inside the room only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/model.h"
#include "quality/quality.h"

namespace dilemma {

struct GroupLoss {
  std::vector<std::string> roles;                     // of the matrices that share a type
  std::vector<std::pair<TensorType, double>> losses;  // at each type
};

struct UnitLoss {
  std::vector<GroupLoss> groups;
  double overlap = 0;  // of the groups' losses (layer_losses.h)
};

// Mixes on the lower convex edge of (bytes, sum of the groups' losses), by descending bytes, with what their
// groups lose together; at most `max_choices`, spread along the edge, the ends among them, none of which
// another beats in both. A single group gets every choice that none beats in both. The base type of a mix is
// the one that most of its groups have.
std::vector<Choice> MixesOf(const Unit& unit, const UnitLoss& losses, int max_choices);

}  // namespace dilemma
