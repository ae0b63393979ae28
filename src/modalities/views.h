// Media as an encoder eats them, for people to look at.
#pragma once

#include <vector>

#include "media/image.h"
#include "modalities/prepared.h"

namespace isthmus::modalities {

// Of pictures, videos and maps every tile, view, picture and map, as it was before it was
// normalised; of sound its spectrum, time to the right and low notes below, from black to white; of
// points what is seen of them along z, near ones in front, in their colours or, where they have
// none, the brighter the nearer. Nothing of anything else.
std::vector<media::Image> pictures_of(const Prepared& medium);
// The numbers of anything else, channel by channel: motion, brain activity, other signals. Nothing
// of what has pictures.
std::vector<std::vector<float>> curves_of(const Prepared& medium);

}  // namespace isthmus::modalities
